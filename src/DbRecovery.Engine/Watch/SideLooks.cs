using DbRecovery.Engine.Health;

namespace DbRecovery.Engine.Watch;

/// <summary>
/// The looks of a cluster that are not made in every round: what reads the data, the backups, the checks of the user's own. Each has its
/// own pace and may take as long as it takes; a round uses what the last one gave.
/// </summary>
internal sealed class SideLooks(ClusterDefinition cluster, WatchServices services, WatchOptions options, Action changed)
{
    /// <summary>A look that takes long is made less often: it never takes more than this part of the time.</summary>
    private const int Share = 20;
    private static readonly string[] s_added = ["backup.", "probe.", "peers.", "primary.", "replication.", "node."];
    private readonly object _gate = new();
    private readonly HashSet<string> _light = new(StringComparer.Ordinal);
    private Dictionary<string, (NodeRole Role, IReadOnlyList<Fact> Facts)> _slow = new(StringComparer.Ordinal);
    private BackupKnowledge? _backups;
    private IReadOnlyList<CustomCheckResult> _checks = [];
    private TaskCompletionSource _wanted = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>What the last looks gave.</summary>
    public (BackupKnowledge? Backups, IReadOnlyList<CustomCheckResult> Checks) Known
    {
        get
        {
            lock (_gate)
                return (_backups, _checks);
        }
    }

    /// <summary>Asks for a look at the data now: something was done to it.</summary>
    public void Want() => Volatile.Read(ref _wanted).TrySetResult();

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
        var loops = new List<Task> { LoopAsync(options.StandardEvery, StandardAsync, wanted: true) };
        if (cluster.Backups is not null)
            loops.Add(LoopAsync(options.BackupsEvery, BackupsAsync, wanted: false));
        if (cluster.Checks.Count > 0)
            loops.Add(LoopAsync(options.ChecksEvery, token => ChecksAsync(observations(), token), wanted: false));
        return Task.WhenAll(loops);

        async Task LoopAsync(TimeSpan every, Func<CancellationToken, Task> look, bool wanted)
        {
            while (true)
            {
                var began = services.Clock.GetTimestamp();
                try
                {
                    await Task.Run(() => look(cancellationToken), cancellationToken).ConfigureAwait(false);
                    changed();
                }
                catch (Exception e) when (!cancellationToken.IsCancellationRequested)
                {
                    failed(e);
                }
                var took = services.Clock.GetElapsedTime(began) * Share;
                await PauseAsync(took > every ? took : every, wanted, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private async Task PauseAsync(TimeSpan pause, bool wanted, CancellationToken cancellationToken)
    {
        using var ends = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var delay = Task.Delay(pause, services.Clock, ends.Token);
        if (wanted && await Task.WhenAny(delay, Volatile.Read(ref _wanted).Task).ConfigureAwait(false) != delay)
        {
            Volatile.Write(ref _wanted, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
            await ends.CancelAsync().ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
            return;
        }
        await delay.ConfigureAwait(false);
    }

    private async Task StandardAsync(CancellationToken cancellationToken)
    {
        var report = await services.Health.ExamineAsync(cluster, ObservationLevel.Standard, null, cancellationToken).ConfigureAwait(false);
        var slow = report.Observations.Where(o => o.Reachability == Reachability.Reachable)
            .ToDictionary(o => o.Node, o => (o.Role, (IReadOnlyList<Fact>)[.. o.Facts.Where(f => f.Value is not null && !IsAdded(f.Name))]), StringComparer.Ordinal);
        lock (_gate)
            _slow = slow;
    }

    // what the core adds is judged anew in every round
    private static bool IsAdded(string fact) => s_added.Any(prefix => fact.StartsWith(prefix, StringComparison.Ordinal));

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
}
