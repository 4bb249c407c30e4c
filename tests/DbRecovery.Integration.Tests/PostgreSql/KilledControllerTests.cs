using System.Collections.Concurrent;
using System.Diagnostics;
using DbRecovery.PostgresLab;
using Xunit.Abstractions;

namespace DbRecovery.Integration.Tests.PostgreSql;

/// <summary>
/// The controller is killed (SIGKILL) in the middle of what it does, and a second one goes on: there is one primary at the end and never
/// more than one on the way, what was acknowledged is there as far as it was foreseen, and the incident comes to its end.
/// </summary>
public sealed class KilledControllerTests(ITestOutputHelper output)
{
    private const int AtOnce = 3;

    [Fact]
    public async Task After_each_record_of_a_failover_another_controller_goes_on()
    {
        var records = await FailoverAsync(int.MaxValue, inTheStep: false);
        Assert.InRange(records, 10, 40);
        await EachAsync(0, records, record => FailoverAsync(record, inTheStep: false));
    }

    [Fact]
    public async Task In_the_middle_of_a_promotion_another_controller_goes_on() => await FailoverAsync(int.MaxValue, inTheStep: true);

    [Fact]
    public async Task After_each_record_of_a_switchover_it_is_gone_on_with()
    {
        var records = await SwitchoverAsync(int.MaxValue, null);
        Assert.InRange(records, 6, 20);
        await EachAsync(1, records, record => SwitchoverAsync(record, null));
    }

    [Theory]
    [InlineData("stopping")]
    [InlineData("stopped")]
    [InlineData("promoted")]
    public async Task In_the_middle_of_a_switchover_it_is_gone_on_with(string moment) => await SwitchoverAsync(int.MaxValue, moment);

    private async Task EachAsync(int from, int records, Func<int, Task<int>> run)
    {
        var failures = new ConcurrentBag<string>();
        await Parallel.ForEachAsync(Enumerable.Range(from, records + 1 - from), new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, async (record, _) =>
        {
            try
            {
                await run(record);
            }
            catch (Exception e)
            {
                failures.Add($"killed after record {record} of {records}: {e}");
            }
        });
        Assert.True(failures.IsEmpty, string.Join("\n\n", failures));
    }

    /// <summary>A failover whose first controller dies after a record, with the primary before any, or as soon as a standby is promoted; gives the number of records that its journal has at the end.</summary>
    private async Task<int> FailoverAsync(int record, bool inTheStep)
    {
        // in turn: with and without a synchronous quorum, and gone on with by a watch or by hand
        var synchronous = 1 - record % 2;
        await using var lab = await PgSituation.StartAsync(new PgClusterOptions { Synchronous = synchronous, WalLogHints = true },
            $"autoRecover: true, restartInPlace: false, maxDataLoss: 16MB, synchronous: {synchronous}, {PgSituation.Patient}");
        await using var writer = await lab.WriterAsync(TimeSpan.FromMilliseconds(20));
        await using var sampler = await lab.SamplerAsync();
        var first = await lab.WatchAsync(["--recover", "--every", "200ms"], DyingAfter(record));
        await writer.UntilAsync(100);
        if (record == 0)
            first.Process.Kill();
        await lab.Cluster.Primary.KillAsync();
        if (inTheStep)
        {
            await PromotedAsync(lab);
            first.Process.Kill();
        }
        var ended = await first.UntilEndOrRecoveredAsync();
        output.WriteLine($"{DateTime.UtcNow:HH:mm:ss.fff} record {record}: {(ended is null ? "killed" : ended.To)}");
        if (ended is null)
            await GoOnAsync(lab, byHand: record % 4 < 2);
        else
            Assert.True(Records(lab) < record, $"not killed after record {record}: {first}");
        await AtTheEndAsync(lab, writer, sampler, synchronous > 0, null);
        return Records(lab);
    }

    private static async Task PromotedAsync(PgSituation lab)
    {
        var clock = Stopwatch.StartNew();
        while ((await lab.PrimariesAsync()).Count == 0)
            Assert.True(clock.Elapsed < Wait.Limit, "no standby was promoted");
    }

    private static async Task GoOnAsync(PgSituation lab, bool byHand)
    {
        var open = Incidents(lab).SingleOrDefault();
        if (open is not null && Done(open))
            return;
        if (byHand && open is not null && (await lab.Runtime.ResumeIncidentAsync(open.Id, null, null, default)).State != IncidentState.Cancelled)
            return;
        await foreach (var told in lab.Runtime.WatchAsync([lab.Runtime.GetCluster(lab.Name)], null, recover: true, null, Wait.Limit, default))
        {
            if (told is { Kind: WatchEventKind.Incident, Fault.Severity: <= FaultSeverity.Outage } && told.To is "Probation" or "Failed" or "AmbiguousHalt" or "AwaitingApproval" or "Suppressed")
                break;
        }
    }

    /// <summary>A switchover that dies after a record, or at a moment between two; gives the number of records that its journal has at the end.</summary>
    private async Task<int> SwitchoverAsync(int record, string? moment)
    {
        var synchronous = record % 2;
        await using var lab = await PgSituation.StartAsync(new PgClusterOptions { Standbys = moment is null ? 1 : 2, Synchronous = synchronous }, $"synchronous: {synchronous}, {PgSituation.Patient}");
        await using var writer = await lab.WriterAsync(TimeSpan.FromMilliseconds(20));
        await using var sampler = await lab.SamplerAsync();
        await writer.UntilAsync(50);
        var (old, next) = (lab.Cluster.Primary, lab.Cluster.Nodes[1]);
        string[] command = ["switchover", lab.Name, "--to", next.Name, "--window", "2m", "--yes", "--output", "json"];
        var run = await lab.TryAsync(command, DyingAfter(record), moment is null ? null : async () => moment switch
        {
            "stopping" => old.LogTail().Contains("received fast shutdown request", StringComparison.Ordinal),
            "stopped" => old.ProcessId is null,
            _ => next.ProcessId is not null && !await lab.Cluster.ScalarAsync<bool>(next, "select pg_is_in_recovery()"),
        });
        output.WriteLine($"{DateTime.UtcNow:HH:mm:ss.fff} record {record} {moment}: {run.ExitCode}");
        Assert.True(run.ExitCode == 137 || (run.ExitCode == 0 && (moment is not null || Records(lab) < record)), $"{run}");
        if (Assert.Single(lab.Runtime.GetIncidents(lab.Name)) is var left && !Done(left))
            await lab.Runtime.ResumeIncidentAsync(left.Id, null, null, default);
        await AtTheEndAsync(lab, writer, sampler, nothingIsLost: true, next);
        return Records(lab);
    }

    private static async Task AtTheEndAsync(PgSituation lab, Writer writer, WritableSampler sampler, bool nothingIsLost, PgNode? expected)
    {
        var incident = Assert.Single(Incidents(lab));
        Assert.True(Done(incident), $"{incident.State}: {string.Join('\n', incident.Timeline.Select(t => $"{t.At:HH:mm:ss.fff} {t.State} {t.Step} {t.Event}"))}");
        await writer.UntilAsync(20);
        var now = lab.Cluster[Assert.Single(await lab.PrimariesAsync())];
        Assert.True(expected is null ? now != lab.Cluster.Primary : now == expected, now.Name);
        foreach (var node in lab.Cluster.Nodes.Where(n => n != now))
            await lab.Cluster.UntilStreamingAsync(node, now);
        await writer.StopAsync();
        await sampler.StopAsync();
        Assert.True(sampler.Most <= 1, string.Join('\n', sampler.Spans));
        // it was promoted once
        Assert.Equal(2, await lab.Cluster.ScalarAsync<int>(now, "select timeline_id from pg_control_checkpoint()"));
        var missing = await writer.MissingAsync(lab.Cluster, now);
        if (nothingIsLost)
            Assert.Empty(missing);
        else
            await lab.AtMostThePreviewAsync(missing);
    }

    private static Dictionary<string, string> DyingAfter(int record) => new()
    {
        ["DOTNET_STARTUP_HOOKS"] = Lab.Program("KillHook"), ["KILL_AFTER_JOURNAL_RECORD"] = $"{record}",
    };

    // on a slow machine looks that time out may seem for a moment to be the watcher's own isolation, or a network that fails, and a standby may hear of its
    // primary's end after the watch: that is told, and gone at the next look
    private static IEnumerable<IncidentReport> Incidents(PgSituation lab) =>
        lab.Runtime.GetIncidents(lab.Name).Where(i => i.State != IncidentState.Cancelled && (i.Fault.Severity <= FaultSeverity.Outage || i.Fault.Id == "planned.switchover"));

    private static bool Done(IncidentReport incident) => incident.State is IncidentState.Probation or IncidentState.Resolved;

    private static int Records(PgSituation lab) => File.ReadLines(Assert.Single(Incidents(lab)).JournalPath).Count();
}
