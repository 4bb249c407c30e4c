using DbRecovery.Engine.Runbooks;

namespace DbRecovery.Engine.Incidents;

/// <summary>What to recover from, and within which bounds.</summary>
public sealed record RecoverRequest
{
    /// <summary>The cluster.</summary>
    public required ClusterDefinition Cluster { get; init; }
    /// <summary>The fault.</summary>
    public required Fault Fault { get; init; }
    /// <summary>The runbook; null: the best match.</summary>
    public Runbook? Runbook { get; init; }
    /// <summary>
    /// The level at which the fault was seen: the next look is as deep. An outage is seen at <see cref="ObservationLevel.Quick"/>,
    /// and looking deeper then would cost the time that matters.
    /// </summary>
    public ObservationLevel Level { get; init; } = ObservationLevel.Standard;
    /// <summary>The round in which the fault was seen; one that is fresh enough serves as the confirming look. Null: another look is taken.</summary>
    public HealthReport? Seen { get; init; }
    /// <summary>
    /// An operation that a person asked for (see <see cref="Faults.PlannedOperations"/>): there is no fault to be seen again, and neither cooldown
    /// nor daily limit holds.
    /// </summary>
    public bool Planned => Faults.PlannedOperations.IsPlanned(Fault.Id);
    /// <summary>Values for the runbook's parameters, as text.</summary>
    public IReadOnlyDictionary<string, string> Parameters { get; init; } = new Dictionary<string, string>();
    /// <summary>The caller accepts losing this many bytes; null: only what the policy allows. <see cref="long.MaxValue"/>: any.</summary>
    public long? AllowDataLossBytes { get; init; }
    /// <summary>Who asked for it. A cooldown holds for people too: only an acknowledgement lifts it.</summary>
    public string RequestedBy { get; init; } = Environment.UserName;
}

/// <summary>Carries recoveries out and keeps their record.</summary>
public interface IIncidentService
{
    /// <summary>Works out what would be done. Changes nothing, not even the state folder.</summary>
    Task<RecoveryPlan> PlanAsync(RecoverRequest request, CancellationToken cancellationToken);

    /// <summary>Opens an incident, plans and carries the runbook out, verifies and reports. Suppressed and awaiting-approval are outcomes, not errors.</summary>
    /// <param name="request">What to recover from.</param>
    /// <param name="timeline">Told of each transition as it is written to the journal.</param>
    /// <param name="progress">Progress of long steps.</param>
    /// <param name="cancellationToken">Cancels between steps; a step that must not be torn ends first.</param>
    Task<IncidentReport> RecoverAsync(RecoverRequest request, IProgress<TimelineEntry>? timeline, IProgress<OperationProgress>? progress, CancellationToken cancellationToken);

    /// <summary>Incidents, newest first.</summary>
    IReadOnlyList<IncidentReport> List(string? cluster);

    /// <summary>One incident; <c>latest</c> and a unique beginning of the id are understood.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.IncidentNotFound"/>, <see cref="ErrorIds.JournalCorrupt"/>.</exception>
    IncidentReport Get(string id, string? cluster = null);

    /// <summary>Goes on with an incident whose process ended, or that was approved.</summary>
    Task<IncidentReport> ResumeAsync(string id, ClusterDefinition cluster, IProgress<TimelineEntry>? timeline, IProgress<OperationProgress>? progress, CancellationToken cancellationToken);

    /// <summary>Agrees to the plan that an incident waits with. It is then resumed by <see cref="ResumeAsync"/>.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.ApprovalRequired"/>: not waiting, expired, or another plan than <paramref name="planHash"/>.</exception>
    Task<IncidentReport> ApproveAsync(string id, string? planHash, string approvedBy, CancellationToken cancellationToken);

    /// <summary>A person has looked: cooldowns of the cluster end, and halted incidents are closed.</summary>
    Task<RecoveryStatus> AcknowledgeAsync(string cluster, string by, CancellationToken cancellationToken);

    /// <summary>Pauses recovery of a cluster.</summary>
    Task<RecoveryStatus> SuspendAsync(string cluster, string reason, TimeSpan? duration, string by, CancellationToken cancellationToken);

    /// <summary>Ends a pause.</summary>
    Task<RecoveryStatus> ResumeRecoveryAsync(string cluster, string by, CancellationToken cancellationToken);

    /// <summary>What holds recovery of a cluster back.</summary>
    RecoveryStatus Status(string cluster);
}
