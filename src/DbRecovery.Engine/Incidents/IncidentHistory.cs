using DbRecovery.Engine.Actions;

namespace DbRecovery.Engine.Incidents;

/// <summary>Where a step stands, by the journal.</summary>
internal sealed class StepProgress(string id, string action)
{
    public string Id { get; } = id;
    public string Action { get; } = action;
    public StepState State { get; set; }
    public DateTimeOffset? StartedAt { get; set; }
    public DateTimeOffset? EndedAt { get; set; }
    public int Attempts { get; set; }
    public string? Result { get; set; }
    public IReadOnlyDictionary<string, FactValue> Outputs { get; set; } = new Dictionary<string, FactValue>();
    public ActionPlan? Plan { get; set; }

    /// <summary>Whether nothing more is to be done about it.</summary>
    public bool IsSettled { get; set; }

    /// <summary>Whether it could not be told at once what came of an attempt: that may still come to pass.</summary>
    public bool WasUnknown { get; set; }

    /// <summary>Of a failed step: whether the runbook goes on without it.</summary>
    public bool? GoesOn { get; set; }

    public IncidentStep ToStep() => new()
    {
        Id = Id, Action = Action, State = State, StartedAt = StartedAt, EndedAt = EndedAt, Attempts = Attempts, Result = Result, Outputs = Outputs,
    };
}

/// <summary>An incident as its journal tells it, record by record. It knows nothing that the journal does not.</summary>
internal sealed class IncidentHistory(string id, string cluster, string journalPath)
{
    private readonly List<TimelineEntry> _timeline = [];
    private readonly List<StepProgress> _steps = [];
    private JournalRecord? _opened;
    private JournalRecord? _verified;
    private JournalRecord? _last;

    public string Id { get; } = id;
    public string Cluster { get; } = cluster;
    public string JournalPath { get; } = journalPath;
    public string Folder => Path.GetDirectoryName(JournalPath)!;
    public IncidentState State { get; private set; } = IncidentState.Observing;
    public JournalData Opened => _opened?.Data ?? new JournalData();
    public Fault? Fault { get; private set; }
    public string? EvidenceHash { get; private set; }
    public ObservationLevel Level { get; private set; } = ObservationLevel.Standard;
    public RecoveryPlan? Plan { get; private set; }
    public IReadOnlyList<string> Reasons { get; private set; } = [];
    public DateTimeOffset? Until { get; private set; }
    public bool Executed { get; private set; }
    public DateTimeOffset? ActingSince { get; private set; }
    public bool IsApproved { get; private set; }
    public TimeSpan? Cooldown { get; private set; }
    public DateTimeOffset? EndedAt { get; private set; }
    public DateTimeOffset LastAt => _last?.Time ?? DateTimeOffset.MinValue;
    public string? FailingBecause { get; private set; }
    public DataLoss? Loss { get; private set; }
    public IReadOnlyList<ProofCheck> Checks { get; private set; } = [];
    public IReadOnlyList<StepProgress> Steps => _steps;
    public bool IsEmpty => _opened is null;
    public long Epoch => _last?.Epoch ?? 0;

    public StepProgress? Step(string id) => _steps.Find(s => s.Id == id);

    /// <summary>Whether a process that died may have left it half done.</summary>
    public bool IsOpen => !IncidentStateTable.Final.Contains(State) && State is not (IncidentState.Probation or IncidentState.Suppressed);

    /// <summary>The state at a moment: a state whose time is over has become what its timeout leads to, whoever looks.</summary>
    public IncidentState StateAt(DateTimeOffset now) =>
        Until is { } until && until <= now && IncidentStateTable.Find(State, IncidentTrigger.TimedOut) is { } edge ? edge.To : State;

    /// <summary>Whether it is open at a moment.</summary>
    public bool IsOpenAt(DateTimeOffset now) => IsOpen && !IncidentStateTable.Final.Contains(StateAt(now));

    public void Apply(JournalRecord record)
    {
        _last = record;
        if (record.State != State)
            Until = null;
        State = record.State;
        var data = record.Data;
        Until = data.Until ?? Until;
        Loss = record.Kind is JournalKind.StepResult ? LossCalculator.Merge(Loss, data.Loss) : Loss;
        switch (record.Kind)
        {
            case JournalKind.Opened:
                _opened = record;
                (Fault, EvidenceHash) = (data.Fault, data.EvidenceHash);
                break;
            case JournalKind.Observed:
                (Fault, EvidenceHash, Level) = (data.Fault ?? Fault, data.EvidenceHash ?? EvidenceHash, data.Level ?? Level);
                break;
            case JournalKind.Planned:
                (Plan, IsApproved, Reasons) = (data.Plan, false, []);
                break;
            case JournalKind.Decided:
                Reasons = data.Reasons ?? Reasons;
                break;
            case JournalKind.Approved:
                IsApproved = true;
                break;
            case JournalKind.Started:
                (Executed, ActingSince, Cooldown, Reasons) = (true, record.Time, data.Cooldown, []);
                break;
            case JournalKind.StepIntent or JournalKind.StepResult:
                ApplyStep(record);
                break;
            case JournalKind.Failing:
                FailingBecause = record.Event;
                break;
            case JournalKind.Verified:
                Checks = data.Checks ?? Checks;
                if (State is IncidentState.Probation or IncidentState.Resolved)
                    _verified = record;
                break;
        }
        if (IncidentStateTable.Final.Contains(State) || State is IncidentState.Probation or IncidentState.Suppressed)
            EndedAt ??= record.Time;
        _timeline.Add(new TimelineEntry(record.Time, record.State, record.Step, record.Event) { Incident = Id });
    }

    public IncidentReport ToReport(DateTimeOffset now)
    {
        var state = StateAt(now);
        return new IncidentReport
        {
            Id = Id,
            Cluster = Cluster,
            Engine = Opened.Cluster?.Engine ?? "",
            Node = Fault?.Node,
            State = state,
            Fault = Fault!,
            Runbook = Opened.Runbook ?? "",
            RunbookVersion = Opened.RunbookVersion ?? "",
            Epoch = Epoch,
            StartedAt = _opened!.Time,
            EndedAt = EndedAt ?? (state == State ? null : Until),
            RecoveryTime = RecoveryTime(),
            Steps = ReportedSteps(),
            Verification = Checks,
            // nothing is lost before something takes its place; a loss proved to be none is told by the timeline
            Loss = TookEffect && Loss is { } loss && loss.Bytes != 0 ? loss : null,
            Summary = Summary(state),
            ApprovalReasons = state == IncidentState.AwaitingApproval ? Reasons : [],
            PlanHash = Plan?.Hash,
            NextReviewAt = state is IncidentState.Suppressed or IncidentState.AwaitingApproval or IncidentState.Probation ? Until : null,
            EvidencePath = _steps.Find(s => s.Action == "snapshot-evidence" && s.Outputs.ContainsKey("path"))?.Outputs["path"].ToString(),
            JournalPath = JournalPath,
            Timeline = [.. _timeline],
            Definition = Opened.Cluster,
        };
    }

    private bool TookEffect => _steps.Exists(s => s.State is (StepState.Applied or StepState.Confirmed or StepState.Unknown) && s.Plan?.Acts.Any(a => a.Destructive) == true);

    /// <summary>The steps that took effect, by their ids; empty for none.</summary>
    public string Effects => string.Join(", ", _steps.Where(s => s.State is StepState.Applied or StepState.Confirmed).Select(s => s.Id));

    /// <summary>Whether it made another primary.</summary>
    public bool TookOver => _steps.Exists(s => s is { Action: "failover", State: StepState.Applied or StepState.Confirmed });

    /// <summary>What is said when nobody agreed in time.</summary>
    public string NoApproval => Effects is { Length: > 0 } done
        ? $"The time for an approval is over; nothing more was done, and what was done stays as it is ({done})."
        : "The time for an approval is over; nothing was done.";

    // people are told after a decision against acting; that they were is not the decision
    private string Summary(IncidentState state) => state == State
        ? (state == IncidentState.Suppressed ? _timeline.FindLast(e => e.State == state && e.Step is null)?.Event : null) ?? _last!.Event
        : state switch
        {
            IncidentState.Resolved => "The recovery held for its probation.",
            IncidentState.Superseded => $"Its time for review has come: a later look decides anew. {_last!.Event}",
            IncidentState.Cancelled => NoApproval,
            _ => $"Nobody closed it in time. {_last!.Event}",
        };

    private void ApplyStep(JournalRecord record)
    {
        var step = Step(record.Step!);
        if (step is null)
            _steps.Add(step = new StepProgress(record.Step!, record.Data.Action ?? ""));
        if (record.Kind == JournalKind.StepIntent)
        {
            step.StartedAt ??= record.Time;
            step.Attempts = record.Data.Attempt ?? step.Attempts + 1;
            step.Plan = record.Data.StepPlan?.ToPlan();
            (step.State, step.IsSettled) = (StepState.Intent, false);
            return;
        }
        step.State = record.Data.Step!.Value;
        step.WasUnknown |= step.State == StepState.Unknown;
        step.Result = record.Event;
        step.GoesOn = record.Data.GoesOn;
        step.Outputs = record.Data.Outputs ?? step.Outputs;
        step.EndedAt = step.State == StepState.Unknown ? null : record.Time;
        step.IsSettled = step.State is StepState.Applied or StepState.Confirmed or StepState.Skipped or StepState.Compensated
            || (step.State == StepState.Failed && record.Data.GoesOn is not null);
    }

    private List<IncidentStep> ReportedSteps()
    {
        var planned = (Plan?.Steps ?? []).Select(p => Step(p.Id)?.ToStep() ?? new IncidentStep { Id = p.Id, Action = p.Action, State = StepState.Pending }).ToList();
        planned.AddRange(_steps.Where(s => planned.TrueForAll(p => p.Id != s.Id)).Select(s => s.ToStep()));
        return planned;
    }

    // wall clocks jump: the time between two records is taken from the clock that cannot be set, unless the machine was started anew
    private TimeSpan? RecoveryTime()
    {
        if (_verified is null || Fault is null)
            return null;
        var before = _opened!.Time - Fault.DetectedAt;
        var steady = TimeSpan.FromMilliseconds(_verified.Monotonic - _opened.Monotonic);
        var wall = _verified.Time - _opened.Time;
        return Positive(before) + (steady >= TimeSpan.Zero ? steady : Positive(wall));
    }

    private static TimeSpan Positive(TimeSpan value) => value < TimeSpan.Zero ? TimeSpan.Zero : value;
}
