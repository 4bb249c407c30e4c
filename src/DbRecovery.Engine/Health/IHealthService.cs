namespace DbRecovery.Engine.Health;

/// <summary>Observes a whole cluster, checks and judges it.</summary>
public interface IHealthService
{
    /// <summary>One round: every node observed in parallel, then checks, then faults.</summary>
    Task<HealthReport> ExamineAsync(ClusterDefinition cluster, ObservationLevel level, IProgress<OperationProgress>? progress, CancellationToken cancellationToken);

    /// <summary>
    /// The same service for somebody of whom it is known whether he decides by what is known of backups. If so, even a quick look waits until the repository
    /// answers; if not, none waits for it or looks at it, except where the data are compared with the newest backup.
    /// </summary>
    IHealthService WithBackups(bool needed) => this;
}
