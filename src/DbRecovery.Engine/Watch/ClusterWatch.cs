using DbRecovery.Engine.Health;

namespace DbRecovery.Engine.Watch;

/// <summary>
/// Watches one cluster: looks at each node at its own pace, judges the cluster as a whole whenever that gave something new, tells what
/// changed and hands what is certain to the recovery. A node that is slow delays nobody: rounds use the latest look at each node, and one
/// that is too old to say anything of now counts as no answer. When a connection breaks a round follows at once, and while a fault waits for
/// its confirmation the next ones follow each other without a pause.
/// </summary>
internal sealed class ClusterWatch : IDisposable
{
    /// <summary>The pause between rounds that are to confirm something.</summary>
    internal static readonly TimeSpan Hurry = TimeSpan.FromMilliseconds(15);
    /// <summary>How long a round waits for its slower nodes before it is judged without them.</summary>
    internal static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan Second = TimeSpan.FromMilliseconds(200);
    private const int MostHurried = 10;
    private const int MostBroken = 5;
    private static readonly TimeSpan LeastGap = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ClockSet = TimeSpan.FromSeconds(2);
    private readonly ClusterDefinition _cluster;
    private readonly WatchServices _services;
    private readonly TimeProvider _clock;
    private readonly TimeSpan _poll;
    private readonly Confirmation _confirmation;
    private readonly ChangeTeller _teller;
    private readonly SideLooks _side;
    private readonly RecoveryDriver? _recovery;
    private readonly Wake _wake;
    private readonly NodeWatch[] _nodes;
    private readonly long[] _judged;
    private readonly CancellationToken _stopping;
    private RouteState? _state;
    private string? _trouble;
    private string? _primary;
    private DateTimeOffset _roundAt;
    private long _roundBegun;
    private long _nextRound;
    private long _freshFrom;
    private int _hurried;
    private int _broken;
    private bool _event;
    private bool _waits;
    private volatile bool _sideNews;
    private volatile bool _begun;

    public ClusterWatch(ClusterDefinition cluster, WatchServices services, WatchOptions options, SemaphoreSlim slow, Action<WatchEvent> tell, CancellationToken stopping)
    {
        (_cluster, _services, _clock, _stopping) = (cluster, services, services.Clock, stopping);
        var provider = services.Providers(cluster.Engine);
        var observer = provider.Require<INodeObserver>("watch");
        var events = provider.TryGet<INodeEvents>(out var told) ? told : null;
        var wished = options.Every ?? cluster.Policy.Poll;
        _poll = Quantities.Most(wished, WatchOptions.ShortestEvery);
        var rounds = Math.Max(1, cluster.Policy.Confirmations);
        _wake = new Wake(_clock, stopping);
        // as many looks without an answer as must agree fit into the time in which a silent node must be called down
        var deadline = provider.Embedded ? TimeSpan.FromSeconds(30) : cluster.Policy.DetectWithin / rounds;
        _nodes = [.. cluster.Nodes.Select(n => new NodeWatch(cluster, n, observer, events, Quantities.Most(deadline, WatchOptions.ShortestEvery), _clock, _wake.Call, stopping))];
        _judged = new long[_nodes.Length];
        _confirmation = new Confirmation(rounds);
        _teller = new ChangeTeller(cluster, rounds, _clock, tell);
        _side = new SideLooks(cluster, services, options, slow, SideChanged);
        _recovery = options.Recover && services is { Incidents: { } incidents, Runbooks: { } runbooks }
            ? new RecoveryDriver(cluster, incidents, runbooks, _clock, _teller.Tell, _side.LevelOf, RecoveryEnded, stopping)
            : null;
    }

    /// <summary>The cluster.</summary>
    public ClusterDefinition Cluster => _cluster;

    /// <summary>What load balancers may be told; null before the first round.</summary>
    public RouteState? State => Volatile.Read(ref _state);

    /// <summary>Whether its loop waits for time to pass; for tests whose clock must not outrun it.</summary>
    internal bool IsAsleep => !_begun || _wake.IsAsleep;

    /// <summary>The nodes that are being looked at.</summary>
    internal IEnumerable<string> Looking => _nodes.Where(n => n.IsLooking).Select(n => n.Node.Name);

    /// <summary>The age past which a look says nothing of now: two polls and the time that a look may take.</summary>
    public TimeSpan MostAge => _poll * 2 + _nodes[0].Deadline;

    /// <summary>Watches until it is stopped; ends when a recovery under way has come to a safe point.</summary>
    /// <param name="after">The time before the first round.</param>
    public async Task RunAsync(TimeSpan after)
    {
        var side = _side.RunAsync(() => [.. _nodes.Select(n => n.Latest?.Observation).OfType<NodeObservation>()], e => Trouble("a slower look failed", e), _stopping);
        if (after > TimeSpan.Zero)
            await Task.Delay(after, _clock, _stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _recovery?.Begin();
        _nextRound = _clock.GetTimestamp();
        var (lastUtc, last, due) = (_clock.GetUtcNow(), _nextRound, TimeSpan.Zero);
        _begun = true;
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                CheckClocks(ref lastUtc, ref last, due);
                await TurnAsync().ConfigureAwait(false);
                due = NextIn();
            }
            catch (Exception e) when (!_stopping.IsCancellationRequested)
            {
                // a defect here is told, and the watch goes on at its own pace
                Trouble($"unforeseen {e.GetType().Name}", e);
                due = _poll;
            }
            catch (OperationCanceledException)
            {
                break;
            }
            await _wake.SleepAsync(due).ConfigureAwait(false);
        }
        if (_recovery is not null)
            await _recovery.EndAsync().ConfigureAwait(false);
        await Task.WhenAll(_nodes.Select(n => n.EndAsync(TimeSpan.FromSeconds(2)))).ConfigureAwait(false);
        await side.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public void Dispose() => _wake.Dispose();

    private async Task TurnAsync()
    {
        foreach (var node in _nodes)
            node.CountOverdue();
        // a connection that breaks again and again in one interval does not make this a busy loop
        if (_nodes.Count(n => n.TakeBroken()) is > 0 and var broken && (_broken += broken) <= MostBroken)
            HurryUp();
        if (IsDue(_nextRound))
            BeginRound();
        if (IsWorthJudging())
            await JudgeAsync().ConfigureAwait(false);
    }

    private void BeginRound()
    {
        var first = _roundAt == default;
        (_roundAt, _roundBegun) = (_clock.GetUtcNow(), _clock.GetTimestamp());
        if (_hurried > 0)
            _hurried--;
        else
            (_broken, _event) = (0, false);
        foreach (var node in _nodes)
            node.Begin();
        // how fast a primary writes, and so what it loses, is known from two looks: the second one of a watch does not keep people waiting for it
        _nextRound = After(first ? Quantities.Least(Second, _poll) : _poll);
    }

    private bool IsWorthJudging()
    {
        var fresh = Enumerable.Range(0, _nodes.Length).Where(i => _nodes[i].Latest is { } l && l.Sequence > _judged[i]).ToList();
        if (fresh.Count == 0)
            return _sideNews && _nodes.All(n => n.Latest is not null);
        return _nodes.All(n => !n.IsLooking) || _clock.GetElapsedTime(_roundBegun) >= Patience || fresh.Exists(i => _nodes[i].Latest!.Value.Observation.Reachability != Reachability.Reachable);
    }

    private async Task JudgeAsync()
    {
        _sideNews = false;
        // before every node was looked at once, what is missing would be taken for an outage
        var latest = _nodes.Select(n => n.Latest).ToList();
        for (var i = 0; i < _nodes.Length; i++)
            _judged[i] = latest[i]?.Sequence ?? 0;
        if (latest.Contains(null))
            return;
        try
        {
            var seen = latest.Select(l => (Seen: Current(l!.Value.Observation, l.Value.Begun), Look: l.Value.Sequence)).ToList();
            var nodes = seen.Select(s => s.Seen).ToList();
            RememberPrimary(nodes);
            await _services.Judge.ReadEpochsAsync(_cluster, nodes, ObservationLevel.Quick, _stopping).ConfigureAwait(false);
            var (backups, routes, checks) = _side.Known;
            var report = _services.Judge.Judge(new ClusterRound
            {
                Cluster = _cluster, Nodes = nodes, Level = ObservationLevel.Quick, Backups = backups, Routes = routes, CustomChecks = checks,
                StartedAt = _roundAt, Duration = _clock.GetElapsedTime(_roundBegun),
            });
            Volatile.Write(ref _state, RouteState.Of(report, [.. latest.Select(l => l!.Value.Begun)]));
            Conclude(report, seen);
            _trouble = null;
        }
        catch (Exception e) when (!_stopping.IsCancellationRequested)
        {
            // one rule that fails on one state must not end the watch of it
            Volatile.Write(ref _state, null);
            Trouble("the round could not be judged", e);
        }
    }

    private void RememberPrimary(List<NodeObservation> nodes)
    {
        var primaries = nodes.Where(n => n.Role == NodeRole.Primary).Select(n => n.Node).ToList();
        if (primaries.Count != 1 || primaries[0] == _primary)
            return;
        if (_primary is not null)
            _side.ForgetRoutes();
        _primary = primaries[0];
    }

    private void Conclude(HealthReport report, IReadOnlyList<(NodeObservation Seen, long Look)> seen)
    {
        var timedOut = report.Observations.Where(o => o.Reachability == Reachability.TimedOut).Select(o => o.Node).ToHashSet(StringComparer.Ordinal);
        // where nothing answers, a fault that is not seen has not gone
        var blind = report.Observations.All(o => o.Reachability is Reachability.TimedOut) || report.Faults.Any(f => f.Id == "net.watcher-isolated");
        var news = _confirmation.Take(report.Faults, seen.ToDictionary(s => s.Seen.Node, s => s.Look, StringComparer.Ordinal), timedOut, blind);
        var status = _teller.Status;
        _teller.Take(seen, report.Status, news);
        _recovery?.Consider(news, report);
        PaceAfter(news, timedOut);
        if (status == HealthStatus.Failed && _teller.Status is HealthStatus.Healthy or HealthStatus.Degraded && status != _teller.Status)
            _side.Want();
    }

    private void PaceAfter(FaultChanges news, HashSet<string> timedOut)
    {
        // a primary that is silent is taken to be cut off from us alone until the others have lost it, too: the looks that tell are not put off for that
        var grave = news.Pending.Where(f => f.Severity <= FaultSeverity.Outage || (f.Node is { } node && node == _primary && timedOut.Contains(node))).ToList();
        if (grave.Count > 0 && !_waits)
            _hurried = MostHurried;
        else if (grave.Count == 0 && !_event)
            _hurried = 0;
        _waits = grave.Count > 0;
        // a further round tells nothing before the nodes that it is about have answered the last one
        if (_hurried > 0 && (grave.Count == 0 || grave.Exists(f => Confirmation.NodesOf(f, _nodes.Select(n => n.Node.Name)).All(name => !Array.Find(_nodes, n => n.Node.Name == name)!.IsLooking))))
            _nextRound = Math.Min(_nextRound, After(Hurry));
    }

    /// <summary>A look as it counts now: with what slower looks know, or as no answer where it is too old. A silence that goes on is the silence that it was.</summary>
    private NodeObservation Current(NodeObservation seen, long begun)
    {
        var age = _clock.GetElapsedTime(begun);
        if (begun >= _freshFrom && (age <= MostAge || seen.Reachability == Reachability.TimedOut))
            return _side.Complete(seen);
        return seen with
        {
            Reachability = Reachability.TimedOut, Role = NodeRole.Unknown, Upstream = null, Downstreams = [], Slots = [], Facts = new FactSet(), Position = null,
            Errors = [new ObservedError("stale", $"nothing was heard for {age.TotalSeconds:0.#} s", "observation")],
        };
    }

    private void CheckClocks(ref DateTimeOffset lastUtc, ref long last, TimeSpan due)
    {
        var (utc, now) = (_clock.GetUtcNow(), _clock.GetTimestamp());
        var passed = _clock.GetElapsedTime(last, now);
        var gap = passed - due;
        var set = utc - lastUtc - passed;
        (lastUtc, last) = (utc, now);
        var slept = gap > Quantities.Most(_poll * 3, LeastGap);
        if (!slept && set.Duration() < ClockSet)
            return;
        // what was seen before says nothing of now, and rounds from before and after do not agree with each other
        _freshFrom = now;
        _confirmation.Restart();
        _nextRound = now;
        _teller.Tell(WatchEventKind.Watcher, null, slept ? $"the watch itself stood still for {passed.TotalSeconds:0.#} s; every confirmation begins anew"
            : $"the clock was set by {set.TotalSeconds:0.#} s, or the machine slept; every confirmation begins anew");
    }

    private TimeSpan NextIn()
    {
        var next = _clock.GetElapsedTime(_clock.GetTimestamp(), _nextRound);
        for (var i = 0; i < _nodes.Length; i++)
        {
            if (_nodes[i].DueIn is { } overdue && overdue < next)
                next = overdue;
            if (_nodes[i].Latest is { } l && l.Sequence > _judged[i] && Patience - _clock.GetElapsedTime(_roundBegun) is var patience && patience < next)
                next = patience;
        }
        return next;
    }

    private void HurryUp()
    {
        (_hurried, _event) = (MostHurried, true);
        _nextRound = _clock.GetTimestamp();
    }

    private void SideChanged()
    {
        _sideNews = true;
        _wake.Call();
    }

    private void RecoveryEnded()
    {
        _side.Want();
        _wake.Call();
    }

    private void Trouble(string what, Exception error)
    {
        // once, however often it comes
        if (_trouble == error.Message)
            return;
        _trouble = error.Message;
        _teller.Tell(WatchEventKind.Watcher, null, $"{what}: {error.Message}");
    }

    private bool IsDue(long at) => _clock.GetTimestamp() >= at;

    private long After(TimeSpan time) => _clock.GetTimestamp() + (long)(time.TotalSeconds * _clock.TimestampFrequency);
}
