using DbRecovery.Engine.Actions;
using DbRecovery.Engine.Backups;
using DbRecovery.Engine.Faults;
using DbRecovery.Engine.Health;
using DbRecovery.Engine.Incidents;
using DbRecovery.Engine.Inventory;
using DbRecovery.Engine.Runbooks;

namespace DbRecovery.Runtime;

/// <summary>What the runtime puts together: the one place that names concrete databases, readers and services.</summary>
internal sealed record Composition
{
    /// <summary>The databases.</summary>
    public required IReadOnlyList<IDatabaseProvider> Providers { get; init; }
    /// <summary>Backups over the databases.</summary>
    public required Func<RuntimeOptions, Func<string, IDatabaseProvider>, IBackupService> Backups { get; init; }
    /// <summary>Reads and lints an inventory file, given which engines there are and whether each is embedded.</summary>
    public required Func<string, IReadOnlyDictionary<string, bool>, (InventoryModel? Model, IReadOnlyList<LintFinding> Findings)> ReadInventory { get; init; }
    /// <summary>Everything about runbooks.</summary>
    public required Func<RunbookParts, IRunbookLibrary> Library { get; init; }
    /// <summary>Reads and lints one runbook file.</summary>
    public required Func<RunbookParts, string, (Runbook? Runbook, LintResult Lint)> ReadRunbook { get; init; }
    /// <summary>The actions.</summary>
    public required IReadOnlyList<ActionDescriptor> Actions { get; init; }
    /// <summary>Incidents.</summary>
    public required Func<IncidentParts, IIncidentService> Incidents { get; init; }
}

/// <summary>What reading runbooks needs.</summary>
internal sealed record RunbookParts
{
    /// <summary>The folders, shipped ones first.</summary>
    public required IReadOnlyList<string> Folders { get; init; }
    /// <summary>The actions.</summary>
    public required IReadOnlyList<ActionDescriptor> Actions { get; init; }
    /// <summary>The facts that conditions may name.</summary>
    public required IReadOnlyList<FactDefinition> Facts { get; init; }
    /// <summary>The fault classes, with those of the inventory's checks.</summary>
    public required IReadOnlyList<FaultClass> Faults { get; init; }
    /// <summary>Whether an engine has a capability.</summary>
    public required Func<string, Type, bool> HasCapability { get; init; }
    /// <summary>The engines.</summary>
    public required IReadOnlyList<string> Engines { get; init; }
    /// <summary>Whether PowerShell is at hand.</summary>
    public required bool HasPowerShell { get; init; }
}

/// <summary>What incidents need.</summary>
internal sealed record IncidentParts
{
    public required RuntimeOptions Options { get; init; }
    public required string StateFolder { get; init; }
    public required Func<string, IDatabaseProvider> Providers { get; init; }
    public required IBackupService Backups { get; init; }
    public required IHealthService Health { get; init; }
    public required IRunbookLibrary Library { get; init; }
    public required Func<ClusterDefinition, RepositoryDefinition?> RepositoryOf { get; init; }
    public required IReadOnlyDictionary<string, NotificationChannel> Notifications { get; init; }
    public required ISecretResolver Secrets { get; init; }
}
