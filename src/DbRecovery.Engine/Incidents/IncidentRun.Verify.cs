using DbRecovery.Engine.Actions;
using DbRecovery.Engine.Faults;
using DbRecovery.Engine.Replication;
using DbRecovery.Engine.Runbooks;

namespace DbRecovery.Engine.Incidents;

// The checks after the steps: each must come true within its time and then stay so.
internal sealed partial class IncidentRun
{
    private static readonly TimeSpan CanaryTime = TimeSpan.FromSeconds(5);

    private async Task VerifyAsync(CancellationToken cancellationToken)
    {
        var results = new List<ProofCheck>();
        foreach (var check in _runbook.Verify)
        {
            _lease.Ensure();
            results.Add(await HoldsAsync(check, cancellationToken).ConfigureAwait(false));
            if (!results[^1].Passed)
                break;
        }
        if (results.Find(r => !r.Passed) is { } failed)
        {
            Record(JournalKind.Verified, $"The check '{failed.Name}' does not hold: {failed.Detail}", new JournalData { Checks = results });
            Record(JournalKind.Failing, $"The steps were carried out, and the check '{failed.Name}' does not hold: {failed.Detail}", new JournalData { ErrorId = ErrorIds.VerificationFailed });
            return;
        }
        var asked = PlannedOperations.IsPlanned(_history.Fault!.Id);
        Record(JournalKind.Verified, (asked ? Done(results) : Recovered(results)) + (_history.Loss is { } loss ? $" {loss.Statement}" : ""),
            new JournalData { Checks = results }, asked ? IncidentTrigger.Settled : IncidentTrigger.Verified);
    }

    private string Recovered(List<ProofCheck> results) =>
        $"{(results.Count == 0 ? "Every step is done; the runbook checks nothing." : $"Recovered: {Held(results)}.")} A recurrence within {_services.Probation} is a matter for people.";

    /// <summary>The end of what a person asked for: what was done.</summary>
    private string Done(List<ProofCheck> results)
    {
        var done = _history.Steps.Where(s => s.State is StepState.Applied or StepState.Confirmed).Select(s => s.Result).OfType<string>();
        return $"Done: {string.Join(' ', done)}{(results.Count == 0 ? "" : $" Checked: {Held(results)}.")}";
    }

    private static string Held(List<ProofCheck> results) => $"every check holds ({string.Join(", ", results.Select(r => r.Name))})";

    private async Task<ProofCheck> HoldsAsync(RunbookCheck check, CancellationToken cancellationToken)
    {
        var started = Clock.GetTimestamp();
        var bound = Remaining() is var left && left < check.Within && left > TimeSpan.Zero ? left : check.Within;
        long? since = null;
        while (true)
        {
            if (cancellationToken.IsCancellationRequested)
                throw new RunInterruptedException("it was cancelled while the result was being checked");
            var (passed, detail) = await LookAsync(check, cancellationToken).ConfigureAwait(false);
            since = passed ? since ?? Clock.GetTimestamp() : null;
            if (since is { } from && Clock.GetElapsedTime(from) >= check.Holds)
                return new ProofCheck(check.Check, true, check.Holds > TimeSpan.Zero ? $"{detail}; held for {check.Holds}" : detail);
            // a check that is true now may use its holding time; one that is false may not
            if (Clock.GetElapsedTime(started) >= (passed ? bound + check.Holds : bound))
                return new ProofCheck(check.Check, false, $"{detail} (for {bound})");
            await Task.Delay(_services.PollInterval, Clock, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task<(bool Passed, string Detail)> LookAsync(RunbookCheck check, CancellationToken cancellationToken)
    {
        try
        {
            return check.Check switch
            {
                VerifyChecks.Readable => await ReadableAsync(cancellationToken).ConfigureAwait(false),
                VerifyChecks.Writable => await WritableAsync(check, cancellationToken).ConfigureAwait(false),
                VerifyChecks.Replicating => await ReplicatingAsync(check, cancellationToken).ConfigureAwait(false),
                VerifyChecks.FaultGone => FaultGone(await ExamineAsync(check, ObservationLevel.Standard, cancellationToken).ConfigureAwait(false)),
                VerifyChecks.Healthy => Healthy(await ExamineAsync(check, ObservationLevel.Standard, cancellationToken).ConfigureAwait(false)),
                VerifyChecks.Expectations => await ExpectationsAsync(check, cancellationToken).ConfigureAwait(false),
                VerifyChecks.Fact => await FactAsync(check, cancellationToken).ConfigureAwait(false),
                _ => (false, $"there is no check '{check.Check}'"),
            };
        }
        catch (DbRecoveryException e) when (e.Id != ErrorIds.LeaseLost)
        {
            return (false, e.Message);
        }
    }

    private async Task<HealthReport> ExamineAsync(RunbookCheck check, ObservationLevel usual, CancellationToken cancellationToken)
    {
        var word = _services.Evaluator.BindText(check.With.GetValueOrDefault("level"), "level", Values());
        // what was seen only by a deep look is gone only when a deep look does not see it
        var level = word is null ? (usual > _level ? usual : _level) : Enum.Parse<ObservationLevel>(word, ignoreCase: true);
        var report = await _services.Health.ExamineAsync(_cluster, level, _progress, cancellationToken).ConfigureAwait(false);
        TakeFacts(report);
        return report;
    }

    private NodeDefinition Target() => _history.Fault?.Node is { } name ? _cluster.Node(name) : _cluster.Nodes[0];

    private async Task<(bool, string)> ReadableAsync(CancellationToken cancellationToken)
    {
        var report = await _services.Health.ExamineAsync(_cluster, ObservationLevel.Quick, _progress, cancellationToken).ConfigureAwait(false);
        var seen = report.Observations.FirstOrDefault(o => o.Node == Target().Name);
        return seen?.Reachability == Reachability.Reachable
            ? (true, $"'{Target().Name}' answers a read")
            : (false, $"'{Target().Name}' is {seen?.Reachability.ToString() ?? "not observed"}{(seen?.Errors.Count > 0 ? $": {seen.Errors[0].Message}" : "")}");
    }

    private async Task<(bool, string)> WritableAsync(RunbookCheck check, CancellationToken cancellationToken)
    {
        if (_services.Provider(_cluster.Engine).TryGet<IReplicationControl>(out var replication))
            return await PrimaryWritableAsync(check, replication, cancellationToken).ConfigureAwait(false);
        if (!_services.Provider(_cluster.Engine).TryGet<ISqlSession>(out var session))
            return (false, $"{_cluster.Engine} lacks an SQL session, so a write cannot be tried");
        // a transaction that may write takes the write lock and then changes nothing
        await session.ExecuteAsync(_cluster, Target(), "select 1", readOnly: false, TimeSpan.FromSeconds(5), cancellationToken).ConfigureAwait(false);
        return (true, $"'{Target().Name}' takes a write transaction");
    }

    /// <summary>A row is written on the primary, and through the routes it arrives on that same one. No replica is waited for: whether they follow is another check.</summary>
    private async Task<(bool, string)> PrimaryWritableAsync(RunbookCheck check, IReplicationControl replication, CancellationToken cancellationToken)
    {
        var report = await QuickAsync(cancellationToken).ConfigureAwait(false);
        if (report.Primaries() is not [var primary])
            return (false, $"{Counted.Of(report.Primaries().Count, "primary answers", "primaries answer")}");
        var node = _cluster.Node(primary.Node);
        var direct = await replication.CanaryWriteAsync(_cluster, node.Host!, node.Port ?? 0, synchronous: false, CanaryTime, cancellationToken).ConfigureAwait(false);
        if (_services.Evaluator.BindText(check.With.GetValueOrDefault("via"), "via", Values()) != "route" || _cluster.Routes.Count == 0)
            return (true, $"'{node.Name}' takes a write");
        var entries = _cluster.Routes.Where(r => r.Entry is not null).ToList();
        foreach (var route in entries)
        {
            var (host, port) = Endpoint(route.Entry!);
            var arrived = await replication.CanaryWriteAsync(RerouteAction.Through(_cluster, route), host, port, synchronous: false, CanaryTime, cancellationToken).ConfigureAwait(false);
            if (arrived != direct)
                return (false, $"a write through {route.Name} arrives on {arrived}, and the primary is {direct}");
        }
        var untried = _cluster.Routes.Where(r => r.Entry is null).Select(r => r.Name).ToList();
        return (true, $"'{node.Name}' takes a write{(entries.Count > 0 ? $" through {string.Join(", ", entries.Select(e => e.Name))}" : "")}"
            + (untried.Count > 0 ? $"; {string.Join(", ", untried)} has no 'entry', so that it could not be tried" : ""));
    }

    private static (string Host, int Port) Endpoint(string entry)
    {
        var colon = entry.LastIndexOf(':');
        return (entry[..colon].Trim('[', ']'), int.Parse(entry[(colon + 1)..], System.Globalization.CultureInfo.InvariantCulture));
    }

    private Task<HealthReport> QuickAsync(CancellationToken cancellationToken) => _services.Health.ExamineAsync(_cluster, ObservationLevel.Quick, _progress, cancellationToken);

    private async Task<(bool, string)> ReplicatingAsync(RunbookCheck check, CancellationToken cancellationToken)
    {
        var wanted = check.With.GetValueOrDefault("atLeast") is { } value ? (long)_services.Evaluator.Bind(value, RunbookLinter.AtLeast, Values()) : 1;
        var report = await QuickAsync(cancellationToken).ConfigureAwait(false);
        if (report.Primaries() is not [var primary])
            return (false, "there is not one primary to receive from");
        // a stream from elsewhere would have another system, or an older history
        var place = LogPlace.Of(primary);
        var streaming = report.Observations.Where(o => o is { Role: NodeRole.Replica, Upstream.Streaming: true } && o.SystemId == primary.SystemId
            && LogPlace.Of(o)?.Timeline == place?.Timeline).Select(o => o.Node).ToList();
        return (streaming.Count >= wanted, streaming.Count == 0 ? "no replica receives" : $"{string.Join(", ", streaming)} receive{(streaming.Count == 1 ? "s" : "")}");
    }

    private (bool, string) FaultGone(HealthReport report)
    {
        var still = report.Faults.FirstOrDefault(f => f.Id == _history.Fault!.Id && f.Node == _history.Fault.Node);
        if (still is not null)
            return (false, still.Summary);
        // a fault that nobody could look for is not gone
        return Blind(report) is { } why
            ? (false, $"whether {_history.Fault!.Id} is gone cannot be told: {why}")
            : (true, $"{_history.Fault!.Id} is not seen at level {report.Level}");
    }

    private string? Blind(HealthReport report)
    {
        if (_history.Fault!.Node is null)
        {
            // a repository that does not answer hides what is wrong with backups, and nothing else
            return _history.Fault.Id.StartsWith(IncidentServices.BackupWords, StringComparison.Ordinal)
                ? report.Checks.FirstOrDefault(c => c.Node is null && c.Verdict is CheckVerdict.Unknown or CheckVerdict.Fail && c.Category == CheckCategory.Backup && c.Name == "repository")?.Evidence
                : null;
        }
        var node = _history.Fault.Node;
        if (report.Observations.FirstOrDefault(o => o.Node == node) is not { Reachability: not Reachability.TimedOut })
            return $"'{node}' was not observed";
        return report.Nodes.FirstOrDefault(n => n.Node == node) is { Status: HealthStatus.Unknown } ? $"what matters of '{node}' could not be looked at" : null;
    }

    private static (bool, string) Healthy(HealthReport report)
    {
        var grave = report.Faults.FirstOrDefault(f => f.Severity <= FaultSeverity.Outage);
        if (grave is not null)
            return (false, $"{grave.Id}: {grave.Summary}");
        return report.Status is HealthStatus.Healthy or HealthStatus.Degraded
            ? (true, $"the cluster is {report.Status} and has no grave fault")
            : (false, $"the cluster is {report.Status}");
    }

    private async Task<(bool, string)> ExpectationsAsync(RunbookCheck check, CancellationToken cancellationToken)
    {
        if (_cluster.Expects.Tables.Count == 0)
            return (true, "the inventory declares no tables");
        await ExamineAsync(check, ObservationLevel.Standard, cancellationToken).ConfigureAwait(false);
        var missing = _facts.List(CommonFacts.MissingTables);
        var too = _facts.List(CommonFacts.ShortTables);
        if (missing is null || too is null)
            return (false, "whether the declared tables are there could not be told");
        return missing.Count + too.Count == 0
            ? (true, Counted.Of(_cluster.Expects.Tables.Count, "declared table is there with its rows", "declared tables are there with their rows"))
            : (false, $"missing: {string.Join(", ", missing)}; too few rows: {string.Join(", ", too)}");
    }

    private async Task<(bool, string)> FactAsync(RunbookCheck check, CancellationToken cancellationToken)
    {
        if (!check.With.TryGetValue("condition", out var value))
            return (false, "the check 'fact' needs a 'condition'");
        await ExamineAsync(check, ObservationLevel.Standard, cancellationToken).ConfigureAwait(false);
        var outcome = _services.Evaluator.Evaluate(_services.Evaluator.ReadCondition(value), Values());
        return (outcome.Result == true, outcome.Explanation);
    }
}
