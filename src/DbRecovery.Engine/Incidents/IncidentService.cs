using System.Collections.Concurrent;
using DbRecovery.Engine.Runbooks;

namespace DbRecovery.Engine.Incidents;

/// <summary>Carries recoveries out and keeps their record. It keeps nothing open between calls.</summary>
public sealed class IncidentService : IIncidentService
{
    internal const string KeptRunbook = "runbook.yml";
    private const int MostAttempts = 40;
    internal static readonly TimeSpan BetweenAttempts = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LongestGivingWay = TimeSpan.FromSeconds(60);
    private readonly IncidentServices _services;
    private readonly IncidentStore _store;
    private readonly ConcurrentDictionary<string, RunningIncident> _running = new(StringComparer.Ordinal);

    /// <summary>Makes a service; it touches no file until it is asked to act.</summary>
    public IncidentService(IncidentServices services)
    {
        _services = services;
        _store = new IncidentStore(services.StateFolder);
    }

    private DateTimeOffset Now => _services.Clock.GetUtcNow();

    /// <inheritdoc/>
    public async Task<RecoveryPlan> PlanAsync(RecoverRequest request, CancellationToken cancellationToken)
    {
        var runbook = Select(request);
        var services = _services.For(request.Fault, runbook);
        var level = request.Planned ? ObservationLevel.Quick : request.Level;
        var report = await services.Health.ExamineAsync(request.Cluster, level, null, cancellationToken).ConfigureAwait(false);
        var seen = request.Planned ? request.Fault : Find(report);
        if (seen is null && level != ObservationLevel.Quick)
        {
            report = await services.Health.ExamineAsync(request.Cluster, ObservationLevel.Deep, null, cancellationToken).ConfigureAwait(false);
            seen = Find(report);
        }
        // the moment of detection is the ground of a loss's preview, and stays what it was
        var fault = (seen ?? request.Fault) with { DetectedAt = request.Fault.DetectedAt };
        Fault? Find(HealthReport looked) => looked.Faults.FirstOrDefault(f => f.Id == request.Fault.Id && f.Node == request.Fault.Node);
        var node = fault.Node ?? request.Cluster.Nodes[0].Name;
        var id = IncidentStore.NewId(Now);
        var plan = await new IncidentPlanner(services).PlanAsync(new PlanningRequest
        {
            Cluster = request.Cluster,
            Fault = fault,
            EvidenceHash = fault.EvidenceHash,
            Runbook = runbook,
            Parameters = _services.Evaluator.BindParameters(runbook, request.Parameters),
            Facts = report.Observations.FirstOrDefault(o => o.Node == node)?.Facts ?? new FactSet(),
            AllowDataLossBytes = request.AllowDataLossBytes,
            IncidentId = id,
            IncidentFolder = _store.IncidentFolder(request.Cluster.Name, id),
            Seen = report,
            StartsInLastHour = of => new RecoveryPolicy(_store, _services.Clock).StartsInLastHour(request.Cluster.Name, of),
            AskedPromotions = () => new RecoveryPolicy(_store, _services.Clock).AskedPromotions(request.Cluster.Name, id),
        }, cancellationToken).ConfigureAwait(false);
        var decision = new RecoveryPolicy(_store, _services.Clock).Decide(request.Cluster, fault, runbook, id);
        IEnumerable<string> blocked = [.. decision.Reasons, .. plan.Blocked];
        if (decision.Recurs is { } earlier)
            blocked = blocked.Append($"{fault.Id} came back while incident {earlier.Id} is in probation: the same runbook is not repeated before a person has looked and acknowledged");
        if (seen is null)
            blocked = blocked.Append($"{fault.Id} is not seen any more");
        return plan with { Blocked = [.. blocked] };
    }

    /// <inheritdoc/>
    public async Task<IncidentReport> RecoverAsync(
        RecoverRequest request, IProgress<TimelineEntry>? timeline, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var runbook = Select(request);
        // what a caller got wrong is an error, not an incident
        _services.Evaluator.BindParameters(runbook, request.Parameters);
        _services.Provider(request.Cluster.Engine);
        await PreemptAsync(request, runbook, cancellationToken).ConfigureAwait(false);
        var id = IncidentStore.NewId(Now);
        using var lease = ClusterLease.Acquire(_store.ClusterFolder(request.Cluster.Name), request.Cluster.Name, id, _services.Clock);
        Supersede(request, lease);
        if (await StandingAsync(request, runbook, cancellationToken).ConfigureAwait(false) is { } standing)
        {
            if (standing.State == IncidentState.Suppressed)
                return standing.ToReport(Now);
            var (otherwise, waits) = (IsOtherwise(standing, request), standing.State == IncidentState.AwaitingApproval);
            if (!otherwise && !(waits && request.AllowDataLossBytes is not null))
                return await GoOnAsync(standing, request.Cluster, lease, timeline, progress, cancellationToken).ConfigureAwait(false);
            // in the middle of its steps it comes to its end first, which the new incident says
            if (waits || !standing.Executed)
                AppendOnce(standing, lease, JournalKind.Ended, $"{request.RequestedBy} asked again{(otherwise ? " for something else" : " and accepts a loss")}: a new incident takes this one's place.", null, IncidentTrigger.TakenOver);
        }
        var history = new IncidentHistory(id, request.Cluster.Name, _store.JournalPath(request.Cluster.Name, id));
        using var running = Begin(request.Cluster.Name, id, request.Fault, lease);
        using var run = new IncidentRun(_services.For(request.Fault, runbook), _store, request.Cluster, runbook, lease, history, timeline, progress, running.Yield);
        run.Open(request);
        await run.DriveAsync(cancellationToken).ConfigureAwait(false);
        return history.ToReport(Now);
    }

    /// <inheritdoc/>
    public IReadOnlyList<IncidentReport> List(string? cluster) =>
        [.. (cluster is null ? _store.Clusters() : [cluster])
            .SelectMany(c => _store.Histories(c, strict: false))
            .OrderByDescending(h => h.Id, StringComparer.Ordinal).Select(h => h.ToReport(Now))];

    /// <inheritdoc/>
    public IncidentReport Get(string id, string? cluster = null) => _store.Find(id, cluster).ToReport(Now);

    /// <inheritdoc/>
    public async Task<IncidentReport> ResumeAsync(
        string id, ClusterDefinition cluster, IProgress<TimelineEntry>? timeline, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var found = _store.Find(id, cluster.Name);
        if (!found.IsOpenAt(Now))
            return found.ToReport(Now);
        using var lease = ClusterLease.Acquire(_store.ClusterFolder(cluster.Name), cluster.Name, found.Id, _services.Clock);
        // the holder before us may have written while we waited for nothing
        return await GoOnAsync(_store.Load(cluster.Name, found.Id), cluster, lease, timeline, progress, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task<IncidentReport> ApproveAsync(string id, string? planHash, string approvedBy, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var found = _store.Find(id, null);
        using var lease = await AcquireSoonAsync(found, cancellationToken).ConfigureAwait(false);
        found = _store.Load(found.Cluster, found.Id);
        var state = found.StateAt(Now);
        if (state != IncidentState.AwaitingApproval)
        {
            throw new DbRecoveryException(ErrorIds.ApprovalRequired, ErrorKind.Refused,
                found.State == IncidentState.AwaitingApproval
                    ? $"incident {found.Id} waited for an approval until {found.Until:u}; that time is over"
                    : $"incident {found.Id} does not wait for an approval: it is {state}",
                "Start the recovery again to get a new plan.", found.Id);
        }
        if (planHash is not null && (planHash.Length < 8 || !found.Plan!.Hash.StartsWith(planHash, StringComparison.OrdinalIgnoreCase)))
        {
            throw new DbRecoveryException(ErrorIds.ApprovalRequired, ErrorKind.Refused, $"incident {found.Id} waits with another plan than '{planHash}'",
                $"Look at the plan {found.Plan!.Hash} and approve that one.", found.Id);
        }
        AppendOnce(found, lease, JournalKind.Approved, $"{approvedBy} agreed to the plan {found.Plan!.Hash[..12]}.", new JournalData { By = approvedBy, Until = Now + IncidentStateTable.Timeouts[IncidentState.AwaitingApproval] }, IncidentTrigger.Approved);
        return found.ToReport(Now);
    }

    // who asked for the approval has the lease for a moment still
    private async Task<ClusterLease> AcquireSoonAsync(IncidentHistory incident, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return ClusterLease.Acquire(_store.ClusterFolder(incident.Cluster), incident.Cluster, incident.Id, _services.Clock);
            }
            catch (DbRecoveryException e) when (e.Id == ErrorIds.LeaseHeld && attempt < MostAttempts)
            {
                await Task.Delay(BetweenAttempts, _services.Clock, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <inheritdoc/>
    public Task<RecoveryStatus> AcknowledgeAsync(string cluster, string by, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        using (var lease = ClusterLease.Acquire(_store.ClusterFolder(cluster), cluster, null, _services.Clock))
        {
            foreach (var open in _store.Histories(cluster, strict: false).Where(h => h.IsOpen))
                AppendOnce(open, lease, JournalKind.Ended, $"{by} looked at it and closed it.", new JournalData { By = by }, IncidentTrigger.Stopped);
            _store.Acknowledge(cluster, by, Now);
        }
        return Task.FromResult(Status(cluster));
    }

    /// <inheritdoc/>
    public Task<RecoveryStatus> SuspendAsync(string cluster, string reason, TimeSpan? duration, string by, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        // no lease: a pause must be possible while a recovery runs, which then stops before its next step
        _store.WritePause(cluster, new PauseRecord(reason, Now, Now + duration, by));
        return Task.FromResult(Status(cluster));
    }

    /// <inheritdoc/>
    public Task<RecoveryStatus> ResumeRecoveryAsync(string cluster, string by, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (Directory.Exists(_store.ClusterFolder(cluster)))
            _store.WritePause(cluster, null);
        return Task.FromResult(Status(cluster));
    }

    /// <inheritdoc/>
    public RecoveryStatus Status(string cluster)
    {
        var pause = _store.ReadPause(cluster, Now);
        return new RecoveryStatus
        {
            Cluster = cluster,
            Paused = pause is not null,
            Reason = pause?.Reason,
            Since = pause?.Since,
            Until = pause?.Until,
            Epoch = ClusterLease.ReadEpoch(_store.ClusterFolder(cluster)),
            Cooldowns = new RecoveryPolicy(_store, _services.Clock).Cooldowns(cluster),
        };
    }

    /// <summary>An incident of the same fault that is not over: left by a dead process, waiting for an approval, or suppressed for the same reasons.</summary>
    private async Task<IncidentHistory?> StandingAsync(RecoverRequest request, Runbook runbook, CancellationToken cancellationToken)
    {
        var histories = _store.Histories(request.Cluster.Name, strict: true);
        var open = histories.FirstOrDefault(h => h.IsOpenAt(Now) && h.State != IncidentState.AmbiguousHalt && IsSame(h.Fault!, request.Fault));
        if (open is not null)
            return open;
        var newest = histories.Count > 0 ? histories[0] : null;
        if (newest is null || newest.StateAt(Now) != IncidentState.Suppressed || !IsSame(newest.Fault!, request.Fault) || newest.Opened.Runbook != runbook.Name)
            return null;
        // one record of one reason is enough: a watcher asks again every few seconds
        var plan = await PlanAsync(request with { Runbook = runbook }, cancellationToken).ConfigureAwait(false);
        return plan.Blocked.Count > 0 && plan.Blocked.SequenceEqual(newest.Reasons) ? newest : null;
    }

    private async Task<IncidentReport> GoOnAsync(
        IncidentHistory history, ClusterDefinition cluster, ClusterLease lease, IProgress<TimelineEntry>? timeline, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        if (!history.IsOpenAt(Now))
            return history.ToReport(Now);
        using var running = Begin(cluster.Name, history.Id, history.Fault!, lease);
        var runbook = SameRunbook(history);
        using var run = new IncidentRun(_services.For(history.Fault!, runbook), _store, cluster, runbook, lease, history, timeline, progress, running.Yield);
        if (history.State != IncidentState.AwaitingApproval)
            run.TakeOver();
        await run.DriveAsync(cancellationToken).ConfigureAwait(false);
        return history.ToReport(Now);
    }

    private RunningIncident Begin(string cluster, string id, Fault fault, ClusterLease lease)
    {
        var running = new RunningIncident(id, fault, lease, ended => _running.TryRemove(KeyValuePair.Create(cluster, ended)));
        _running[cluster] = running;
        return running;
    }

    /// <summary>Makes an incident of this process give way to a graver fault: it puts itself down between two steps.</summary>
    private async Task PreemptAsync(RecoverRequest request, Runbook runbook, CancellationToken cancellationToken)
    {
        if (!_running.TryGetValue(request.Cluster.Name, out var running) || !IsGraver(request.Fault, running.Fault))
            return;
        // what would then be suppressed interrupts nothing
        var decision = new RecoveryPolicy(_store, _services.Clock).Decide(request.Cluster, request.Fault, runbook, running.Id);
        if (decision.Reasons.Count > 0 || decision.Recurs is not null)
            return;
        // where it does not, the lease says who has the cluster
        await running.GiveWayAsync(LongestGivingWay, _services.Clock, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Closes what gives way.</summary>
    private void Supersede(RecoverRequest request, ClusterLease lease)
    {
        foreach (var open in _store.Histories(request.Cluster.Name, strict: true)
            .Where(h => h.IsOpenAt(Now) && RecoveryPolicy.GivesWay(h, request.Fault)))
        {
            AppendOnce(open, lease, JournalKind.Ended, $"{request.Fault.Id} {(request.Planned ? "was asked for" : "is graver")} and goes first.", null, IncidentTrigger.TakenOver);
        }
    }

    /// <summary>Whether an incident of one fault gives way to another.</summary>
    internal static bool IsGraver(Fault fault, Fault than) => fault.Severity < than.Severity && fault.Severity <= FaultSeverity.Outage;

    /// <summary>Whether a person asks for another outcome than an incident of the same operation was begun for, such as another node.</summary>
    private static bool IsOtherwise(IncidentHistory standing, RecoverRequest request)
    {
        var before = standing.Opened.Parameters ?? new Dictionary<string, string>();
        return request.Planned && !(before.Count == request.Parameters.Count && before.All(p => request.Parameters.GetValueOrDefault(p.Key) == p.Value));
    }

    private static bool IsSame(Fault one, Fault other) => one.Id == other.Id && one.Node == other.Node;

    private Runbook Select(RecoverRequest request)
    {
        if (request.Runbook is not null)
            return request.Runbook;
        var matching = _services.Runbooks.Match(request.Fault);
        return matching.Count > 0 ? matching[0] : throw new DbRecoveryException(ErrorIds.RunbookNotFound, ErrorKind.NotFound,
            $"no runbook answers {request.Fault.Id} on {request.Fault.Engine}{(LeftOut.Sentence(_services.Runbooks.Invalid) is { } leftOut ? $"; {leftOut}" : "")}",
            "Name a runbook, or write one that matches this fault.", request.Fault.Id);
    }

    /// <summary>The runbook as it was when the incident began: another version must not finish what this one started.</summary>
    private Runbook SameRunbook(IncidentHistory history)
    {
        var hash = history.Opened.RunbookHash;
        var found = _services.Runbooks.All.FirstOrDefault(r => r.ContentHash == hash);
        var kept = Path.Combine(history.Folder, KeptRunbook);
        if (found is null && _services.ReadRunbook is { } read && File.Exists(kept))
            found = read(kept) is { } copy && copy.ContentHash == hash ? copy : null;
        return found ?? throw new DbRecoveryException(ErrorIds.RunbookNotFound, ErrorKind.NotFound,
            $"the runbook '{history.Opened.Runbook}' is not the one that incident {history.Id} began with",
            $"Put that version back (a copy is '{kept}'), or acknowledge the cluster to close the incident.", history.Id);
    }

    private void AppendOnce(IncidentHistory history, ClusterLease lease, JournalKind kind, string text, JournalData? data, IncidentTrigger trigger)
    {
        using var journal = Journal.Open(history.JournalPath, _services.JournalObserver);
        history.Apply(journal.Append(new JournalRecord
        {
            Seq = 0,
            PrevHash = JournalRecord.NoHash,
            Time = Now,
            Monotonic = (long)_services.Clock.GetElapsedTime(0).TotalMilliseconds,
            Epoch = lease.Epoch,
            Lease = lease.Name,
            State = IncidentStateTable.Next(history.State, trigger),
            Kind = kind,
            Event = text,
            Data = data ?? new JournalData(),
        }));
    }
}
