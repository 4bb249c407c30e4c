using System.Collections.Concurrent;
using DbRecovery.Engine.Faults;
using DbRecovery.Engine.Files;
using DbRecovery.Engine.Runbooks;

namespace DbRecovery.Engine.Incidents;

/// <summary>The run puts the incident down, to be resumed: a cancellation or a pause between two steps.</summary>
internal sealed class RunInterruptedException(string reason) : Exception(reason);

/// <summary>
/// Drives one incident from whatever state its journal is in to where it cannot go on by itself.
/// A new incident and a resumed one take the same way: what was done is what the journal says.
/// </summary>
internal sealed partial class IncidentRun : IDisposable
{
    private const int MaxTurns = 100;
    private static readonly TimeSpan Fresh = TimeSpan.FromMilliseconds(250);
    private readonly IncidentServices _services;
    private readonly IncidentPlanner _planner;
    private readonly RecoveryPolicy _policy;
    private readonly IncidentStore _store;
    private readonly ClusterDefinition _cluster;
    private readonly Runbook _runbook;
    private readonly ClusterLease _lease;
    private readonly Journal _journal;
    private readonly IncidentHistory _history;
    private readonly IProgress<TimelineEntry>? _timeline;
    private readonly IProgress<OperationProgress>? _progress;
    private readonly CancellationToken _yield;
    private readonly ConcurrentDictionary<string, (long At, InstanceStatus Said)> _machineLooks = new(StringComparer.Ordinal);
    private FactSet _facts = new();
    private ObservationLevel _level = ObservationLevel.Standard;
    private HealthReport? _seen;
    private TimeSpan _seenAge;
    private long _seenSince;
    private long _actingSince;
    private TimeSpan _actedBefore;

    public IncidentRun(
        IncidentServices services, IncidentStore store, ClusterDefinition cluster, Runbook runbook, ClusterLease lease, IncidentHistory history,
        IProgress<TimelineEntry>? timeline, IProgress<OperationProgress>? progress, CancellationToken yield = default)
    {
        _yield = yield;
        (_services, _store, _cluster, _runbook, _lease, _history, _timeline, _progress) = (services, store, cluster, runbook, lease, history, timeline, progress);
        _planner = new IncidentPlanner(services);
        _policy = new RecoveryPolicy(store, services.Clock);
        _journal = Journal.Open(history.JournalPath, services.JournalObserver);
        _actingSince = services.Clock.GetTimestamp();
        // what an earlier process used up counts, and the time since its death; only the wall clock knows both
        if (history.ActingSince is { } since && services.Clock.GetUtcNow() is var now && now > since)
            _actedBefore = now - since;
        _level = history.Level;
    }

    private TimeProvider Clock => _services.Clock;

    /// <inheritdoc/>
    public void Dispose() => _journal.Dispose();

    /// <summary>Writes the first record.</summary>
    public void Open(RecoverRequest request)
    {
        // as old as the oldest look in it: a round of a watch is judged with what it has of a node that is slow
        if (request.Seen is { Observations.Count: > 0 } seen && Clock.GetUtcNow() - seen.Observations.Min(o => o.ObservedAt) is { } age && age >= TimeSpan.Zero)
            (_seen, _seenAge, _seenSince) = (seen, age, Clock.GetTimestamp());
        KeepRunbook();
        Record(JournalKind.Opened, PlannedOperations.IsPlanned(request.Fault.Id)
            ? $"{request.RequestedBy} asked for it: {request.Fault.Summary}"
            : $"{request.RequestedBy} asked to recover {_cluster.Name} from {request.Fault.Id}: {request.Fault.Summary}", new JournalData
        {
            Cluster = _cluster,
            Fault = request.Fault,
            EvidenceHash = request.Fault.EvidenceHash,
            Runbook = _runbook.Name,
            RunbookVersion = _runbook.Version,
            RunbookHash = _runbook.ContentHash,
            RunbookPath = _runbook.Path,
            Parameters = request.Parameters,
            AllowDataLossBytes = request.AllowDataLossBytes,
            Level = request.Level,
            By = request.RequestedBy,
        }, IncidentTrigger.FaultSeen);
    }

    /// <summary>Writes that this process took over.</summary>
    public void TakeOver() => Record(JournalKind.TakenOver, $"Process {_lease.Name} goes on with the incident (epoch {_lease.Epoch}).");

    /// <summary>Goes on until nothing more can be done now.</summary>
    public async Task DriveAsync(CancellationToken cancellationToken)
    {
        using var ends = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _yield);
        try
        {
            for (var turn = 0; turn < MaxTurns; turn++)
            {
                if (!await TurnAsync(ends.Token).ConfigureAwait(false))
                    return;
            }
            throw new DbRecoveryException(ErrorIds.Unexpected, ErrorKind.Failed, $"incident {_history.Id} does not come to an end");
        }
        catch (Exception e) when (e is RunInterruptedException or OperationCanceledException && _yield.IsCancellationRequested && !cancellationToken.IsCancellationRequested
            && _history.State != IncidentState.Compensating)
        {
            Record(JournalKind.Ended, "A graver fault of the cluster came up and goes first; nothing is half done.", trigger: IncidentTrigger.TakenOver);
        }
        catch (RunInterruptedException e)
        {
            Record(JournalKind.Interrupted, $"Put down: {e.Message}. Nothing is half done; resume the incident to go on.");
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            if (_history.Executed)
                Record(JournalKind.Interrupted, "Put down: it was cancelled. Nothing is half done; resume the incident to go on.");
            else
                Record(JournalKind.Ended, "Cancelled before anything was done.", trigger: IncidentTrigger.Stopped);
        }
        catch (DbRecoveryException e) when (e.Id is not (ErrorIds.LeaseLost or ErrorIds.JournalCorrupt or ErrorIds.Unexpected) && !_history.Executed && !_journal.IsBroken)
        {
            await FailAsync($"It could not be planned: {e.Message}", e.Id, CancellationToken.None).ConfigureAwait(false);
        }
    }

    private async Task<bool> TurnAsync(CancellationToken cancellationToken)
    {
        if (_history.FailingBecause is not null && !IncidentStateTable.Final.Contains(_history.State))
        {
            await FinishFailureAsync(cancellationToken).ConfigureAwait(false);
            return false;
        }
        switch (_history.State)
        {
            case IncidentState.Suspected or IncidentState.Confirmed or IncidentState.Planned:
                return await PrepareAsync(cancellationToken).ConfigureAwait(false);
            case IncidentState.AwaitingApproval:
                return await AfterApprovalAsync(cancellationToken).ConfigureAwait(false);
            case IncidentState.Executing:
                await RunStepsAsync(cancellationToken).ConfigureAwait(false);
                return true;
            case IncidentState.AmbiguousHalt:
                return await ReconcileHaltedAsync(cancellationToken).ConfigureAwait(false);
            case IncidentState.Compensating:
                await CompensateAsync(cancellationToken).ConfigureAwait(false);
                return true;
            case IncidentState.Verifying:
                await VerifyAsync(cancellationToken).ConfigureAwait(false);
                return true;
            default:
                return false;
        }
    }

    private async Task<bool> PrepareAsync(CancellationToken cancellationToken)
    {
        if (!await ConfirmAsync(cancellationToken).ConfigureAwait(false))
            return false;
        var plan = await MakePlanAsync(cancellationToken).ConfigureAwait(false);
        Record(JournalKind.Planned, $"Planned with runbook {_runbook.Name} {_runbook.Version}: {string.Join(", ", plan.Steps.Select(s => s.SkippedBecause is null ? s.Id : $"({s.Id})"))}.",
            new JournalData { Plan = plan }, IncidentTrigger.PlanMade);
        if (await IsBlockedAsync(plan, cancellationToken).ConfigureAwait(false))
            return true;
        if (plan.ApprovalReasons.Count > 0)
        {
            AskApproval(plan, IncidentTrigger.ApprovalNeeded, "A person must agree");
            return false;
        }
        Start();
        return true;
    }

    private async Task<bool> AfterApprovalAsync(CancellationToken cancellationToken)
    {
        if (_history.StateAt(Clock.GetUtcNow()) != IncidentState.AwaitingApproval)
        {
            Record(JournalKind.Ended, _history.NoApproval, trigger: IncidentTrigger.TimedOut);
            return false;
        }
        if (!_history.IsApproved)
            return false;
        if (_history.Executed)
        {
            // asked midway: what the step then plans is held against what was agreed to, and nothing before it is planned anew
            TakeFacts(await LookAsync(cancellationToken).ConfigureAwait(false));
            Start();
            return true;
        }
        var agreed = _history.Plan!.Hash;
        if (!await ConfirmAsync(cancellationToken).ConfigureAwait(false))
            return false;
        var plan = await MakePlanAsync(cancellationToken).ConfigureAwait(false);
        if (plan.Hash != agreed)
        {
            Record(JournalKind.Planned, "What would be done is not what was agreed to any more, because the database or its backups changed: the approval is void.",
                new JournalData { Plan = plan }, IncidentTrigger.ApprovalVoid);
            if (plan.ApprovalReasons.Count > 0)
            {
                AskApproval(plan, IncidentTrigger.ApprovalVoid, "A person must agree anew");
                return false;
            }
        }
        if (await IsBlockedAsync(plan, cancellationToken).ConfigureAwait(false))
            return true;
        Start();
        return true;
    }

    private async Task<bool> ConfirmAsync(CancellationToken cancellationToken)
    {
        if (PlannedOperations.IsPlanned(_history.Fault!.Id))
        {
            _level = ObservationLevel.Quick;
            TakeFacts(await LookAsync(cancellationToken).ConfigureAwait(false));
            Record(JournalKind.Observed, "The cluster is looked at as it is.", new JournalData { Level = _level }, Confirmed);
            return true;
        }
        var fault = await ObserveAsync(cancellationToken).ConfigureAwait(false);
        if (fault is null)
        {
            Record(JournalKind.Ended, $"{_history.Fault!.Id} is not seen any more, so nothing is done.", trigger: IncidentTrigger.FaultGone);
            return false;
        }
        // the moment of detection is what a recovery time counts from
        var data = new JournalData { Fault = fault with { DetectedAt = _history.Fault!.DetectedAt }, EvidenceHash = fault.EvidenceHash, Level = _level };
        Record(JournalKind.Observed, $"Seen again: {fault.Summary}", data, Confirmed);
        return true;
    }

    private IncidentTrigger? Confirmed => _history.State == IncidentState.Suspected ? IncidentTrigger.FaultConfirmed : null;

    private async Task<Fault?> ObserveAsync(CancellationToken cancellationToken)
    {
        // what a quick look sees is gone when a quick look does not see it
        ObservationLevel[] levels = (_history.Opened.Level ?? ObservationLevel.Standard) == ObservationLevel.Quick
            ? [ObservationLevel.Quick]
            : [ObservationLevel.Standard, ObservationLevel.Deep];
        foreach (var level in levels)
        {
            _level = level;
            var report = await LookAsync(cancellationToken).ConfigureAwait(false);
            var fault = report.Faults.FirstOrDefault(f => f.Id == _history.Fault!.Id && f.Node == _history.Fault.Node);
            TakeFacts(report);
            if (fault is not null)
                return fault;
        }
        return null;
    }

    /// <summary>A look at the cluster. Where a quick one does, the last serves as long as it is fresh: a round costs time that an outage does not have.</summary>
    private async Task<HealthReport> LookAsync(CancellationToken cancellationToken)
    {
        if (_level == ObservationLevel.Quick && _seen is { } seen && _seenAge + Clock.GetElapsedTime(_seenSince) < Fresh)
            return seen;
        var since = Clock.GetTimestamp();
        var report = await _services.Health.ExamineAsync(_cluster, _level, _progress, cancellationToken).ConfigureAwait(false);
        (_seen, _seenAge, _seenSince) = (report, TimeSpan.Zero, since);
        return report;
    }

    private void TakeFacts(HealthReport report)
    {
        _seen = report;
        var node = _history.Fault?.Node ?? _cluster.Nodes[0].Name;
        _facts = report.Observations.FirstOrDefault(o => o.Node == node)?.Facts ?? new FactSet();
    }

    private Task<RecoveryPlan> MakePlanAsync(CancellationToken cancellationToken) => _planner.PlanAsync(Request(), cancellationToken);

    private PlanningRequest Request(bool acting = false) => new()
    {
        Cluster = _cluster,
        Fault = _history.Fault!,
        EvidenceHash = _history.EvidenceHash!,
        Runbook = _runbook,
        Parameters = _services.Evaluator.BindParameters(_runbook, _history.Opened.Parameters ?? new Dictionary<string, string>()),
        Facts = _facts,
        AllowDataLossBytes = _history.Opened.AllowDataLossBytes,
        IncidentId = _history.Id,
        IncidentFolder = _history.Folder,
        Seen = _seen,
        Epoch = _lease.Epoch,
        Acting = acting,
        MachineLooks = _machineLooks,
        StartsInLastHour = node => _policy.StartsInLastHour(_cluster.Name, node),
        AskedPromotions = () => _policy.AskedPromotions(_cluster.Name, _history.Id),
        Done = LastDone(s => s.Outputs),
        DoneAt = LastDone(s => s.EndedAt),
    };

    private Dictionary<string, T> LastDone<T>(Func<StepProgress, T> of) => _history.Steps.Where(s => s.State is StepState.Applied or StepState.Confirmed)
        .GroupBy(s => s.Action, StringComparer.Ordinal).ToDictionary(g => g.Key, g => of(g.Last()), StringComparer.Ordinal);

    private async Task<bool> IsBlockedAsync(RecoveryPlan plan, CancellationToken cancellationToken)
    {
        var decision = _policy.Decide(_cluster, _history.Fault!, _runbook, _history.Id);
        if (decision.Recurs is { } earlier && decision.Reasons.Count == 0)
        {
            await FailAsync($"{_history.Fault!.Id} came back: incident {earlier.Id} recovered from it a short time ago, so the same runbook is not repeated before a person has looked and acknowledged.",
                ErrorIds.RecoverySuppressed, cancellationToken).ConfigureAwait(false);
            return true;
        }
        string[] reasons = [.. decision.Reasons, .. plan.Blocked];
        if (reasons.Length == 0)
            return false;
        var until = decision.Until ?? Clock.GetUtcNow() + TimeSpan.FromMinutes(15);
        Record(JournalKind.Decided, $"Nothing was done: {string.Join("; ", reasons).TrimEnd('.')}. It is looked at again after {until:u}.",
            new JournalData { Reasons = reasons, Until = until }, IncidentTrigger.Blocked);
        // where nothing but a person can help, people are told; a pause is known to them already
        if (decision.Reasons.Count == 0)
            await EscalateAsync(onlyNotify: true, cancellationToken).ConfigureAwait(false);
        return true;
    }

    private void AskApproval(RecoveryPlan plan, IncidentTrigger trigger, string what)
    {
        var usual = IncidentStateTable.Timeouts[IncidentState.AwaitingApproval];
        var time = _runbook.Approval?.Expires ?? usual;
        // in the middle of a run the cluster waits as it is, half way
        var until = Clock.GetUtcNow() + (_history.Executed && time > usual ? usual : time);
        Record(JournalKind.Decided, $"{what}, until {until:u}: {string.Join("; ", plan.ApprovalReasons)}",
            new JournalData { Reasons = plan.ApprovalReasons, Until = until }, trigger);
    }

    private void Start()
    {
        (_actingSince, _actedBefore) = (Clock.GetTimestamp(), TimeSpan.Zero);
        Record(JournalKind.Started, $"Guards hold, nothing stands against it: carrying out {_runbook.Name} under epoch {_lease.Epoch}.",
            new JournalData { Cooldown = RecoveryPolicy.CooldownOf(_cluster, _runbook) }, IncidentTrigger.Start);
    }

    private async Task FailAsync(string because, string? errorId, CancellationToken cancellationToken)
    {
        Record(JournalKind.Failing, because, new JournalData { ErrorId = errorId });
        await FinishFailureAsync(cancellationToken).ConfigureAwait(false);
    }

    private async Task FinishFailureAsync(CancellationToken cancellationToken)
    {
        await EscalateAsync(onlyNotify: false, cancellationToken).ConfigureAwait(false);
        await UndoAsync(static action => action.IsOnlyForItsIncident, cancellationToken).ConfigureAwait(false);
        Record(JournalKind.Ended, _history.FailingBecause!, trigger: IncidentTrigger.Failed);
    }

    private TimeSpan Remaining() => _runbook.Limits.TotalTimeout is { } total
        ? total - _actedBefore - Clock.GetElapsedTime(_actingSince)
        : IncidentStateTable.Timeouts[IncidentState.Executing];

    // a copy of the file, so that the incident can be resumed when the library has another version
    private void KeepRunbook()
    {
        if (!File.Exists(_runbook.Path))
            return;
        FileErrors.Guarded(_history.Folder, ErrorIds.Unexpected, () =>
        {
            // a convenience for later, checked by its hash then: nothing waits for the disk
            File.Copy(_runbook.Path, Path.Combine(_history.Folder, IncidentService.KeptRunbook), overwrite: true);
            return true;
        });
    }

    private void Record(JournalKind kind, string text, JournalData? data = null, IncidentTrigger? trigger = null, string? step = null)
    {
        _lease.Ensure();
        var state = trigger is null ? _history.State : IncidentStateTable.Next(_history.State, trigger.Value);
        data ??= new JournalData();
        if (data.Until is null && trigger is not null && state != _history.State && DefaultUntil(state) is { } until)
            data = data with { Until = until };
        var record = _journal.Append(new JournalRecord
        {
            Seq = 0,
            PrevHash = JournalRecord.NoHash,
            Time = Clock.GetUtcNow(),
            Monotonic = (long)Clock.GetElapsedTime(0).TotalMilliseconds,
            Epoch = _lease.Epoch,
            Lease = _lease.Name,
            State = state,
            Step = step,
            Kind = kind,
            Event = text,
            Data = data,
        });
        _history.Apply(record);
        _timeline?.Report(new TimelineEntry(record.Time, record.State, record.Step, record.Event) { Incident = _history.Id });
    }

    private DateTimeOffset? DefaultUntil(IncidentState state) => state switch
    {
        IncidentState.Probation => Clock.GetUtcNow() + _services.Probation,
        _ => IncidentStateTable.Timeouts.TryGetValue(state, out var time) ? Clock.GetUtcNow() + time : null,
    };
}
