using DbRecovery.Engine.Health;

namespace DbRecovery.Engine.Watch;

/// <summary>
/// The looks of a cluster that are not made in every round: what reads the data, the backups, the checks of the user's own. Each has its
/// own pace and may take as long as it takes; a round uses what the last one gave.
/// </summary>
/// <param name="cluster">The cluster.</param>
/// <param name="services">What the watch works with.</param>
/// <param name="options">The paces.</param>
/// <param name="turns">The turns of all clusters for looks that read data.</param>
/// <param name="changed">Is called after each look.</param>
internal sealed class SideLooks(ClusterDefinition cluster, WatchServices services, WatchOptions options, SemaphoreSlim turns, Action changed)
{
    /// <summary>A look that takes long is made less often: it never takes more than this part of the time.</summary>
    private const int Share = 20;
    // a timer bears no more than 49 days
    private static readonly TimeSpan s_longest = TimeSpan.FromDays(30);
    private static readonly string[] s_added = ["backup.", "probe.", "peers.", "primary.", "replication.", "node."];
    private readonly object _gate = new();
    private readonly HashSet<string> _light = new(StringComparer.Ordinal);
    private Dictionary<string, (NodeRole Role, IReadOnlyList<Fact> Facts)> _slow = new(StringComparer.Ordinal);
    private BackupKnowledge? _backups;
    private IReadOnlyList<CustomCheckResult> _checks = [];
    private readonly Call _data = new();
    private readonly Call _ways = new();
    private IReadOnlyList<RouteObservation> _routes = [];
    private int _routesOf;

    /// <summary>What the last looks gave.</summary>
    public (BackupKnowledge? Backups, IReadOnlyList<RouteObservation> Routes, IReadOnlyList<CustomCheckResult> Checks) Known
    {
        get
        {
            lock (_gate)
                return (_backups, _routes, _checks);
        }
    }

    /// <summary>Asks for a look at the data now: something was done to it.</summary>
    public void Want() => _data.Make();

    /// <summary>Forgets where the routes led, and asks for a look: another node is primary than when they were looked at.</summary>
    public void ForgetRoutes()
    {
        lock (_gate)
            (_routes, _routesOf) = ([], _routesOf + 1);
        _ways.Make();
    }

    /// <summary>How deep a look must be to see a fault again: what a light look does not show needs a longer one.</summary>
    public ObservationLevel LevelOf(Fault fault)
    {
        lock (_gate)
            return fault.Evidence.Any(e => _slow.TryGetValue(e.Node, out var slow) && !_light.Contains(e.Fact) && slow.Facts.Any(f => f.Name == e.Fact)) ? ObservationLevel.Standard : ObservationLevel.Quick;
    }

    /// <summary>
    /// An observation with what only a slower look shows, as the last one showed it. What a light look shows as well is never taken from an
    /// older one: that it is unknown now may be the very news. A node that does not answer, or has another part now, has nothing added.
    /// </summary>
    public NodeObservation Complete(NodeObservation seen)
    {
        lock (_gate)
        {
            if (!_slow.TryGetValue(seen.Node, out var slow))
            {
                _light.UnionWith(seen.Facts.Where(f => f.Value is not null).Select(f => f.Name));
                return seen;
            }
            if (seen.Reachability != Reachability.Reachable || seen.Role != slow.Role)
                return seen;
            _light.UnionWith(slow.Facts.Where(f => seen.Facts.Find(f.Name)?.Value is not null).Select(f => f.Name));
            var added = slow.Facts.Where(f => !_light.Contains(f.Name)).ToList();
            return added.Count == 0 ? seen : seen with { Facts = new FactSet(seen.Facts.Concat(added)) };
        }
    }

    /// <summary>Looks until it is cancelled. It throws nothing but what a cancellation throws.</summary>
    /// <param name="observations">The latest observation of each node.</param>
    /// <param name="failed">Gets what could not be done, such as a library that is missing.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public Task RunAsync(Func<IReadOnlyList<NodeObservation>> observations, Action<Exception> failed, CancellationToken cancellationToken)
    {
        var loops = new List<Task> { LoopAsync(options.StandardEvery, StandardAsync, _data, turns) };
        if (cluster.Backups is not null)
            loops.Add(LoopAsync(options.BackupsEvery, BackupsAsync, null));
        if (cluster.Routes.Count > 0)
            loops.Add(LoopAsync(options.RoutesEvery, RoutesAsync, _ways));
        if (cluster.Checks.Count > 0)
            loops.Add(LoopAsync(options.ChecksEvery, token => ChecksAsync(observations(), token), null));
        return Task.WhenAll(loops);

        async Task LoopAsync(TimeSpan every, Func<CancellationToken, Task> look, Call? call, SemaphoreSlim? limit = null)
        {
            while (true)
            {
                if (limit is not null)
                    await limit.WaitAsync(cancellationToken).ConfigureAwait(false);
                var began = services.Clock.GetTimestamp();
                // before the look: a call that comes while it is under way asks for another one
                call?.Renew();
                try
                {
                    await Task.Run(() => look(cancellationToken), cancellationToken).ConfigureAwait(false);
                    changed();
                }
                catch (Exception e) when (!cancellationToken.IsCancellationRequested)
                {
                    failed(e);
                }
                finally
                {
                    limit?.Release();
                }
                var took = services.Clock.GetElapsedTime(began) * Share;
                await PauseAsync(Quantities.Least(Quantities.Most(took, every), s_longest), call, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private async Task PauseAsync(TimeSpan pause, Call? call, CancellationToken cancellationToken)
    {
        using var ends = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var delay = Task.Delay(pause, services.Clock, ends.Token);
        if (call is null || await Task.WhenAny(delay, call.Made).ConfigureAwait(false) == delay)
        {
            await delay.ConfigureAwait(false);
            return;
        }
        await ends.CancelAsync().ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
    }

    private async Task StandardAsync(CancellationToken cancellationToken)
    {
        // backups have a look of their own
        var report = await services.Health.WithBackups(needed: false).ExamineAsync(cluster, ObservationLevel.Standard, null, cancellationToken).ConfigureAwait(false);
        var slow = report.Observations.Where(o => o.Reachability == Reachability.Reachable)
            .ToDictionary(o => o.Node, o => (o.Role, (IReadOnlyList<Fact>)[.. o.Facts.Where(f => f.Value is not null && !IsAdded(f.Name))]), StringComparer.Ordinal);
        lock (_gate)
            _slow = slow;
    }

    // what the core adds is judged anew in every round
    private static bool IsAdded(string fact) => s_added.Any(prefix => fact.StartsWith(prefix, StringComparison.Ordinal));

    private async Task RoutesAsync(CancellationToken cancellationToken)
    {
        int of;
        lock (_gate)
            of = _routesOf;
        var routes = await services.Judge.LookAtRoutesAsync(cluster, ObservationLevel.Quick, cancellationToken).ConfigureAwait(false);
        lock (_gate)
            _routes = of == _routesOf ? routes : _routes;
    }

    private async Task BackupsAsync(CancellationToken cancellationToken)
    {
        var known = await services.Judge.KnowBackupsAsync(cluster, cancellationToken).ConfigureAwait(false);
        lock (_gate)
            _backups = known;
    }

    private async Task ChecksAsync(IReadOnlyList<NodeObservation> nodes, CancellationToken cancellationToken)
    {
        var results = await services.Judge.RunChecksAsync(cluster, nodes, cancellationToken).ConfigureAwait(false);
        lock (_gate)
            _checks = results;
    }

    /// <summary>A wish for a look before its time.</summary>
    private sealed class Call
    {
        private TaskCompletionSource _made = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Made => Volatile.Read(ref _made).Task;

        public void Make() => Volatile.Read(ref _made).TrySetResult();

        public void Renew()
        {
            if (Made.IsCompleted)
                Volatile.Write(ref _made, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        }
    }
}
