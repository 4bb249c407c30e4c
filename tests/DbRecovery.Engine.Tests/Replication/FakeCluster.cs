using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using DbRecovery.Engine.Actions;
using DbRecovery.Engine.Backups;
using DbRecovery.Engine.Health;
using NSubstitute;

namespace DbRecovery.Engine.Tests.Replication;

/// <summary>A server whose state a test sets and the actions change.</summary>
internal sealed class FakeServer
{
    public NodeRole Role { get; set; } = NodeRole.Replica;
    public Reachability Reachability { get; set; } = Reachability.Reachable;
    public long Timeline { get; set; } = 1;
    public long Bytes { get; set; } = 1000;
    /// <summary>How much of that it has applied; null for all.</summary>
    public long? Applied { get; set; }
    public bool Paused { get; set; }
    /// <summary>The node that it receives from.</summary>
    public string? Streams { get; set; }
    public InstanceState Instance { get; set; } = InstanceState.Running;
    public FencingEpoch? Epoch { get; set; }
    public string? SyncNames { get; set; }
    /// <summary>How many synchronous replicas it sees to stream; null: it may not see that.</summary>
    public long? SyncPresent { get; set; }
    /// <summary>How many replicas its commits wait for.</summary>
    public long? Required { get; set; }
    /// <summary>Whether pages have failed their checksum.</summary>
    public bool Damaged { get; set; }
    /// <summary>The replicas whose transactions it waits for.</summary>
    public string[] Waits { get; set; } = [];
}

/// <summary>A primary 'a' that is gone and replicas that were its own: what actions do to them, without a server.</summary>
internal sealed class FakeCluster : IDatabaseProvider, INodeObserver, IReplicationControl, IInstanceControl, IDisposable
{
    public static readonly TimeSpan Time = TimeSpan.FromMinutes(5);
    private readonly IReplicaBuilder _builder = Substitute.For<IReplicaBuilder>();

    public FakeCluster(params string[] replicas)
    {
        Servers["a"] = new FakeServer { Role = NodeRole.Primary, Reachability = Reachability.Absent, Instance = InstanceState.Stopped };
        foreach (var name in replicas.Length == 0 ? ["b", "c"] : replicas)
            Servers[name] = new FakeServer();
        Cluster = new ClusterDefinition { Name = "c", Engine = "fake", Nodes = [.. Servers.Keys.Order(StringComparer.Ordinal).Select(n => new NodeDefinition { Name = n, Host = n, Port = 1 })] };
        var started = new NodeOperation([], (_, _, _) => Task.FromResult(new OperationOutcome("")));
        _builder.StartAsReplica(default!, default!, default!).ReturnsForAnyArgs(started);
        _builder.SnapshotTail(default!, default!, default!, default!).ReturnsForAnyArgs(started);
        _builder.Rebuild(default!, default!, default!, default!).ReturnsForAnyArgs(started);
        Last = new LastPrimary { Node = "a", SystemId = "s", Position = new LogPosition("lsn", "", "1", 1000), At = Clock.GetUtcNow(), SeenAt = Clock.GetUtcNow(), BytesPerSecond = 0 };
    }

    public ConcurrentDictionary<string, FakeServer> Servers { get; } = new();
    public ClusterDefinition Cluster { get; set; }
    public LastPrimary? Last { get; set; }
    public TimeProvider Clock { get; init; } = TimeProvider.System;
    /// <summary>What was done, in order.</summary>
    public ConcurrentQueue<string> Did { get; } = new();
    /// <summary>What happens when something is done, by what that is.</summary>
    public Dictionary<string, Func<CancellationToken, Task>> On { get; } = [];
    /// <summary>What happens at each look at a node.</summary>
    public Action<string> Looking { get; set; } = _ => { };
    /// <summary>What happens when a takeover epoch is read.</summary>
    public Action ReadingEpoch { get; set; } = () => { };
    /// <summary>Where a write to a host arrives.</summary>
    public Func<ClusterDefinition, string, string> Writing { get; set; } = (_, host) => host;
    public bool CanPowerOff { get; set; }
    /// <summary>Of another name than what proofs of backups make there: they sweep away what is empty under theirs.</summary>
    public string Folder { get; } = Directory.CreateTempSubdirectory("dbr-fake-").FullName;

    public FakeServer this[string node] => Servers[node];

    public ActionContext Context(int? fence = FenceStopped) => new()
    {
        Cluster = Cluster, Provider = this, Backups = Substitute.For<IBackupService>(), Secrets = Substitute.For<ISecretResolver>(), Health = Health(), Clock = Clock, Acting = true, Epoch = 7,
        IncidentId = "i", IncidentFolder = Folder, Timeout = TimeSpan.FromMinutes(2), Seen = Report(),
        Done = fence is { } level ? new Dictionary<string, IReadOnlyDictionary<string, FactValue>> { ["fence"] = new Dictionary<string, FactValue> { ["level"] = (long)level, ["node"] = "a" } } : [],
    };

    public const int FenceStopped = 3;

    public HealthReport Report() => new()
    {
        Cluster = "c", Engine = "fake", ObservedAt = Clock.GetUtcNow(), Duration = TimeSpan.Zero, Level = ObservationLevel.Quick, Status = HealthStatus.Failed, Nodes = [], Checks = [], Faults = [],
        LastPrimary = Last, Observations = [.. Cluster.Nodes.Select(n => See(n.Name))], Definition = Cluster,
    };

    private IHealthService Health()
    {
        var health = Substitute.For<IHealthService>();
        health.ExamineAsync(default!, default, default, default).ReturnsForAnyArgs(_ => Report());
        return health;
    }

    private NodeObservation See(string node)
    {
        var server = this[node];
        var answers = server.Reachability == Reachability.Reachable;
        var place = new LogPosition("lsn", "", $"{server.Timeline}", server.Bytes);
        var facts = new FactSet();
        if (answers)
        {
            facts.Set(PostgreSqlFacts.Timeline, server.Timeline);
        if (answers && server.SyncNames is { } names)
            facts.Set(PostgreSqlFacts.SyncNames, names);
        if (answers && server.SyncPresent is { } present)
            facts.Set(PostgreSqlFacts.SyncPresent, present);
            facts.Set(PostgreSqlFacts.ChecksumFailures, server.Damaged ? 1L : 0L);
        }
        if (answers && server.Required is { } required)
            facts.Set(PostgreSqlFacts.SyncRequired, required);
        if (server.Paused)
            facts.Set(PostgreSqlFacts.ReplayPaused, true);
        if (Last is { } last)
            facts.Set(ReplicationFacts.Primary, last.Node);
        return new NodeObservation
        {
            Node = node, ObservedAt = Clock.GetUtcNow(), Duration = TimeSpan.Zero, Level = ObservationLevel.Quick, Reachability = server.Reachability, Role = answers ? server.Role : NodeRole.Unknown,
            SystemId = answers ? "s" : null, Position = answers ? place : null, Facts = facts,
            Downstreams = answers ? [.. Servers.Where(s => s.Value.Streams == node).Select(s => new DownstreamObservation { Name = s.Key, State = "streaming", SyncState = server.Waits.Contains(s.Key) ? "sync" : "async" })] : [],
            Upstream = answers && server.Role == NodeRole.Replica ? new UpstreamObservation { Address = $"{server.Streams ?? "nobody"}:1", Streaming = server.Streams is not null, Received = place, Applied = place with { Ordinal = server.Applied ?? server.Bytes } } : null,
        };
    }

    private NodeOperation Act(string what, Action? effect = null, Func<OperationOutcome>? outcome = null) => new([new PlannedAct(ActKind.Command, "", what)], async (_, _, token) =>
    {
        Did.Enqueue(what);
        if (On.TryGetValue(what, out var happens))
            await happens(token);
        effect?.Invoke();
        return outcome?.Invoke() ?? new OperationOutcome(what);
    });

    public string Engine => "fake";
    public string DisplayName => "Fake";
    public bool Embedded => false;
    public IReadOnlyList<FactDefinition> Facts => [];

    public bool TryGet<T>([NotNullWhen(true)] out T? capability) where T : class => (capability = this as T ?? _builder as T) is not null;

    public Task<NodeObservation> ObserveAsync(ObservationRequest request, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        Looking(request.Node.Name);
        return Task.FromResult(See(request.Node.Name));
    }

    public NodeOperation Promote(ClusterDefinition cluster, NodeDefinition node) => Act($"promote {node.Name}", () => (this[node.Name].Role, this[node.Name].Timeline, this[node.Name].Streams) = (NodeRole.Primary, 2, null),
        () => new OperationOutcome("", new Dictionary<string, FactValue> { ["timeline"] = 2L }));
    public NodeOperation AfterPromotion(ClusterDefinition cluster, NodeDefinition node) => Act($"checkpoint {node.Name}");
    public Task<PromotionFindings> LookAfterPromotionAsync(ClusterDefinition cluster, NodeDefinition node, TimeSpan timeout, CancellationToken cancellationToken) => Task.FromResult(new PromotionFindings([], [], []));
    public NodeOperation Follow(ClusterDefinition cluster, NodeDefinition node, NodeDefinition upstream) => Act($"{node.Name} follows {upstream.Name}", () => this[node.Name].Streams = upstream.Name);
    public Task<NodeOperation> ResumeReplicationAsync(ClusterDefinition cluster, NodeDefinition node, NodeDefinition upstream, CancellationToken cancellationToken) => throw new NotSupportedException();
    public NodeOperation EnsureSlots(ClusterDefinition cluster, NodeDefinition primary, IReadOnlyList<NodeDefinition> replicas) => Act("slots");
    public NodeOperation DropSlot(ClusterDefinition cluster, NodeDefinition node, string slot) => Act("drop slot");
    public NodeOperation SetSynchronous(ClusterDefinition cluster, NodeDefinition primary, IReadOnlyList<NodeDefinition> replicas, int required) =>
        Act($"{primary.Name} waits for {required}", () => this[primary.Name].SyncNames = string.Join(",", replicas.Select(r => r.Name)));
    public NodeOperation SetReadOnly(ClusterDefinition cluster, NodeDefinition node, bool readOnly) => Act($"read-only {node.Name} {readOnly}");
    public Task<NodeOperation> EndSessionsAsync(ClusterDefinition cluster, NodeDefinition node, SessionSelection selection, TimeSpan olderThan, CancellationToken cancellationToken) => throw new NotSupportedException();
    public Task<LogPosition> ReceivedAsync(ClusterDefinition cluster, NodeDefinition node, CancellationToken cancellationToken) => Task.FromResult(See(node.Name).Position!);
    public Task<LogPosition?> ShutdownPositionAsync(ClusterDefinition cluster, NodeDefinition node, CancellationToken cancellationToken) =>
        Task.FromResult<LogPosition?>(new LogPosition("lsn", "", $"{this[node.Name].Timeline}", this[node.Name].Bytes - 1));
    public Task<string> CanaryWriteAsync(ClusterDefinition cluster, string host, int port, bool synchronous, TimeSpan timeout, CancellationToken cancellationToken) => Task.FromResult(Writing(cluster, host));
    public Task<FencingEpoch?> ReadEpochAsync(ClusterDefinition cluster, NodeDefinition node, CancellationToken cancellationToken)
    {
        ReadingEpoch();
        return Task.FromResult(this[node.Name].Epoch);
    }

    public NodeOperation WriteEpoch(ClusterDefinition cluster, NodeDefinition primary, FencingEpoch epoch) => Act($"epoch {primary.Name}", () => this[primary.Name].Epoch = epoch.Epoch > (this[primary.Name].Epoch?.Epoch ?? 0)
        ? epoch : throw new DbRecoveryException(ErrorIds.LeaseLost, ErrorKind.Refused, "a higher epoch is there"));

    public string? UnavailableBecause(ClusterDefinition cluster, NodeDefinition node) => null;
    public Task<InstanceStatus> StatusAsync(ClusterDefinition cluster, NodeDefinition node, TimeSpan timeout, CancellationToken cancellationToken) => Task.FromResult(new InstanceStatus(this[node.Name].Instance, ""));
    public NodeOperation Start(ClusterDefinition cluster, NodeDefinition node, bool letGo = false, bool asReplica = false) =>
        Act($"start {node.Name}", () => (this[node.Name].Instance, this[node.Name].Reachability) = (InstanceState.Running, Reachability.Reachable));
    public NodeOperation Stop(ClusterDefinition cluster, NodeDefinition node) => Act($"stop {node.Name}", () => (this[node.Name].Instance, this[node.Name].Reachability) = (InstanceState.Stopped, Reachability.Absent));
    public NodeOperation Kill(ClusterDefinition cluster, NodeDefinition node) => Act($"kill {node.Name}", () => (this[node.Name].Instance, this[node.Name].Reachability) = (InstanceState.Stopped, Reachability.Absent));
    public NodeOperation? PowerOff(ClusterDefinition cluster, NodeDefinition node) => CanPowerOff ? Act($"power off {node.Name}") : null;
    public NodeOperation? HoldDown(ClusterDefinition cluster, NodeDefinition node) => null;
    public Task<NodeOperation> FreeSpaceAsync(ClusterDefinition cluster, NodeDefinition node, CancellationToken cancellationToken) => throw new NotSupportedException();

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
