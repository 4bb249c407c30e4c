using System.Collections.Concurrent;
using System.Diagnostics;
using System.Security.Cryptography;

namespace DbRecovery.Integration.Tests;

/// <summary>An operation of the executable that is killed again and again: how it is called, what it finds, and what must hold after each kill.</summary>
internal sealed record KilledOperation(Func<int, string[]> Command)
{
    public KilledOperation(params string[] command) : this(_ => command)
    {
    }

    /// <summary>Makes something to do, before each run.</summary>
    public Action<int> Before { get; init; } = _ => { };

    /// <summary>What must hold after each kill, before the next run sweeps up.</summary>
    public Action<int> After { get; init; } = _ => { };

    /// <summary>The exit code of a run that comes to its end.</summary>
    public int Exit { get; init; }

    /// <summary>How the operation ends where nobody kills it; the same command by default.</summary>
    public Func<int, string[]>? End { get; init; }

    /// <summary>How long one run is at work, where it never ends by itself.</summary>
    public Func<TimeSpan>? Measure { get; init; }
}

/// <summary>
/// Kills an operation (SIGKILL) at twenty random moments spread over the time that it takes, lets it end once, and then looks at all
/// that a kill could have hurt: the repository, every backup that it lists, the database, and what lies about.
/// </summary>
internal static class KillSeries
{
    private const int Kills = 20;
    private const int MostRuns = 60;

    public static void Run(Lab lab, KilledOperation operation)
    {
        // before that the runtime starts, and there is nothing of ours to interrupt
        lab.DbRecovery(0, "--version"); // the first start also reads the executable from the disk
        var start = Time(() => lab.DbRecovery(0, "--version"));
        operation.Before(-1);
        var whole = operation.Measure is { } measure ? measure() : Time(() => lab.DbRecovery(operation.Exit, operation.Command(-1)));
        var moments = new Moments(start, whole, Kills);
        var (kills, runs) = (0, 0);
        while (kills < Kills)
        {
            Assert.True(runs < MostRuns, $"only {kills} of {runs} runs were met at work: {moments}");
            operation.Before(runs);
            var moment = moments.Next(kills);
            var took = Stopwatch.StartNew();
            var (run, toEnd) = lab.Signalled("KILL", elapsed => elapsed >= moment, operation.Command(runs));
            Assert.True(run.ExitCode == operation.Exit || run.ExitCode == 137, $"killed after {moment.TotalMilliseconds:0} ms of {moments}: {run}");
            if (run.ExitCode == 137)
                kills++;
            else
                moments.Missed(took.Elapsed - toEnd);
            operation.After(runs++);
        }
        operation.Before(runs);
        lab.DbRecovery(operation.Exit, (operation.End ?? operation.Command)(runs));
        operation.After(runs);
    }

    /// <summary>Nothing of a repository is hurt: it checks well to the last byte, its backups restore to what the database once was, and the sweep leaves nothing.</summary>
    public static void AssertWhole(Lab lab, Contents contents)
    {
        var test = lab.DbRecovery(0, "repository", "test", "main", "--decode").Object;
        Assert.True(test.GetProperty("passed").GetBoolean(), test.ToString());
        var ids = lab.DbRecovery(0, "backup", "list", "shop").Objects.Select(b => b.GetProperty("id").GetString()!).ToArray();
        Assert.NotEmpty(ids);
        foreach (var id in new[] { ids[0], ids[new Random(ids.Length).Next(ids.Length)] }.Distinct())
        {
            var back = Path.Combine(lab.Folder, $"back-{id}.db");
            lab.DbRecovery(0, "backup", "restore", "shop", id, "--to", back);
            contents.AssertKnown(back);
            File.Delete(back);
        }
        Assert.Equal("ok", Lab.Sqlite(lab.Database, "PRAGMA integrity_check"));
        Assert.Empty(lab.Leftovers(killed: true));
        // what a killed writer left in the repository goes when it is old enough to be nobody's
        foreach (var left in new[] { "tmp", "sessions" }.Select(f => Path.Combine(lab.Repository, f)).Where(Directory.Exists).SelectMany(f => Directory.GetFiles(f, "*", SearchOption.AllDirectories)))
            File.SetLastWriteTimeUtc(left, DateTime.UtcNow.AddHours(-2));
        lab.DbRecovery(0, "repository", "prune", "main", "--grace", "0s");
        Assert.Empty(lab.Leftovers());
        lab.DbRecovery(0, "repository", "test", "main");
    }

    private static TimeSpan Time(Action act)
    {
        var clock = Stopwatch.StartNew();
        act();
        return clock.Elapsed;
    }
}

/// <summary>What a database was at the moments when it could be backed up.</summary>
internal sealed class Contents
{
    private readonly ConcurrentDictionary<string, bool> _known = [];

    public void Remember(string database) => _known[Hash(database)] = true;

    public void AssertKnown(string database) => Assert.True(_known.ContainsKey(Hash(database)), $"{database} is nothing that the database ever was");

    public static string Hash(string file) => Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(file)));
}
