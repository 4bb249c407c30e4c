using System.Globalization;

namespace DbRecovery.Benchmarks.Failover;

/// <summary>A primary dies by kill -9 and cannot be started again: the time until another node takes a write. Each system in turn, each round with new servers.</summary>
internal static class FailoverFigures
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    public static void Run(int rounds, int peerRounds, IReadOnlyList<(Func<IFailoverSystem> Make, bool Peer)> systems)
    {
        var times = new Dictionary<string, List<TimeSpan>>();
        for (var round = 0; round < rounds; round++)
        {
            foreach (var (make, peer) in systems.Where(s => !s.Peer || round < peerRounds))
            {
                using var system = make();
                system.Start();
                var probe = new WriteProbe(system.Ports);
                probe.Prepare(primary: 0);
                var took = probe.Run(primary: 0, () => system.KillForGood(0), Limit);
                if (!times.TryGetValue(system.Name, out var list))
                    times[system.Name] = list = [];
                list.Add(took);
            }
        }
        foreach (var (name, list) in times)
        {
            list.Sort();
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{name,-32} median {list[list.Count / 2].TotalSeconds,7:0.000} s   worst {list[^1].TotalSeconds,7:0.000} s   of {list.Count}"));
        }
    }
}
