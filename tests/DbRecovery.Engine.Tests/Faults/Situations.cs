using DbRecovery.Engine.Health;

namespace DbRecovery.Engine.Tests.Faults;

/// <summary>Makes views of a cluster of one SQLite node.</summary>
internal static class Situations
{
    public static readonly DateTimeOffset Now = new(2026, 5, 4, 12, 0, 0, TimeSpan.Zero);

    public static NodeObservation Healthy(Action<FactSet>? change = null)
    {
        var facts = new FactSet();
        facts.Set(SqliteFacts.FolderExists, true);
        facts.Set(SqliteFacts.FolderWritable, true);
        facts.Set(SqliteFacts.FileExists, true);
        facts.Set(SqliteFacts.FileKind, "file");
        facts.Set(SqliteFacts.FileReadable, true);
        facts.Set(SqliteFacts.FileWritable, true);
        facts.Set(SqliteFacts.FileSystemReadOnly, false);
        facts.Set(SqliteFacts.FileSize, 40960L);
        facts.Set(SqliteFacts.Header, "ok");
        facts.Set(SqliteFacts.MissingBytes, 0L);
        facts.Set(SqliteFacts.RecoveryNeeded, false);
        facts.Set(SqliteFacts.Lock, "none");
        facts.Set(SqliteFacts.OpenError, 0L);
        facts.Set(SqliteFacts.WriteBlocked, false);
        facts.Set(CommonFacts.DiskFree, 1L << 33);
        facts.Set(CommonFacts.DataSize, 40960L);
        facts.Set(CommonFacts.ProbeLatency, 0.001);
        change?.Invoke(facts);
        return new NodeObservation
        {
            Node = "n1", ObservedAt = Now, Duration = TimeSpan.FromMilliseconds(5), Level = ObservationLevel.Standard,
            Reachability = Reachability.Reachable, Role = NodeRole.Primary, Facts = facts,
        };
    }

    public static ClusterDefinition Cluster() => new() { Name = "app", Engine = "sqlite", Nodes = [new NodeDefinition { Name = "n1", Path = "/srv/app.db" }] };

    public static ClusterView View(Action<FactSet>? change = null) => new() { Cluster = Cluster(), At = Now, Nodes = [Healthy(change)] };

    public static BackupInfo Backup(TimeSpan age, bool? proved = null, TimeSpan? proofAge = null) => new()
    {
        Id = $"b-{age.TotalSeconds:F0}", Cluster = "app", Node = "n1", Engine = "sqlite", EngineVersion = "3", SystemId = "s", Kind = BackupKind.Full,
        Status = BackupStatus.Complete, StartedAt = Now - age, FinishedAt = Now - age, SizeBytes = 40960, StoredBytes = 1, Repository = "main",
        Proof = proved is null ? null : new BackupProof
        {
            BackupId = "b", TestedAt = Now - (proofAge ?? age), Passed = proved.Value, RestoreDuration = default, CheckDuration = default,
            Checks = [new ProofCheck("integrity_check", proved.Value, "")],
        },
    };

    public static ClusterView With(this ClusterView view, params BackupInfo[] backups) => view with
    {
        Cluster = view.Cluster with { Backups = new BackupSettings { Repository = "main" } },
        Backups = new BackupKnowledge { Repository = "main", Complete = backups },
    };

    public static ClusterView Naming(this ClusterView view, params string[] files) => view with { Cluster = view.Cluster with { Backups = view.Cluster.Backups! with { Files = files } } };

    public static ClusterView Proved(this ClusterView view) => view.With(Backup(TimeSpan.FromHours(1), proved: true));

    public static ClusterView Remembered(this ClusterView view, long size = 40960) => view with
    {
        Memory = new Dictionary<string, NodeMemory> { ["n1"] = new() { LastSeenAt = Now - TimeSpan.FromHours(1), LastSize = size } },
    };
}
