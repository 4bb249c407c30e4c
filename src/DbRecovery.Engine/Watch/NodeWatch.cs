namespace DbRecovery.Engine.Watch;

/// <summary>
/// Looks at one node. At most one look is under way; one that does not end in its time counts as no answer, again and again until it ends,
/// and no second one is begun beside it: a hung observer must not pile up.
/// </summary>
internal sealed class NodeWatch(ClusterDefinition cluster, NodeDefinition node, INodeObserver observer, INodeEvents? events, TimeSpan deadline, TimeProvider clock, Action changed, CancellationToken stopping)
{
    private static readonly TimeSpan LeastGrace = TimeSpan.FromMilliseconds(250);
    private readonly object _gate = new();
    private readonly TimeSpan _limit = deadline + (deadline / 2 > LeastGrace ? deadline / 2 : LeastGrace);
    private NodeObservation? _latest;
    private CancellationTokenSource? _ends;
    private Task? _look;
    private Task? _listening;
    private long _begun;
    private long _latestBegun;
    private long _overdueSince;
    private long _sequence;
    private bool _overdue;
    private bool _broken;

    /// <summary>The node.</summary>
    public NodeDefinition Node => node;

    /// <summary>The time that one look has.</summary>
    public TimeSpan Deadline => deadline;

    /// <summary>Whether a look is under way.</summary>
    public bool IsLooking
    {
        get
        {
            lock (_gate)
                return _look is not null;
        }
    }

    /// <summary>The time until the look under way is overdue; null where there is none.</summary>
    public TimeSpan? DueIn
    {
        get
        {
            lock (_gate)
                return _look is null ? null : _limit - clock.GetElapsedTime(_overdue ? _overdueSince : _begun);
        }
    }

    /// <summary>What the last look showed, a number that every look raises, and when it began on the clock that cannot be set; null before the first.</summary>
    public (NodeObservation Observation, long Sequence, long Begun)? Latest
    {
        get
        {
            lock (_gate)
                return _latest is null ? null : (_latest, _sequence, _latestBegun);
        }
    }

    /// <summary>Whether the connection broke since this was asked last.</summary>
    public bool TakeBroken()
    {
        lock (_gate)
        {
            var broken = _broken;
            _broken = false;
            return broken;
        }
    }

    /// <summary>Begins a look, unless one is under way.</summary>
    public void Begin()
    {
        lock (_gate)
        {
            if (_look is not null || stopping.IsCancellationRequested)
                return;
            _begun = clock.GetTimestamp();
            _overdue = false;
            _ends = CancellationTokenSource.CreateLinkedTokenSource(stopping);
            var token = _ends.Token;
            // an observer of a file works on the caller's thread: not on that of the loop
            _look = Task.Run(() => LookAsync(token), CancellationToken.None);
        }
    }

    /// <summary>Counts a look that should have ended as no answer.</summary>
    public void CountOverdue()
    {
        CancellationTokenSource? ends;
        lock (_gate)
        {
            if (_look is null || clock.GetElapsedTime(_overdue ? _overdueSince : _begun) < _limit)
                return;
            ends = _overdue ? null : _ends;
            (_overdue, _overdueSince) = (true, clock.GetTimestamp());
            Keep(Unseen(ErrorIds.TimedOut, $"no answer within {deadline.TotalSeconds:0.###} s, and the look has not ended yet", clock.GetUtcNow(), _limit), _overdueSince);
        }
        ends?.Cancel();
        changed();
    }

    /// <summary>Waits for what is under way, after the watch was stopped; not for long, for a hung call may never end.</summary>
    public async Task EndAsync(TimeSpan atMost)
    {
        Task?[] open;
        lock (_gate)
            open = [_look, _listening];
        await Task.WhenAny(Task.WhenAll(open.OfType<Task>()), Task.Delay(atMost, CancellationToken.None)).ConfigureAwait(false);
    }

    private async Task LookAsync(CancellationToken cancellationToken)
    {
        var startedAt = clock.GetUtcNow();
        NodeObservation? seen = null;
        try
        {
            seen = await observer.ObserveAsync(new ObservationRequest { Cluster = cluster, Node = node, Level = ObservationLevel.Quick, Timeout = deadline }, null, cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // stopped, or overdue and counted already
        }
        catch (Exception e)
        {
            // what one node's look cannot do must not end the watch
            seen = Unseen((e as DbRecoveryException)?.Id ?? ErrorIds.Unexpected, e.Message, startedAt, clock.GetElapsedTime(_begun));
        }
        lock (_gate)
        {
            // what an overdue look saw is older than what was counted in its place
            if (seen is not null && !_overdue)
                Keep(seen, _begun);
            _look = null;
            _ends?.Dispose();
            _ends = null;
            if (seen is { Reachability: Reachability.Reachable } && events is not null && _listening is null && !stopping.IsCancellationRequested)
                _listening = Task.Run(() => ListenAsync(events), CancellationToken.None);
        }
        changed();
    }

    private async Task ListenAsync(INodeEvents source)
    {
        var broken = true;
        try
        {
            await source.BrokenAsync(cluster, node, stopping).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            broken = false;
        }
        catch (Exception)
        {
            // polling does without events
            broken = false;
        }
        lock (_gate)
        {
            _listening = null;
            _broken |= broken;
        }
        if (broken)
            changed();
    }

    private void Keep(NodeObservation seen, long begun) => (_latest, _latestBegun, _sequence) = (seen, begun, _sequence + 1);

    private NodeObservation Unseen(string code, string message, DateTimeOffset at, TimeSpan took) => new()
    {
        Node = node.Name, ObservedAt = at, Duration = took, Level = ObservationLevel.Quick, Reachability = Reachability.TimedOut, Errors = [new ObservedError(code, message, "observation")],
    };
}
