using System.Diagnostics;
using DbRecovery.PostgresLab;
using Npgsql;

namespace DbRecovery.Benchmarks.Failover;

/// <summary>What one round measured.</summary>
/// <param name="Took">The figure.</param>
/// <param name="Parts">Where it went.</param>
/// <param name="Remark">What else is to be said.</param>
internal sealed record Measured(TimeSpan Took, IReadOnlyList<(string Name, TimeSpan Took)>? Parts = null, string? Remark = null);

/// <summary>Something that is measured again and again, each time with new servers.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Limit">What it should stay below; empty for a peer.</param>
/// <param name="Rounds">How often.</param>
/// <param name="Round">One time.</param>
internal sealed record Situation(string Name, string Limit, int Rounds, Func<Measured> Round);

/// <summary>The situations.</summary>
internal static class Situations
{
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(1);

    /// <summary>Ours with so many rounds of the first two, and the peers'.</summary>
    public static IReadOnlyList<Situation> All(string cli, int rounds)
    {
        var (few, peer) = (Math.Max(1, rounds / 4), Math.Max(1, rounds / 7));
        return
        [
            new("killed, asynchronous", "median 0.3 s, worst 1.5 s", rounds, () => Killed(Own(cli, new PgClusterOptions()))),
            new("killed, a quorum of standbys", "median 0.6 s, worst 1.5 s", rounds, () => Killed(Own(cli, new PgClusterOptions { Synchronous = 1 }))),
            new("killed, repmgr", "", peer, () => Killed(new RepmgrPeer())),
            new("killed, Patroni with etcd", "", peer, () => Killed(new PatroniPeer())),
            new("killed, pg_auto_failover", "", peer, () => Killed(new AutoFailoverPeer())),
            new("hung (SIGSTOP)", "5 s", few, () => Hung(Own(cli, new PgClusterOptions()))),
            new("host gone (packets dropped)", "5 s", few, () => Gone(cli)),
            new("switchover, writes stop", "0.7 s", few, () => Switchover(Own(cli, new PgClusterOptions(), watched: false), s => s.Run("switchover", s.Cluster.Options.Name, "--to", s.Cluster.Nodes[1].Name, "--yes"))),
            new("switchover through PgBouncer", "0.7 s, no error", few, () => ThroughPooler(cli)),
            new("switchover, Patroni", "", peer, () => Switchover(new PatroniPeer(), p => p.Switchover(0, 1))),
            new("rewound and streaming again", "5 s", few, () => Rejoined(Own(cli, new PgClusterOptions { UpstreamRelays = true }, watched: false))),
        ];
    }

    private static OwnSystem Own(string cli, PgClusterOptions options, Func<PgCluster, string, string>? change = null, bool watched = true) => new(cli, options, change, watched);

    private static Measured Killed(IFailoverSystem made) => Lost(made, s => s.KillForGood(0));

    private static Measured Hung(OwnSystem made) => Lost(made, _ => made.Cluster.Primary.FreezeAsync().GetAwaiter().GetResult());

    /// <summary>Its server and its machine answer nobody any more: neither the watch, nor the standbys, nor whoever wants to run a command there.</summary>
    private static Measured Gone(string cli)
    {
        var way = "";
        var options = new PgClusterOptions { Synchronous = 1, Relays = true, UpstreamRelays = true };
        var made = Own(cli, options, (lab, inventory) =>
        {
            way = Path.Combine(lab.Folder, "way");
            File.WriteAllText(way, $"[ ! -e \"$0.gone\" ] || [ \"$1\" != root@{lab.Primary.Name} ] || exec sleep 600\nshift\nexec \"$@\"\n");
            return inventory.Replace("{ kind: pg_ctl }", $"{{ kind: pg_ctl, via: \"sh {way} root@{{node}}\" }}", StringComparison.Ordinal);
        });
        return Lost(made, gone =>
        {
            File.WriteAllText(way + ".gone", "");
            var ways = made.Cluster.Standbys.Select(s => s.UpstreamRelay!).Append(made.Cluster.Primary.Relay!).ToList();
            ways.ForEach(w => w.Set(Flow.Drop, Flow.Drop));
            // new connections get no answer either; that it takes a moment until the kernel sees to it is of no use to anybody
            _ = Task.WhenAll(ways.Select(w => w.VanishAsync()));
        });
    }

    private static Measured Lost(IFailoverSystem made, Action<IFailoverSystem> end)
    {
        using var system = made;
        system.Start();
        var probe = new WriteProbe(system.Ports);
        probe.Prepare(primary: 0);
        var ended = DateTimeOffset.MinValue;
        var took = probe.Run(primary: 0, () =>
        {
            ended = DateTimeOffset.UtcNow;
            end(system);
        }, s_limit);
        return new Measured(took, system is OwnSystem own ? Phases.Of(own, ended, ended + took) : null);
    }

    private static Measured Switchover<T>(T made, Action<T> switchOver) where T : IFailoverSystem
    {
        using var system = made;
        system.Start();
        new WriteProbe(system.Ports).Prepare(primary: 0);
        using var load = new Load(system.Ports.Select(p => $"Host=127.0.0.1;Port={p};Username=postgres;Database=postgres"));
        switchOver(system);
        load.Until(10);
        return new Measured(load.LongestStop);
    }

    private static Measured ThroughPooler(string cli)
    {
        PgBouncerLab? pooler = null;
        try
        {
            using var system = Own(cli, new PgClusterOptions(), (lab, inventory) =>
            {
                pooler = PgBouncerLab.StartAsync($"[databases]\nlab = host=127.0.0.1 port={lab.Primary.Port} dbname=postgres user=postgres\n", "trust", "pool_mode = transaction").GetAwaiter().GetResult();
                return inventory.Replace("    policy:", $"    routes: [ {{ pgbouncer: \"127.0.0.1:{pooler.Port}\", database: lab, file: {pooler.DatabasesFile}, user: {PgBouncerLab.Admin}, password: {{ file: {pooler.PasswordFile} }} }} ]\n    policy:", StringComparison.Ordinal);
            }, watched: false);
            system.Start();
            new WriteProbe(system.Ports).Prepare(primary: 0);
            using var load = new Load([$"Host=127.0.0.1;Port={pooler!.Port};Username=postgres;Database=lab"]);
            system.Run("switchover", system.Cluster.Options.Name, "--to", system.Cluster.Nodes[1].Name, "--yes");
            load.Until(10);
            return new Measured(load.LongestStop, Remark: $"{load.Errors} errors, longest wait {load.LongestWait.TotalSeconds:0.00} s");
        }
        finally
        {
            pooler?.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }
    }

    /// <summary>A former primary with writes that nobody else has.</summary>
    private static Measured Rejoined(OwnSystem made)
    {
        using var system = made;
        system.Start();
        new WriteProbe(system.Ports).Prepare(primary: 0);
        var (lab, old) = (system.Cluster, system.Cluster.Primary);
        // who is primary is known from a look before
        system.Run("health", lab.Options.Name, "--level", "quick");
        foreach (var standby in lab.Standbys)
            standby.UpstreamRelay!.Set(Flow.Pass, Flow.Drop);
        lab.ExecuteAsync(old, "insert into bench_probe (at) select now() from generate_series(1, 2000)").GetAwaiter().GetResult();
        system.KillForGood(0);
        foreach (var standby in lab.Standbys)
            standby.UpstreamRelay!.Cut();
        system.Run("failover", lab.Options.Name, "--yes", "--allow-data-loss", "any");
        old.MendBinary();
        var clock = Stopwatch.StartNew();
        system.Run("rejoin", lab.Options.Name, old.Name, "--yes");
        var took = clock.Elapsed;
        var streams = lab.Standbys.Any(s => Streams(lab, s, old.Name));
        return streams ? new Measured(took) : throw new InvalidOperationException($"'{old.Name}' does not stream");
    }

    private static bool Streams(PgCluster lab, PgNode from, string name)
    {
        try
        {
            return lab.ScalarAsync<long>(from, $"select count(*) from pg_stat_replication where application_name = '{name}' and state = 'streaming'").GetAwaiter().GetResult() > 0;
        }
        catch (NpgsqlException)
        {
            return false;
        }
    }
}
