namespace DbRecovery.Cli;

/// <summary>The exit codes, for schedulers. They are part of the public contract.</summary>
internal static class ExitCodes
{
    /// <summary>Healthy, or done.</summary>
    public const int Done = 0;
    /// <summary>A fault was found, or a check did not pass.</summary>
    public const int FaultFound = 1;
    /// <summary>The command line, the inventory or a runbook is wrong.</summary>
    public const int Usage = 2;
    /// <summary>It was tried and failed.</summary>
    public const int Failed = 3;
    /// <summary>Refused, with nothing changed: a pause, a cooldown, a missing approval or agreement.</summary>
    public const int Refused = 4;
    /// <summary>Ended by Ctrl+C, as shells count it.</summary>
    public const int Cancelled = 130;

    /// <summary>The code of an error.</summary>
    public static int Of(DbRecoveryException error) => error.Kind switch
    {
        _ when error.Id == ErrorIds.Cancelled => Cancelled,
        ErrorKind.InvalidInput => Usage,
        ErrorKind.NotFound when error.Id is ErrorIds.ClusterNotFound or ErrorIds.NodeNotFound or ErrorIds.InventoryNotFound
            or ErrorIds.RunbookNotFound or ErrorIds.IncidentNotFound or ErrorIds.BackupNotFound or ErrorIds.ObjectNotFound => Usage,
        ErrorKind.NotSupported => Usage,
        ErrorKind.Refused => Refused,
        _ => Failed,
    };

    /// <summary>The code of a state of health.</summary>
    public static int Of(HealthReport report) => report switch
    {
        { Faults.Count: > 0 } => FaultFound,
        { Status: HealthStatus.Healthy } => Done,
        _ => FaultFound,
    };

    /// <summary>The code of an incident's state.</summary>
    public static int Of(IncidentState state) => state switch
    {
        IncidentState.Resolved or IncidentState.Probation => Done,
        IncidentState.Suppressed or IncidentState.AwaitingApproval or IncidentState.Superseded or IncidentState.Cancelled => Refused,
        _ => Failed,
    };
}
