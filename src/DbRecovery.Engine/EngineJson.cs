using System.Text.Json;
using System.Text.Json.Serialization;
using DbRecovery.Engine.Actions;
using DbRecovery.Engine.Backups;
using DbRecovery.Engine.Health;
using DbRecovery.Engine.Incidents;
using DbRecovery.Engine.Watch;

namespace DbRecovery.Engine;

/// <summary>The domain's JSON with the engine's own documents and the states of its actions.</summary>
internal static class EngineJson
{
    /// <inheritdoc cref="DbRecoveryJson.Compact"/>
    public static JsonSerializerOptions Compact { get; } = DbRecoveryJson.With(EngineTypes.Default);

    /// <inheritdoc cref="DbRecoveryJson.Indented"/>
    public static JsonSerializerOptions Indented { get; } = DbRecoveryJson.With(EngineTypes.Default, indented: true);
}

/// <summary>What the engine's own objects look like as JSON: the native executable cannot find it out by itself.</summary>
[JsonSourceGenerationOptions(UseStringEnumConverter = true, GenerationMode = JsonSourceGenerationMode.Metadata)]
[JsonSerializable(typeof(JournalRecord))]
[JsonSerializable(typeof(LeaseHolder))]
[JsonSerializable(typeof(PauseRecord))]
[JsonSerializable(typeof(AcknowledgementRecord))]
[JsonSerializable(typeof(NodeMemory))]
[JsonSerializable(typeof(RouteReply))]
[JsonSerializable(typeof(WatchReply))]
[JsonSerializable(typeof(RefusalReply))]
[JsonSerializable(typeof(ClusterMemory))]
[JsonSerializable(typeof(ScrubLedger))]
[JsonSerializable(typeof(KeySlot))]
[JsonSerializable(typeof(RepositoryHeader))]
[JsonSerializable(typeof(SessionOwner))]
[JsonSerializable(typeof(List<EvidenceFile>))]
[JsonSerializable(typeof(Notification))]
[JsonSerializable(typeof(WaitState))]
[JsonSerializable(typeof(SalvageState))]
[JsonSerializable(typeof(SalvageRowsState))]
[JsonSerializable(typeof(RunCommandState))]
[JsonSerializable(typeof(RunSqlState))]
[JsonSerializable(typeof(RunPowerShellState))]
[JsonSerializable(typeof(BackupState))]
[JsonSerializable(typeof(NotifyState))]
[JsonSerializable(typeof(SnapshotEvidenceState))]
[JsonSerializable(typeof(RestoreState))]
[JsonSerializable(typeof(MaintenanceState))]
[JsonSerializable(typeof(SwapFileState))]
[JsonSerializable(typeof(FenceState))]
[JsonSerializable(typeof(FailoverState))]
[JsonSerializable(typeof(SwitchoverState))]
[JsonSerializable(typeof(FollowState))]
[JsonSerializable(typeof(SetSyncState))]
[JsonSerializable(typeof(StartState))]
[JsonSerializable(typeof(InstanceActState))]
[JsonSerializable(typeof(KillSessionsState))]
[JsonSerializable(typeof(RerouteState))]
[JsonSerializable(typeof(ReplicaReturnState))]
[JsonSerializable(typeof(ResumeReplicationState))]
internal sealed partial class EngineTypes : JsonSerializerContext;
