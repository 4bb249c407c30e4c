using DbRecovery.Engine.Faults;

namespace DbRecovery.Engine.Health;

public sealed partial class HealthService
{
    /// <inheritdoc/>
    public HealthReport Judge(ClusterRound round)
    {
        var cluster = round.Cluster;
        var server = !options.Providers(cluster.Engine).Embedded;
        var recalled = Recall(cluster);
        foreach (var node in round.Nodes)
            AddFacts(cluster, node, round.Backups, recalled.GetValueOrDefault(node.Node));
        var primary = server ? _history?.ReadPrimary(cluster.Name) ?? new ClusterMemory() : new ClusterMemory();
        var view = new ClusterView
        {
            Cluster = cluster, At = round.SeenAt ?? options.Clock.GetUtcNow(), Nodes = round.Nodes, Backups = round.Backups, Memory = recalled, CustomChecks = round.CustomChecks,
            LastPrimary = primary.Primary, Routes = [.. round.Routes.Select(r => RouteTargets.Resolve(r, round.Nodes))],
        };
        if (server)
        {
            var counted = Counted(view);
            primary = primary.With(view);
            view = view with { Memory = counted, LastPrimary = primary.Primary };
            ClusterFacts.Add(view);
        }
        options.Judged?.Invoke(view);
        var faults = FaultClassifier.Classify(view);
        Remember(view, recalled, faults);
        if (server && primary.Primary is not null && (options.KeepInMemory || !options.ReadOnly))
            _history?.WritePrimary(cluster.Name, primary, view.Replication.Leader is not null);
        return Report(view, faults, round.Level, round.StartedAt, round.Duration);
    }

    /// <inheritdoc/>
    public async Task ReadEpochsAsync(ClusterDefinition cluster, IReadOnlyList<NodeObservation> nodes, ObservationLevel level, CancellationToken cancellationToken)
    {
        var writable = nodes.Where(n => n.IsPrimary()).ToList();
        if (writable.Count == 0 || !options.Providers(cluster.Engine).TryGet<IReplicationControl>(out var control))
            return;
        var known = _history?.ReadPrimary(cluster.Name);
        if (level == ObservationLevel.Quick && writable.Count == 1 && known is { Epoch: not null } && known.Primary?.Node == writable[0].Node)
            return;
        await Task.WhenAll(writable.Select(ReadAsync)).ConfigureAwait(false);

        async Task ReadAsync(NodeObservation node)
        {
            using var ends = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            try
            {
                var epoch = await control.ReadEpochAsync(cluster, cluster.Node(node.Node), ends.Token)
                    .WaitAsync(NodeTimeoutOf(cluster, ObservationLevel.Quick, embedded: false), options.Clock, cancellationToken).ConfigureAwait(false);
                node.Facts.Set(ReplicationFacts.Epoch, epoch?.Epoch ?? 0);
                node.Facts.Set(ReplicationFacts.EpochPrimary, epoch?.Primary ?? "");
            }
            catch (Exception e) when (e is DbRecoveryException or TimeoutException)
            {
                await ends.CancelAsync().ConfigureAwait(false);
                node.Facts.SetUnknown(ReplicationFacts.Epoch, e.Message);
                node.Facts.SetUnknown(ReplicationFacts.EpochPrimary, e.Message);
            }
        }
    }

    private static INodeHistory? History(HealthServiceOptions options)
    {
        if (options.Memory is { } shared)
            return shared;
        var files = options.StateFolder is null ? null : new ProbeHistory(options.StateFolder);
        return options.KeepInMemory ? new MemoryHistory(files, options.ReadOnly) : files;
    }

    // a watch looks as often within the deadline as must agree, so that it is kept with the confirmation and not with the first look
    private TimeSpan NodeTimeoutOf(ClusterDefinition cluster, ObservationLevel level, bool embedded, string? node = null)
    {
        if (embedded || level != ObservationLevel.Quick)
            return options.NodeTimeout;
        var rounds = Math.Max(1, cluster.Policy.Confirmations);
        var share = cluster.Policy.DetectWithin / (options is { KeepInMemory: true, Memory: null } ? rounds : 1);
        // what a watch has confirmed to be silent would answer at once if it were back, and an outage does not have the time to wait for it as long again
        if (node is not null && options.Memory?.Read(cluster.Name, node) is { } known && known.Failures >= rounds)
            share = Quantities.Most(cluster.Policy.DetectWithin / AgainShare, TimeSpan.FromSeconds((known.Baseline ?? 0) * AgainTimes));
        return Quantities.Least(options.NodeTimeout, Quantities.Most(share, s_leastTimeout));
    }

    private const int AgainShare = 10;
    private const int AgainTimes = 10;

    private static readonly TimeSpan s_leastTimeout = TimeSpan.FromMilliseconds(200);

    private static Dictionary<string, NodeMemory> Counted(ClusterView view)
    {
        var counted = new Dictionary<string, NodeMemory>(StringComparer.Ordinal);
        foreach (var node in view.Nodes)
        {
            var upstream = view.Replication.UpstreamOf(node);
            var lives = upstream is not null && view.Replication.Find(upstream) is { Reachability: Reachability.Reachable };
            counted[node.Node] = (view.Memory.GetValueOrDefault(node.Node) ?? new NodeMemory()).With(node, upstream, lives);
        }
        return counted;
    }

    private void AddFacts(ClusterDefinition cluster, NodeObservation node, BackupKnowledge? backups, NodeMemory? memory)
    {
        var facts = node.Facts;
        if (memory?.Baseline is { } baseline)
            facts.Set(CommonFacts.ProbeBaseline, baseline);
        else
            facts.SetUnknown(CommonFacts.ProbeBaseline, $"fewer than {NodeMemory.LeastSamples} probes are remembered");
        facts.Set(CommonFacts.BackupConfigured, cluster.Backups is not null);
        FactDefinition[] counted = [CommonFacts.BackupCount, CommonFacts.BackupProvedCount];
        FactDefinition[] newest = [CommonFacts.BackupAge, CommonFacts.BackupId, CommonFacts.BackupMissingFiles, CommonFacts.BackupProvedId, CommonFacts.BackupProofAge];
        var because = backups is not null ? backups.Unknown : cluster.Backups is null ? "no repository is configured for the cluster" : "nobody looked at the repository";
        foreach (var fact in because is null ? newest : [.. counted, .. newest])
            facts.SetUnknown(fact, because ?? "there is no such backup");
        if (backups is not { Unknown: null })
            return;
        var now = options.Clock.GetUtcNow();
        facts.Set(CommonFacts.BackupCount, (long)backups.Complete.Count);
        facts.Set(CommonFacts.BackupProvedCount, backups.Complete.LongCount(b => b.Proof is { Passed: true }));
        if (backups.Newest is { } last)
        {
            facts.Set(CommonFacts.BackupAge, Math.Max(0, (now - last.FinishedAt).TotalSeconds));
            facts.Set(CommonFacts.BackupId, last.Id);
            facts.Set(CommonFacts.BackupMissingFiles, FactValue.OfList(backups.MissingFiles(cluster)));
        }
        if (backups.NewestProved is { } proved)
        {
            facts.Set(CommonFacts.BackupProvedId, proved.Id);
            facts.Set(CommonFacts.BackupProofAge, Math.Max(0, (now - backups.LastProofAt!.Value).TotalSeconds));
        }
    }

    private Dictionary<string, NodeMemory> Recall(ClusterDefinition cluster) => _history is null
        ? []
        : cluster.Nodes.Select(n => (n.Name, Memory: _history.Read(cluster.Name, n.Name))).Where(n => n.Memory is not null)
            .ToDictionary(n => n.Name, n => n.Memory!, StringComparer.Ordinal);

    private void Remember(ClusterView view, Dictionary<string, NodeMemory> recalled, IReadOnlyList<Fault> faults)
    {
        if (_history is null || (options.ReadOnly && !options.KeepInMemory))
            return;
        foreach (var node in view.Nodes)
        {
            var before = recalled.GetValueOrDefault(node.Node);
            var memory = view.Memory.GetValueOrDefault(node.Node) ?? new NodeMemory();
            // what was seen in trouble is not what the node is like; a slow round alone is learnt, for the median bears it and follows a lasting change
            if (node.Reachability == Reachability.Reachable && !(options.KeepInMemory && before?.LastSeenAt == node.ObservedAt) && node.Facts.Int(SqliteFacts.OpenError) is null or 0
                && !faults.Any(f => f.Node == node.Node && f.Id != "perf.latency" && f.Severity <= FaultSeverity.Degraded))
                memory = memory.Learnt(node);
            if (memory != before && (memory.CountedAt ?? memory.LastSeenAt) is not null)
                _history.Write(view.Cluster.Name, node.Node, memory);
        }
    }

    private static HealthReport Report(ClusterView view, IReadOnlyList<Fault> faults, ObservationLevel level, DateTimeOffset startedAt, TimeSpan duration)
    {
        var nodes = view.Nodes.Select(node =>
        {
            var checks = HealthChecks.OfNode(view, node);
            return new NodeHealth
            {
                Node = node.Node, Address = view.Cluster.Node(node.Node).Address, Role = node.Role, Position = node.Position, Checks = checks,
                Status = node.Reachability == Reachability.Absent ? HealthStatus.Failed : StatusOf(faults.Where(f => f.Node == node.Node), checks, level, node.Reachability != Reachability.TimedOut),
            };
        }).ToArray();
        var clusterChecks = HealthChecks.OfCluster(view);
        return new HealthReport
        {
            Cluster = view.Cluster.Name, Engine = view.Cluster.Engine, ObservedAt = startedAt, Duration = duration, Level = level, Nodes = nodes,
            Checks = [.. nodes.SelectMany(n => n.Checks), .. clusterChecks], Status = StatusOf(faults, clusterChecks, level, nodes),
            Faults = faults, LastPrimary = view.LastPrimary, Routes = view.Routes, Observations = view.Nodes, Definition = view.Cluster,
        };
    }

    private static HealthStatus StatusOf(IReadOnlyList<Fault> faults, IReadOnlyList<HealthCheck> checks, ObservationLevel level, NodeHealth[] nodes)
    {
        var own = StatusOf(faults, checks, level, observed: nodes.Any(n => n.Status != HealthStatus.Unknown));
        // what could not be told of one node is not well because another one is
        return own == HealthStatus.Healthy && nodes.Any(n => n.Status != HealthStatus.Healthy) ? HealthStatus.Degraded : own;
    }

    private static HealthStatus StatusOf(IEnumerable<Fault> faults, IReadOnlyList<HealthCheck> checks, ObservationLevel level, bool observed)
    {
        var worst = faults.Select(f => (FaultSeverity?)f.Severity).Min();
        if (worst <= FaultSeverity.Outage)
            return HealthStatus.Failed;
        if (!observed)
            return HealthStatus.Unknown;
        // a failed check without a fault of its own, such as a repository that cannot be read, needs attention too
        if (worst == FaultSeverity.Degraded || checks.Any(c => c.Verdict == CheckVerdict.Fail && c.Category != CheckCategory.Custom))
            return HealthStatus.Degraded;
        return checks.Any(c => c.Verdict == CheckVerdict.Unknown && HealthChecks.IsEssential(c.Name, level)) ? HealthStatus.Unknown : HealthStatus.Healthy;
    }
}
