using DbRecovery.Engine.Backups;
using DbRecovery.Engine.Faults;

namespace DbRecovery.Engine.Health;

/// <summary>What a health service works with.</summary>
public sealed record HealthServiceOptions
{
    /// <summary>Gives the database of an engine.</summary>
    public required Func<string, IDatabaseProvider> Providers { get; init; }
    /// <summary>Backups; null: nothing is known of any.</summary>
    public IBackupService? Backups { get; init; }
    /// <summary>The repository of a cluster; null where none is configured.</summary>
    public Func<ClusterDefinition, RepositoryDefinition?> RepositoryOf { get; init; } = _ => null;
    /// <summary>Looks where routes lead; null: nobody does.</summary>
    public IRouteObserver? Routes { get; init; }
    /// <summary>The time in which a cluster's routes must answer.</summary>
    public TimeSpan RouteTimeout { get; init; } = TimeSpan.FromSeconds(2);
    /// <summary>The folder in which earlier probes are remembered; null: nothing is remembered.</summary>
    public string? StateFolder { get; init; }
    /// <summary>Whether an examination may write nothing at all: what is remembered is read and not added to.</summary>
    public bool ReadOnly { get; init; }
    /// <summary>The time in which each node must be observed.</summary>
    public TimeSpan NodeTimeout { get; init; } = TimeSpan.FromMinutes(10);
    /// <summary>The time in which the repository must answer; one that hangs, as a lost network disk does, counts as unreadable.</summary>
    public TimeSpan RepositoryTimeout { get; init; } = TimeSpan.FromSeconds(30);
    /// <summary>The time that an observer has beyond its deadline to end by itself.</summary>
    public TimeSpan Grace { get; init; } = TimeSpan.FromSeconds(5);
    /// <summary>The clock.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;
}

/// <summary>
/// Observes a whole cluster, checks and judges it. A cluster is Failed with a fault that is an outage or puts data at risk,
/// Degraded with a lesser one or a failed check, Unknown where nothing could be observed, and else Healthy: a notice is told,
/// and does not change the state.
/// </summary>
public sealed class HealthService(HealthServiceOptions options) : IHealthService, IClusterJudge
{
    private readonly ProbeHistory? _history = options.StateFolder is null ? null : new ProbeHistory(options.StateFolder);

    /// <summary>The same service with examinations that write nothing.</summary>
    public HealthService AsReadOnly() => new(options with { ReadOnly = true });

    /// <inheritdoc/>
    public async Task<HealthReport> ExamineAsync(ClusterDefinition cluster, ObservationLevel level, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var startedAt = options.Clock.GetUtcNow();
        var timestamp = options.Clock.GetTimestamp();
        var provider = options.Providers(cluster.Engine);
        var observer = provider.Require<INodeObserver>("health");
        var routes = LookAtRoutesAsync(cluster, level, cancellationToken);
        // a quick look compares nothing, so the repository and the nodes are looked at side by side
        var knowing = Task.Run(() => KnowBackupsAsync(cluster, cancellationToken), cancellationToken);
        var content = level == ObservationLevel.Quick ? null : await OpenNewestAsync(await knowing.ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
        var nodes = await Task.WhenAll(cluster.Nodes.Select(node => ObserveAsync(observer, new ObservationRequest
        {
            Cluster = cluster, Node = node, Level = level, LastBackup = content, Timeout = options.NodeTimeout,
        }, progress, cancellationToken))).ConfigureAwait(false);
        return Judge(new ClusterRound
        {
            Cluster = cluster, Nodes = nodes, Level = level, Backups = await knowing.ConfigureAwait(false), StartedAt = startedAt,
            Routes = await routes.ConfigureAwait(false), CustomChecks = await RunChecksAsync(cluster, nodes, cancellationToken).ConfigureAwait(false), Duration = options.Clock.GetElapsedTime(timestamp),
        });
    }

    /// <inheritdoc/>
    public HealthReport Judge(ClusterRound round)
    {
        var cluster = round.Cluster;
        var memory = Recall(cluster);
        foreach (var node in round.Nodes)
            AddFacts(cluster, node, round.Backups, memory.GetValueOrDefault(node.Node));
        var view = new ClusterView
        {
            Cluster = cluster, At = options.Clock.GetUtcNow(), Nodes = round.Nodes, Backups = round.Backups, Memory = memory, CustomChecks = round.CustomChecks,
            Routes = [.. round.Routes.Select(r => RouteTargets.Resolve(r, round.Nodes))],
        };
        var faults = FaultClassifier.Classify(view);
        Remember(view, faults);
        return Report(view, faults, round.Level, round.StartedAt, round.Duration);
    }

    private Task<IReadOnlyList<RouteObservation>> LookAtRoutesAsync(ClusterDefinition cluster, ObservationLevel level, CancellationToken cancellationToken) =>
        options.Routes is null || cluster.Routes.Count == 0
            ? Task.FromResult<IReadOnlyList<RouteObservation>>([])
            : options.Routes.LookAsync(cluster, level, options.RouteTimeout, cancellationToken);

    private async Task<NodeObservation> ObserveAsync(INodeObserver observer, ObservationRequest request, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var startedAt = options.Clock.GetUtcNow();
        using var ends = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        try
        {
            return await Task.Run(() => observer.ObserveAsync(request, progress, ends.Token), ends.Token)
                .WaitAsync(options.NodeTimeout + options.Grace, options.Clock, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            await ends.CancelAsync().ConfigureAwait(false);
            return Unseen(Reachability.TimedOut, new ObservedError(ErrorIds.TimedOut, $"no answer within {options.NodeTimeout}", "observation"));
        }
        catch (Exception e) when (e is not OperationCanceledException and not DbRecoveryException { Kind: ErrorKind.MissingDependency })
        {
            // the other nodes' evidence must not be lost with this one
            return Unseen(Reachability.TimedOut, new ObservedError((e as DbRecoveryException)?.Id ?? ErrorIds.Unexpected, e.Message, "observation"));
        }

        NodeObservation Unseen(Reachability how, ObservedError error) => new()
        {
            Node = request.Node.Name, ObservedAt = startedAt, Duration = options.Clock.GetUtcNow() - startedAt, Level = request.Level, Reachability = how, Errors = [error],
        };
    }

    /// <inheritdoc/>
    public async Task<BackupKnowledge?> KnowBackupsAsync(ClusterDefinition cluster, CancellationToken cancellationToken)
    {
        if (cluster.Backups is null || options.Backups is null)
            return null;
        try
        {
            if (options.RepositoryOf(cluster) is not { } repository)
                return null;
            var damaged = 0;
            var list = await InTimeAsync(async token => Directory.Exists(repository.Path)
                ? await options.Backups.ListAsync(repository, new BackupFilter { Cluster = cluster.Name, CompleteOnly = true }, _ => Interlocked.Increment(ref damaged), token).ConfigureAwait(false)
                : null, cancellationToken).ConfigureAwait(false);
            // a repository is made by its first backup, so a folder that is not there may be in order and may be a disk that is not mounted
            return list is null ? new BackupKnowledge { Repository = repository.Name, MissingPath = repository.Path } : new BackupKnowledge { Repository = repository.Name, Complete = list.OrderByDescending(b => b.StartedAt).ToArray(), Damaged = damaged };
        }
        catch (TimeoutException)
        {
            return new BackupKnowledge { Repository = cluster.Backups.Repository, Unreadable = $"the repository did not answer within {options.RepositoryTimeout}" };
        }
        catch (Exception e) when (e is DbRecoveryException or IOException or UnauthorizedAccessException)
        {
            return new BackupKnowledge { Repository = cluster.Backups.Repository, Unreadable = $"the repository cannot be read: {e.Message}" };
        }
    }

    private async Task<IBackupContent?> OpenNewestAsync(BackupKnowledge? backups, CancellationToken cancellationToken)
    {
        if (backups?.Newest is not { } newest)
            return null;
        try
        {
            return await InTimeAsync(token => options.Backups!.OpenAsync(newest, token), cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is DbRecoveryException or IOException or UnauthorizedAccessException or TimeoutException)
        {
            return null;
        }
    }

    // a call into a file system that hangs cannot be cancelled: it is left to itself
    private async Task<T> InTimeAsync<T>(Func<CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        using var ends = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        try
        {
            return await Task.Run(() => work(ends.Token), ends.Token).WaitAsync(options.RepositoryTimeout, options.Clock, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            await ends.CancelAsync().ConfigureAwait(false);
            throw;
        }
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
        var because = backups is null ? "no repository is configured for the cluster" : backups.Unknown;
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

    /// <inheritdoc/>
    public async Task<IReadOnlyList<CustomCheckResult>> RunChecksAsync(ClusterDefinition cluster, IReadOnlyList<NodeObservation> nodes, CancellationToken cancellationToken)
    {
        if (cluster.Checks.Count == 0)
            return [];
        var provider = options.Providers(cluster.Engine);
        var results = new List<CustomCheckResult>();
        // a replica's answer may be behind: the query is asked where writes go
        foreach (var node in nodes.Where(n => n.Role != NodeRole.Replica))
        {
            foreach (var check in cluster.Checks)
                results.Add(await RunAsync(check, node).ConfigureAwait(false));
        }
        return results;

        async Task<CustomCheckResult> RunAsync(CustomCheck check, NodeObservation node)
        {
            if (node.Reachability != Reachability.Reachable)
                return new(check, node.Node, null, $"the node is {node.Reachability}");
            try
            {
                var session = provider.Require<ISqlSession>($"check {check.Name}");
                var result = await session.ExecuteAsync(cluster, cluster.Node(node.Node), check.Query, readOnly: true, check.Timeout, cancellationToken).ConfigureAwait(false);
                return new(check, node.Node, result.Value, result.Value is null ? "the query gave no value" : null);
            }
            catch (DbRecoveryException e)
            {
                return new(check, node.Node, null, e.Message);
            }
        }
    }

    private Dictionary<string, NodeMemory> Recall(ClusterDefinition cluster) => _history is null
        ? []
        : cluster.Nodes.Select(n => (n.Name, Memory: _history.Read(cluster.Name, n.Name))).Where(n => n.Memory is not null)
            .ToDictionary(n => n.Name, n => n.Memory!, StringComparer.Ordinal);

    private void Remember(ClusterView view, IReadOnlyList<Fault> faults)
    {
        if (options.ReadOnly || _history is null)
            return;
        foreach (var node in view.Nodes.Where(n => n.Reachability == Reachability.Reachable))
        {
            // what was seen in trouble is not what the node is like; a slow round alone is learnt, for the median bears it and follows a lasting change
            if (node.Facts.Int(SqliteFacts.OpenError) is not (null or 0) || faults.Any(f => f.Node == node.Node && f.Id != "perf.latency" && f.Severity <= FaultSeverity.Degraded))
                continue;
            var memory = view.Memory.GetValueOrDefault(node.Node) ?? new NodeMemory();
            IEnumerable<double> latencies = memory.Latencies;
            if (node.Facts.Number(CommonFacts.ProbeLatency) is { } latency)
                latencies = latencies.Append(latency).TakeLast(NodeMemory.MostSamples);
            _history.Write(view.Cluster.Name, node.Node, new NodeMemory
            {
                LastSeenAt = node.ObservedAt, LastSize = node.Facts.Int(CommonFacts.DataSize) ?? node.Facts.Int(SqliteFacts.FileSize), Latencies = latencies.ToArray(),
            });
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
                Status = StatusOf(faults.Where(f => f.Node == node.Node), checks, level, node.Reachability != Reachability.TimedOut),
            };
        }).ToArray();
        var clusterChecks = HealthChecks.OfCluster(view);
        return new HealthReport
        {
            Cluster = view.Cluster.Name, Engine = view.Cluster.Engine, ObservedAt = startedAt, Duration = duration, Level = level, Nodes = nodes,
            Checks = [.. nodes.SelectMany(n => n.Checks), .. clusterChecks], Status = StatusOf(faults, clusterChecks, level, nodes),
            Faults = faults, Routes = view.Routes, Observations = view.Nodes, Definition = view.Cluster,
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
