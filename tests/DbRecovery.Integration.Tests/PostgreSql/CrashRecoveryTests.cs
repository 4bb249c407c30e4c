using System.Diagnostics;
using DbRecovery.PostgresLab;

namespace DbRecovery.Integration.Tests.PostgreSql;

/// <summary>A primary whose server recovers from a crash, for as long as a test wants: it answers everybody with 57P03.</summary>
public sealed class CrashRecoveryTests(Xunit.Abstractions.ITestOutputHelper output)
{
    [Fact]
    public async Task A_primary_that_recovers_for_long_is_waited_for()
    {
        await using var watched = await WatchedCluster.StartAsync(new PgClusterOptions(), $"autoRecover: true, maxDataLoss: 1GiB, {PgSituation.Patient}");
        var (lab, primary) = (watched.Lab, watched.Lab.Primary);
        var release = await HoldNextRecoveryAsync(lab, primary);
        // a process of the server that ends so takes all sessions with it, and the server recovers by itself
        await using (var victim = await lab.OpenAsync(primary))
        using (var process = Process.GetProcessById(victim.ProcessID))
            process.Kill();
        await watched.UntilAsync(() => watched.Events.Any(e => e.Event is { Kind: WatchEventKind.FaultRaised, Fault.Id: "pg.primary.crash-recovery" }), "the recovery was not told");
        // that nothing is done can only be waited for: several times as long as a failover takes
        await Task.Delay(TimeSpan.FromSeconds(10));
        Assert.Equal("57P03", (await Assert.ThrowsAsync<Npgsql.PostgresException>(() => lab.OpenAsync(primary))).SqlState);
        await release();
        await watched.UntilAsync(() => watched.Events.Any(e => e.Event is { Kind: WatchEventKind.FaultCleared, Fault.Id: "pg.primary.crash-recovery" }), "its end was not told");
        await watched.Writer.UntilAsync(50);
        output.WriteLine(watched.Story());
        await watched.Writer.StopAsync();
        await watched.Sampler.StopAsync();
        Assert.Equal([primary.Name], watched.Sampler.Spans.Select(s => s.Node).Distinct());
        Assert.Empty(await watched.Writer.MissingAsync(lab, primary));
        foreach (var standby in lab.Standbys)
            await lab.UntilStreamingAsync(standby, primary);
        Assert.DoesNotContain(watched.Runtime.GetIncidents(watched.Cluster.Name).SelectMany(i => i.Steps), s => s.Action is "fence" or "failover" or "promote" or "start");
    }

    /// <summary>
    /// Makes the next crash recovery wait where it opens the log: a pipe lies there, which nobody writes to. Gives what lets it go on: with the file
    /// back in its place, a signal makes the system call begin anew, by its name.
    /// </summary>
    private static async Task<Func<Task>> HoldNextRecoveryAsync(PgCluster lab, PgNode primary)
    {
        await lab.ExecuteAsync(primary, "checkpoint");
        // the log from there on is read, and nobody writes it any more
        var segment = Path.Combine(primary.DataDir, "pg_wal", (await lab.ScalarAsync<string>(primary, "select pg_walfile_name(redo_lsn) from pg_control_checkpoint()"))!);
        await lab.ExecuteAsync(primary, "select pg_switch_wal()");
        await lab.UntilAsync(primary, $"select pg_walfile_name(pg_current_wal_insert_lsn()) > '{Path.GetFileName(segment)}'", true);
        foreach (var standby in lab.Standbys)
            await lab.UntilCaughtUpAsync(standby, primary);
        File.Move(segment, segment + ".held");
        await RunAsync("mkfifo", segment);
        LabFiles.GiveToServer(segment);
        return async () =>
        {
            File.Move(segment + ".held", segment, overwrite: true);
            await RunAsync("kill", "-s", "HUP", $"{primary.ProcessId}");
        };
    }

    private static async Task RunAsync(params string[] command)
    {
        using var process = Process.Start(command[0], command[1..]);
        await process.WaitForExitAsync();
        Assert.Equal(0, process.ExitCode);
    }
}
