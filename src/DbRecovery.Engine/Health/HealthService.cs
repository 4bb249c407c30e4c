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
    /// <summary>Whether earlier probes are remembered in memory, as a watch does: it begins with what the state folder knows, and writes there only that another node is primary.</summary>
    public bool KeepInMemory { get; init; }
    /// <summary>The time in which each node must be observed. A quick look at a server has the policy's <c>detectWithin</c>, if that is shorter.</summary>
    public TimeSpan NodeTimeout { get; init; } = TimeSpan.FromMinutes(10);
    /// <summary>The time in which the repository must answer; one that hangs, as a lost network disk does, counts as unreadable.</summary>
    public TimeSpan RepositoryTimeout { get; init; } = TimeSpan.FromSeconds(30);
    /// <summary>The time that it has in a quick look, which is about the nodes, and in any that finds no primary. What it says is unknown then.</summary>
    public TimeSpan QuickRepositoryTimeout { get; init; } = TimeSpan.FromSeconds(2);
    /// <summary>The time that an observer has beyond its deadline to end by itself.</summary>
    public TimeSpan Grace { get; init; } = TimeSpan.FromSeconds(5);
    /// <summary>The clock.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;

    /// <summary>A memory that another service has, too; null: its own.</summary>
    internal INodeHistory? Memory { get; init; }

    /// <summary>The looks at repositories that another service makes, too; null: its own.</summary>
    internal RepositoryLooks? Looks { get; init; }

    /// <summary>Whether somebody decides by what is known of backups; null: nobody says.</summary>
    internal bool? BackupsNeeded { get; init; }

    /// <summary>Is given each view as it is judged: what a recording is made of.</summary>
    internal Action<ClusterView>? Judged { get; init; }
}

/// <summary>
/// Observes a whole cluster, checks and judges it. A cluster is Failed with a fault that is an outage or puts data at risk,
/// Degraded with a lesser one or a failed check, Unknown where nothing could be observed, and else Healthy: a notice is told,
/// and does not change the state.
/// </summary>
public sealed partial class HealthService(HealthServiceOptions options) : IHealthService, IClusterJudge
{
    private readonly INodeHistory? _history = History(options);
    private readonly RepositoryLooks _looks = options.Looks ?? new RepositoryLooks(options.Clock, options.RepositoryTimeout);

    /// <summary>The same service with examinations that write nothing.</summary>
    public HealthService AsReadOnly() => new(options with { ReadOnly = true, Looks = _looks });

    /// <summary>A service of the same parts for a watch: what it learns from round to round stays in memory.</summary>
    public HealthService InMemory() => new(options with { KeepInMemory = true, Looks = _looks });

    /// <summary>A service that has the memory of this one, for the incidents of a watch: what its rounds proved, a look without them may not see.</summary>
    public HealthService Sharing() => new(options with { Memory = _history, Looks = _looks });

    /// <inheritdoc/>
    public IHealthService WithBackups(bool needed) => new HealthService(options with { BackupsNeeded = needed, Memory = options.KeepInMemory ? _history : options.Memory, Looks = _looks });

    /// <inheritdoc/>
    public async Task<HealthReport> ExamineAsync(ClusterDefinition cluster, ObservationLevel level, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var startedAt = options.Clock.GetUtcNow();
        var timestamp = options.Clock.GetTimestamp();
        var provider = options.Providers(cluster.Engine);
        var observer = provider.Require<INodeObserver>("health");
        var routes = LookAtRoutesAsync(cluster, level, cancellationToken);
        // only files are compared with their backup, and not in a quick look: all others need not wait for the repository before the nodes are looked at
        var compares = provider.Embedded && level != ObservationLevel.Quick;
        var knowing = options.BackupsNeeded == false && !compares
            ? Task.FromResult<BackupKnowledge?>(null)
            : KnowBackupsAsync(cluster, level == ObservationLevel.Quick && options.BackupsNeeded != true ? options.QuickRepositoryTimeout : options.RepositoryTimeout, cancellationToken);
        var content = compares ? await OpenNewestAsync(await knowing.ConfigureAwait(false), cancellationToken).ConfigureAwait(false) : null;
        var nodes = await Task.WhenAll(cluster.Nodes.Select(Look)).ConfigureAwait(false);
        // what the others say of a node that kept us waiting is now as old as that wait
        if (level == ObservationLevel.Quick && !provider.Embedded && nodes.Any(n => n.Reachability == Reachability.TimedOut))
            nodes = await Task.WhenAll(nodes.Select(n => n.Reachability == Reachability.Reachable ? Look(cluster.Node(n.Node)) : Task.FromResult(n))).ConfigureAwait(false);
        // what is waited for from here on, such as the repository, does not make the nodes' answers older
        var seenAt = options.Clock.GetUtcNow();
        await ReadEpochsAsync(cluster, nodes, level, cancellationToken).ConfigureAwait(false);
        var checks = await RunChecksAsync(cluster, nodes, cancellationToken).ConfigureAwait(false);
        // an outage is told at once: with a host its disks may be gone, which others have mounted. A replica that is down is none, and hides nothing about backups
        var hurries = !knowing.IsCompleted && options.BackupsNeeded != true && !provider.Embedded && nodes.Any(n => n.Reachability != Reachability.Reachable) && !nodes.Any(n => n.IsPrimary());
        var backups = hurries ? await KnowBackupsAsync(cluster, options.QuickRepositoryTimeout, cancellationToken).ConfigureAwait(false) : await knowing.ConfigureAwait(false);
        return Judge(new ClusterRound
        {
            Cluster = cluster, Nodes = nodes, Level = level, Backups = backups, SeenAt = seenAt, StartedAt = startedAt,
            Routes = await routes.ConfigureAwait(false), CustomChecks = checks, Duration = options.Clock.GetElapsedTime(timestamp),
        });

        Task<NodeObservation> Look(NodeDefinition node) => ObserveAsync(observer, new ObservationRequest
        {
            Cluster = cluster, Node = node, Level = level, LastBackup = content, Timeout = NodeTimeoutOf(cluster, level, provider.Embedded, node.Name),
        }, progress, cancellationToken);
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<RouteObservation>> LookAtRoutesAsync(ClusterDefinition cluster, ObservationLevel level, CancellationToken cancellationToken) =>
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
                .WaitAsync(request.Timeout + (request.Timeout < options.NodeTimeout ? Quantities.Least(options.Grace, request.Timeout / 2) : options.Grace), options.Clock, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            await ends.CancelAsync().ConfigureAwait(false);
            return Unseen(Reachability.TimedOut, new ObservedError(ErrorIds.TimedOut, $"no answer within {request.Timeout}", "observation"));
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
    public Task<BackupKnowledge?> KnowBackupsAsync(ClusterDefinition cluster, CancellationToken cancellationToken) => KnowBackupsAsync(cluster, options.RepositoryTimeout, cancellationToken);

    private async Task<BackupKnowledge?> KnowBackupsAsync(ClusterDefinition cluster, TimeSpan timeout, CancellationToken cancellationToken)
    {
        if (cluster.Backups is null || options.Backups is not { } backups)
            return null;
        var look = "";
        try
        {
            if (options.RepositoryOf(cluster) is not { } repository)
                return null;
            look = $"list {repository.Name} {repository.Path}";
            // of all clusters: those that share a repository need not read it one by one
            var found = await _looks.LookAsync(look, async token =>
            {
                var damaged = 0;
                var all = Directory.Exists(repository.Path)
                    ? await backups.ListAsync(repository, new BackupFilter { CompleteOnly = true }, _ => Interlocked.Increment(ref damaged), token).ConfigureAwait(false)
                    : null;
                return (All: all, Damaged: damaged);
            }, timeout, cancellationToken).ConfigureAwait(false);
            // a repository is made by its first backup, so a folder that is not there may be in order and may be a disk that is not mounted
            return found.All is not { } list ? new BackupKnowledge { Repository = repository.Name, MissingPath = repository.Path }
                : new BackupKnowledge { Repository = repository.Name, Complete = [.. list.Where(b => b.Cluster == cluster.Name).OrderByDescending(b => b.StartedAt)], Damaged = found.Damaged };
        }
        catch (TimeoutException)
        {
            // one that has no more than a moment may be slow and in order
            var late = timeout < options.RepositoryTimeout && !_looks.IsOverdue(look);
            return new BackupKnowledge
            {
                Repository = cluster.Backups.Repository, Late = late,
                Unreadable = FormattableString.Invariant($"the repository did not answer within {(late ? timeout : options.RepositoryTimeout).TotalSeconds:0.###} s{(late ? ", and was not waited for any longer" : "")}"),
            };
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
            return await _looks.LookAsync($"open {backups.Repository} {newest.Id}", token => options.Backups!.OpenAsync(newest, token), options.RepositoryTimeout, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is DbRecoveryException or IOException or UnauthorizedAccessException or TimeoutException)
        {
            return null;
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
}
