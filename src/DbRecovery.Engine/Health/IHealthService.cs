namespace DbRecovery.Engine.Health;

/// <summary>Observes a whole cluster, checks and judges it.</summary>
public interface IHealthService
{
    /// <summary>One round: every node observed in parallel, then checks, then faults.</summary>
    Task<HealthReport> ExamineAsync(ClusterDefinition cluster, ObservationLevel level, IProgress<OperationProgress>? progress, CancellationToken cancellationToken);
}
