using DbRecovery.Engine.Incidents;
using DbRecovery.Engine.Runbooks;

namespace DbRecovery.Engine.Watch;

/// <summary>Tells one event of a cluster.</summary>
internal delegate void Teller(WatchEventKind kind, string? node, string summary, string? from = null, string? to = null, Fault? fault = null, string? incident = null);

/// <summary>
/// Has the faults of one cluster recovered from, one incident at a time, and says once why it does not. A graver fault does not wait for the
/// incident of a lesser one, which gives way between two steps. It decides nothing that the incidents decide: pauses, cooldowns, approvals and the lease are theirs, and so is what a killed controller left.
/// </summary>
internal sealed class RecoveryDriver(ClusterDefinition cluster, IIncidentService incidents, IRunbookLibrary runbooks, TimeProvider clock, Teller tell, Func<Fault, ObservationLevel> levelOf, Action ended, CancellationToken stopping)
{
    private static readonly TimeSpan s_shortest = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_longest = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan s_approval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_passing = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_person = TimeSpan.FromHours(1);
    private readonly object _gate = new();
    private readonly Dictionary<(string Id, string? Node), Held> _held = [];
    private readonly List<Recovery> _running = [];
    private readonly Dictionary<(string Id, string? Node), long> _standing = [];

    /// <summary>Goes on with what an earlier process left half done.</summary>
    public void Begin()
    {
        lock (_gate)
            Run(null, ResumeOpenAsync);
    }

    /// <summary>Takes what is known after a round: the gravest fault that can be recovered from is, unless an incident runs that does not give way to it.</summary>
    public void Consider(FaultChanges news, HealthReport seen)
    {
        lock (_gate)
        {
            foreach (var gone in news.Cleared)
            {
                _held.Remove((gone.Id, gone.Node));
                _standing.Remove((gone.Id, gone.Node));
            }
            foreach (var fault in news.Standing)
                _standing.TryAdd((fault.Id, fault.Node), clock.GetTimestamp());
            if (stopping.IsCancellationRequested)
                return;
            foreach (var fault in news.Standing)
            {
                if (!_running.TrueForAll(r => GivesWay(r, fault)) || !IsTurn(fault))
                    continue;
                Run(fault, _ => RecoverAsync(fault, seen));
                return;
            }
        }
    }

    /// <summary>Waits until what runs came to a safe point.</summary>
    public Task EndAsync()
    {
        lock (_gate)
            return Task.WhenAll(_running.Select(r => r.Task));
    }

    private void Run(Fault? fault, Func<Recovery, Task> work)
    {
        var recovery = new Recovery { Fault = fault };
        _running.Add(recovery);
        recovery.Task = Task.Run(() => EndedAsync(recovery, work), CancellationToken.None);
    }

    private async Task EndedAsync(Recovery recovery, Func<Recovery, Task> work)
    {
        try
        {
            await work(recovery).ConfigureAwait(false);
        }
        finally
        {
            lock (_gate)
                _running.Remove(recovery);
            ended();
        }
    }

    // while the primary changes there may seem to be two for a moment, or one that somebody else promoted: what is really so stays so
    private bool GivesWay(Recovery running, Fault fault) => running.Fault is { } lesser && IncidentService.IsGraver(fault, lesser)
        && (lesser.Severity > FaultSeverity.Outage || clock.GetElapsedTime(_standing[(fault.Id, fault.Node)]) >= s_passing);

    private bool IsTurn(Fault fault)
    {
        if (_held.TryGetValue((fault.Id, fault.Node), out var held) && clock.GetElapsedTime(held.Since) < held.For)
            return false;
        // what nothing can be done about is looked at again from time to time only: a policy does not change while the watch runs
        if (runbooks.Match(fault).Count == 0)
            return Hold(fault, $"no runbook answers {fault.Id}: a person must look{(LeftOut.Sentence(runbooks.Invalid) is { } leftOut ? $" ({leftOut})" : "")}", s_longest);
        if (!cluster.Policy.AutoRecover)
            return Hold(fault, $"{fault.Id} is not recovered from, because the cluster's policy has no 'autoRecover: true'", s_longest);
        return true;
    }

    private async Task RecoverAsync(Fault fault, HealthReport seen)
    {
        try
        {
            if (IsStillWaiting(fault))
                return;
            var report = await incidents.RecoverAsync(new RecoverRequest { Cluster = cluster, Fault = fault, Level = levelOf(fault), Seen = seen, RequestedBy = "watch" }, new Narrator(this, fault), null, stopping).ConfigureAwait(false);
            Conclude(fault, report);
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // the journal says where it was put down
        }
        catch (Exception e)
        {
            // a full disk, another holder of the lease, a damaged journal: none of it ends the watch
            Later(fault, $"{fault.Id} could not be recovered from: {e.Message}", Again(fault));
        }
    }

    private void Conclude(Fault fault, IncidentReport report)
    {
        switch (report.State)
        {
            case IncidentState.Suppressed:
                Later(fault, $"{report.Summary}", Until(report, Again(fault)), report.Id);
                break;
            case IncidentState.AwaitingApproval:
                Later(fault, $"a person must agree to incident {report.Id}: {string.Join("; ", report.ApprovalReasons)}", s_approval, report.Id, report.Timeline.Count);
                break;
            case IncidentState.Failed or IncidentState.AmbiguousHalt:
                Later(fault, $"incident {report.Id} ended {report.State}, and a person must look: {report.Summary}", s_person, report.Id);
                break;
            default:
                // recovered, or not seen any more: if the rounds go on to see it, it is taken up again, at an ever slower pace
                Later(fault, null, Again(fault), report.Id);
                break;
        }
    }

    /// <summary>Whether nobody agreed yet, asked without the lease and the epoch that going on would take.</summary>
    private bool IsStillWaiting(Fault fault)
    {
        Held? held;
        lock (_gate)
            held = _held.GetValueOrDefault((fault.Id, fault.Node));
        if (held?.Waiting is not { } waiting)
            return false;
        var now = incidents.Get(waiting.Incident, cluster.Name);
        if (now.State == IncidentState.AwaitingApproval && now.Timeline.Count == waiting.Lines)
            Later(fault, held.Because, s_approval, waiting.Incident, waiting.Lines);
        else if (now.State == IncidentState.Cancelled)
            Later(fault, $"nobody agreed to incident {waiting.Incident} in time: {fault.Id} stands, and it is planned anew in an hour", s_person, waiting.Incident);
        else
            return false;
        return true;
    }

    private async Task ResumeOpenAsync(Recovery running)
    {
        try
        {
            // read now, and not when an outage waits for it
            _ = runbooks.All;
            foreach (var open in incidents.List(cluster.Name).Where(i => i.State is not (IncidentState.Resolved or IncidentState.Superseded or IncidentState.Cancelled or IncidentState.Failed
                or IncidentState.Probation or IncidentState.Suppressed or IncidentState.AwaitingApproval)))
            {
                if (stopping.IsCancellationRequested)
                    return;
                if (!cluster.Policy.AutoRecover)
                {
                    tell(WatchEventKind.NotActed, open.Node, $"incident {open.Id} was left {open.State} by a process that ended, and the cluster's policy has no 'autoRecover: true': go on with it by hand", fault: open.Fault, incident: open.Id);
                    continue;
                }
                lock (_gate)
                    running.Fault = open.Fault;
                var report = await incidents.ResumeAsync(open.Id, cluster, new Narrator(this, open.Fault), null, stopping).ConfigureAwait(false);
                Conclude(open.Fault, report);
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // put down again
        }
        catch (Exception e)
        {
            tell(WatchEventKind.NotActed, null, $"what earlier incidents left could not be gone on with: {e.Message}");
        }
    }

    private TimeSpan Again(Fault fault)
    {
        lock (_gate)
        {
            var before = _held.TryGetValue((fault.Id, fault.Node), out var held) ? held.For : TimeSpan.Zero;
            var next = before * 2;
            return Quantities.Most(s_shortest, Quantities.Least(next, s_longest));
        }
    }

    private TimeSpan Until(IncidentReport report, TimeSpan atMost) =>
        report.NextReviewAt is { } at && at - clock.GetUtcNow() is var wait && wait > TimeSpan.Zero && wait < atMost ? wait : atMost;

    private void Later(Fault fault, string? because, TimeSpan time, string? incident = null, int waitingLines = 0)
    {
        lock (_gate)
        {
            Hold(fault, because, time, incident);
            _held[(fault.Id, fault.Node)].Waiting = waitingLines > 0 && incident is not null ? (incident, waitingLines) : null;
        }
    }

    /// <summary>Leaves a fault alone for a time; the reason is told where it is another than before.</summary>
    private bool Hold(Fault fault, string? because, TimeSpan time, string? incident = null)
    {
        if (!_held.TryGetValue((fault.Id, fault.Node), out var held))
            _held[(fault.Id, fault.Node)] = held = new Held();
        (held.Since, held.For) = (clock.GetTimestamp(), time);
        if (because is not null && held.Because != because)
            tell(WatchEventKind.NotActed, fault.Node, because, fault: fault, incident: incident);
        held.Because = because;
        return false;
    }

    /// <summary>A recovery under way, and the fault that it is about; null while that is not known.</summary>
    private sealed class Recovery
    {
        public Fault? Fault { get; set; }
        public Task Task { get; set; } = Task.CompletedTask;
    }

    private sealed class Held
    {
        public long Since { get; set; }
        public TimeSpan For { get; set; }
        public string? Because { get; set; }
        public (string Incident, int Lines)? Waiting { get; set; }
    }

    /// <summary>Tells the transitions of an incident.</summary>
    private sealed class Narrator(RecoveryDriver driver, Fault fault) : IProgress<TimelineEntry>
    {
        private IncidentState? _before;

        public void Report(TimelineEntry value)
        {
            driver.Narrate(value, fault, _before);
            _before = value.State;
        }
    }

    private void Narrate(TimelineEntry entry, Fault fault, IncidentState? before) =>
        tell(WatchEventKind.Incident, fault.Node, entry.Event, before?.ToString(), entry.State.ToString(), fault, entry.Incident);
}
