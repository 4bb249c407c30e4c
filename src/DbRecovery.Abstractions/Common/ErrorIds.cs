namespace DbRecovery;

/// <summary>The ids of errors. They are part of the public contract: added to, never renamed.</summary>
public static class ErrorIds
{
    /// <summary>An inventory file was not found or cannot be read.</summary>
    public const string InventoryNotFound = nameof(InventoryNotFound);
    /// <summary>An inventory file has errors; the findings say where.</summary>
    public const string InventoryInvalid = nameof(InventoryInvalid);
    /// <summary>No cluster of that name is in the inventory.</summary>
    public const string ClusterNotFound = nameof(ClusterNotFound);
    /// <summary>No node of that name is in the cluster.</summary>
    public const string NodeNotFound = nameof(NodeNotFound);
    /// <summary>No provider exists for the engine.</summary>
    public const string EngineNotSupported = nameof(EngineNotSupported);
    /// <summary>The engine lacks the ability that an operation needs.</summary>
    public const string CapabilityMissing = nameof(CapabilityMissing);
    /// <summary>A parameter or option has a wrong value.</summary>
    public const string ParameterInvalid = nameof(ParameterInvalid);
    /// <summary>A runbook has errors; the findings say where.</summary>
    public const string RunbookInvalid = nameof(RunbookInvalid);
    /// <summary>No runbook of that name exists, or none matches the fault.</summary>
    public const string RunbookNotFound = nameof(RunbookNotFound);
    /// <summary>A secret is missing or cannot be read.</summary>
    public const string SecretUnavailable = nameof(SecretUnavailable);
    /// <summary>A node cannot be reached or opened.</summary>
    public const string ConnectionFailed = nameof(ConnectionFailed);
    /// <summary>The server refused the user or password.</summary>
    public const string LoginFailed = nameof(LoginFailed);
    /// <summary>TLS was refused, or the server's certificate is not trusted.</summary>
    public const string TlsFailed = nameof(TlsFailed);
    /// <summary>The user lacks a right; the advice says which GRANT gives it.</summary>
    public const string PrivilegeMissing = nameof(PrivilegeMissing);
    /// <summary>The server's version is not supported.</summary>
    public const string VersionNotSupported = nameof(VersionNotSupported);
    /// <summary>A node is not what the operation needs: a standby given as primary, another cluster's node, a node given twice.</summary>
    public const string WrongNode = nameof(WrongNode);
    /// <summary>Nobody is fit to be promoted; the message says why of each.</summary>
    public const string NoCandidate = nameof(NoCandidate);
    /// <summary>The old primary could not be fenced, so nobody was promoted.</summary>
    public const string FencingFailed = nameof(FencingFailed);
    /// <summary>What was to be mended is not there any more, so nothing is done.</summary>
    public const string FaultGone = nameof(FaultGone);
    /// <summary>A cluster manager owns the cluster: the operation goes through it.</summary>
    public const string ManagedCluster = nameof(ManagedCluster);
    /// <summary>A route could not be set, or does not lead to the primary.</summary>
    public const string RouteFailed = nameof(RouteFailed);
    /// <summary>A file is not a database of the engine.</summary>
    public const string NotADatabase = nameof(NotADatabase);
    /// <summary>The database file does not exist.</summary>
    public const string DatabaseNotFound = nameof(DatabaseNotFound);
    /// <summary>The database is damaged.</summary>
    public const string DatabaseCorrupt = nameof(DatabaseCorrupt);
    /// <summary>Another process holds a lock on the database.</summary>
    public const string DatabaseBusy = nameof(DatabaseBusy);
    /// <summary>The operating system denies access.</summary>
    public const string AccessDenied = nameof(AccessDenied);
    /// <summary>Not enough free space.</summary>
    public const string OutOfSpace = nameof(OutOfSpace);
    /// <summary>A native library is missing.</summary>
    public const string LibraryMissing = nameof(LibraryMissing);
    /// <summary>A backup repository is not configured, does not exist or has another format.</summary>
    public const string RepositoryInvalid = nameof(RepositoryInvalid);
    /// <summary>Bytes in a repository are not what was written.</summary>
    public const string RepositoryCorrupt = nameof(RepositoryCorrupt);
    /// <summary>No key at hand opens an encrypted repository, or one is encrypted that should not be, or the other way round.</summary>
    public const string RepositoryLocked = nameof(RepositoryLocked);
    /// <summary>A repository is in use by another operation that this one must not overtake.</summary>
    public const string RepositoryBusy = nameof(RepositoryBusy);
    /// <summary>The clocks of this machine, the storage and the backups disagree too much to decide by age.</summary>
    public const string ClockSkew = nameof(ClockSkew);
    /// <summary>A retention rule cannot be understood, or would remove what must stay.</summary>
    public const string RetentionInvalid = nameof(RetentionInvalid);
    /// <summary>A table, column or row that was named does not exist.</summary>
    public const string ObjectNotFound = nameof(ObjectNotFound);
    /// <summary>A drill could not be carried out.</summary>
    public const string DrillFailed = nameof(DrillFailed);
    /// <summary>No backup matches.</summary>
    public const string BackupNotFound = nameof(BackupNotFound);
    /// <summary>A backup could not be taken.</summary>
    public const string BackupFailed = nameof(BackupFailed);
    /// <summary>A restored backup is not what was backed up.</summary>
    public const string BackupVerifyFailed = nameof(BackupVerifyFailed);
    /// <summary>A restore failed; the target is as it was.</summary>
    public const string RestoreFailed = nameof(RestoreFailed);
    /// <summary>The target of a restore exists.</summary>
    public const string TargetExists = nameof(TargetExists);
    /// <summary>Another incident or operation holds the cluster.</summary>
    public const string LeaseHeld = nameof(LeaseHeld);
    /// <summary>The lease was lost while acting.</summary>
    public const string LeaseLost = nameof(LeaseLost);
    /// <summary>Recovery of the cluster is paused.</summary>
    public const string RecoveryPaused = nameof(RecoveryPaused);
    /// <summary>A cooldown or a limit forbids the action.</summary>
    public const string RecoverySuppressed = nameof(RecoverySuppressed);
    /// <summary>A guard of a runbook does not hold, or its fact is unknown.</summary>
    public const string GuardFailed = nameof(GuardFailed);
    /// <summary>An approval is needed, expired or void.</summary>
    public const string ApprovalRequired = nameof(ApprovalRequired);
    /// <summary>The operation could lose data and was not asked to.</summary>
    public const string DataLossNotAllowed = nameof(DataLossNotAllowed);
    /// <summary>No such incident.</summary>
    public const string IncidentNotFound = nameof(IncidentNotFound);
    /// <summary>A journal's hash chain is broken; automation stops.</summary>
    public const string JournalCorrupt = nameof(JournalCorrupt);
    /// <summary>A step of a runbook failed.</summary>
    public const string StepFailed = nameof(StepFailed);
    /// <summary>The recovery was carried out but its verification did not hold.</summary>
    public const string VerificationFailed = nameof(VerificationFailed);
    /// <summary>It cannot be known whether a step took effect; a person must look.</summary>
    public const string OutcomeUnknown = nameof(OutcomeUnknown);
    /// <summary>The operation was cancelled.</summary>
    public const string Cancelled = nameof(Cancelled);
    /// <summary>A deadline passed.</summary>
    public const string TimedOut = nameof(TimedOut);
    /// <summary>An error that nobody foresaw: a defect of DbRecovery.</summary>
    public const string Unexpected = nameof(Unexpected);
}
