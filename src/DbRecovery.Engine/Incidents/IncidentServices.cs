using DbRecovery.Engine.Actions;
using DbRecovery.Engine.Backups;
using DbRecovery.Engine.Health;
using DbRecovery.Engine.Routing;
using DbRecovery.Engine.Runbooks;

namespace DbRecovery.Engine.Incidents;

/// <summary>What the incident service works with.</summary>
public sealed record IncidentServices
{
    /// <summary>The absolute path of the state folder; it need not exist.</summary>
    public required string StateFolder { get; init; }
    /// <summary>Gives an engine's provider or throws <see cref="ErrorIds.EngineNotSupported"/>.</summary>
    public required Func<string, IDatabaseProvider> Provider { get; init; }
    /// <summary>Backups.</summary>
    public required IBackupService Backups { get; init; }
    /// <summary>The repository of a cluster; null where none is configured.</summary>
    public required Func<ClusterDefinition, RepositoryDefinition?> Repository { get; init; }
    /// <summary>Observation.</summary>
    public required IHealthService Health { get; init; }
    /// <summary>The runbooks.</summary>
    public required IRunbookLibrary Runbooks { get; init; }
    /// <summary>Conditions and look-ups.</summary>
    public RunbookEvaluator Evaluator { get; } = new();
    /// <summary>Reads a runbook file; it serves to go on with an incident whose runbook is not in the library any more.</summary>
    public Func<string, Runbook>? ReadRunbook { get; init; }
    /// <summary>The actions.</summary>
    public required ActionCatalogue Actions { get; init; }
    /// <summary>The ways by which applications reach the primary; null where the host gives none.</summary>
    public IRoutes? Routes { get; init; }
    /// <summary>Reads secrets.</summary>
    public required ISecretResolver Secrets { get; init; }
    /// <summary>Environment variables with secrets: programs that an action starts do not inherit them.</summary>
    public IReadOnlyCollection<string> SecretVariables { get; init; } = [];
    /// <summary>The inventory's ways to reach people.</summary>
    public IReadOnlyDictionary<string, NotificationChannel> Notifications { get; init; } = new Dictionary<string, NotificationChannel>();
    /// <summary>PowerShell; null outside it.</summary>
    public IPowerShellHost? PowerShell { get; init; }
    /// <summary>The clock.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;
    /// <summary>Sees journal records; for tests of death at any moment.</summary>
    public IJournalObserver? JournalObserver { get; init; }
    /// <summary>The time after a recovery in which a recurrence escalates.</summary>
    public TimeSpan Probation { get; init; } = TimeSpan.FromMinutes(10);
    /// <summary>The wait between two looks of a check.</summary>
    public TimeSpan PollInterval { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>
    /// The same for the incident of a fault that a runbook answers: it looks at backups only where it decides by them. What is wrong with a file
    /// is always told by its backups, too.
    /// </summary>
    internal IncidentServices For(Fault fault, Runbook runbook) =>
        this with { Health = Health.WithBackups(Provider(fault.Engine).Embedded || fault.Id.StartsWith(BackupWords, StringComparison.Ordinal) || RunbookWords.Mentions(runbook, BackupWords)) };

    /// <summary>How the facts and the faults that are about backups begin.</summary>
    internal const string BackupWords = "backup.";
}
