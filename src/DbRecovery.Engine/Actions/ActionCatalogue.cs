using System.Diagnostics.CodeAnalysis;

namespace DbRecovery.Engine.Actions;

/// <summary>Every action that a runbook may name.</summary>
public sealed class ActionCatalogue
{
    private readonly Dictionary<string, RecoveryAction> _actions;

    /// <summary>Makes a catalogue of these actions.</summary>
    public ActionCatalogue(IEnumerable<RecoveryAction> actions)
    {
        _actions = actions.ToDictionary(a => a.Descriptor.Name, StringComparer.Ordinal);
        Descriptors = [.. _actions.Values.Select(a => a.Descriptor).OrderBy(d => d.Name, StringComparer.Ordinal)];
    }

    /// <summary>The actions that come with DbRecovery.</summary>
    /// <param name="http">How webhooks are posted; null: over the network.</param>
    public static ActionCatalogue Standard(HttpMessageHandler? http = null) => new(
    [
        new SnapshotEvidenceAction(),
        new BackupAction(),
        new RestoreAction(),
        new SalvageAction(),
        new SalvageRowsAction(),
        new ReindexAction(),
        new CheckpointAction(),
        new SwapFileAction(),
        new FenceAction(),
        new FailoverAction(),
        new SwitchoverAction(),
        new PromoteAction(),
        new FollowAction(),
        new SetSyncAction(),
        new StartAction(),
        new StopAction(),
        new RestartAction(),
        new KillSessionsAction(),
        new FreeSpaceAction(),
        new RerouteAction(),
        new RejoinAction(),
        new RebuildReplicaAction(),
        new NewReplicaAction(),
        new ResumeReplicationAction(),
        new WaitAction(),
        new NotifyAction(http),
        new RunCommandAction(),
        new RunSqlAction(),
        new RunPowerShellAction(),
    ]);

    /// <summary>What linter, schema and help know of each, by name.</summary>
    public IReadOnlyList<ActionDescriptor> Descriptors { get; }

    /// <summary>The action of that name.</summary>
    public bool TryGet(string name, [NotNullWhen(true)] out RecoveryAction? action) => _actions.TryGetValue(name, out action);

    /// <summary>The action of that name.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.RunbookInvalid"/>: there is none.</exception>
    public RecoveryAction Get(string name) => TryGet(name, out var action)
        ? action
        : throw new DbRecoveryException(ErrorIds.RunbookInvalid, ErrorKind.InvalidInput, $"there is no action '{name}'",
            $"The actions are: {string.Join(", ", _actions.Keys.Order(StringComparer.Ordinal))}.", name);
}
