using DbRecovery.Engine.Actions;
using DbRecovery.Engine.Faults.Rules;

namespace DbRecovery.Engine.Replication;

/// <summary>How surely a former primary is kept from writing.</summary>
internal static class FenceLevel
{
    /// <summary>Nothing could be done.</summary>
    public const int None = 0;
    /// <summary>Its routes are dropped, its sessions ended, new transactions are read-only, as far as that could be had: no fence.</summary>
    public const int BestEffort = 1;
    /// <summary>A synchronous quorum denies it every acknowledgement.</summary>
    public const int Denied = 2;
    /// <summary>Its machine says that no process of it is left.</summary>
    public const int Stopped = 3;
    /// <summary>Its machine was cut off.</summary>
    public const int PoweredOff = 4;

    /// <summary>The least that a takeover needs without a person's agreement.</summary>
    public const int Enough = Denied;
}

/// <summary>What a fence would reach as things stand.</summary>
/// <param name="Level">The level.</param>
/// <param name="Because">How that is known.</param>
/// <param name="Acts">What would be done.</param>
/// <param name="Status">What its machine says of it.</param>
internal sealed record FenceForecast(int Level, string Because, IReadOnlyList<PlannedAct> Acts, InstanceStatus Status);

/// <summary>What a fence reached.</summary>
/// <param name="Level">The level.</param>
/// <param name="Summary">How.</param>
internal sealed record FenceOutcome(int Level, string Summary);

/// <summary>
/// Keeps a former primary from writing, by what is enough before what is more: its machine shows it stopped, or kills it; only where that machine
/// does not answer its power is taken; else a synchronous quorum must deny it acknowledgements; and what is left is best effort, which is no fence.
/// </summary>
internal sealed class FencingLadder(ActionContext context, NodeDefinition node)
{
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan BriefLook = TimeSpan.FromMilliseconds(300);
    private static readonly TimeSpan Short = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan Recent = TimeSpan.FromMilliseconds(500);
    private readonly IInstanceControl? _control = Available(context, node);

    private static IInstanceControl? Available(ActionContext context, NodeDefinition node) =>
        context.Provider.TryGet<IInstanceControl>(out var control) && control.UnavailableBecause(context.Cluster, node) is null ? control : null;

    /// <summary>What would be reached. Changes nothing.</summary>
    public async Task<FenceForecast> ForecastAsync(CancellationToken cancellationToken)
    {
        var status = await ForeseenAsync(cancellationToken).ConfigureAwait(false);
        var acts = new List<PlannedAct>();
        if (_control?.HoldDown(context.Cluster, node) is { } hold)
            acts.AddRange(hold.Acts);
        if (status.State == InstanceState.Stopped)
            return new(FenceLevel.Stopped, $"'{node.Name}' is stopped: {status.Detail}", [.. acts, new PlannedAct(ActKind.Read, node.Name, "look that it is stopped")], status);
        if (_control is not null)
            acts.AddRange(_control.Kill(context.Cluster, node).Acts);
        if (status.State == InstanceState.Running)
            return new(FenceLevel.Stopped, $"'{node.Name}' runs and can be killed on its machine: {status.Detail}", acts, status);
        var power = _control?.PowerOff(context.Cluster, node);
        if (power is not null)
            return new(FenceLevel.PoweredOff, $"its machine does not tell ({status.Detail}), and can be cut off", [.. acts, .. power.Acts], status);
        acts.AddRange(BestEffort().SelectMany(b => b.Acts));
        if (Denies(out var how))
            return new(FenceLevel.Denied, how, [.. acts, new PlannedAct(ActKind.Read, node.Name, how)], status);
        return new(acts.Count > 0 ? FenceLevel.BestEffort : FenceLevel.None, $"whether it runs cannot be told ({status.Detail}), and nothing denies it acknowledgements", acts, status);
    }

    /// <summary>Fences, and says how surely.</summary>
    public async Task<FenceOutcome> ClimbAsync(CancellationToken cancellationToken)
    {
        var tried = new List<string>();
        // what helps a little does not wait for a machine from which no answer is expected
        var early = IsHarmless && _control?.PowerOff(context.Cluster, node) is null ? TryBestAsync(tried, cancellationToken) : null;
        var (answers, held, loose) = _control is null ? (false, null, "") : await HoldAsync(tried, cancellationToken).ConfigureAwait(false);
        var status = answers ? held ?? await StatusAsync(cancellationToken).ConfigureAwait(false) : new InstanceStatus(InstanceState.Unknown, _control is null ? "there is no control of it" : "it cannot be asked");
        if (status.State == InstanceState.Stopped)
            return new(FenceLevel.Stopped, $"'{node.Name}' was stopped already: {status.Detail}{loose}");
        if (_control is not null && answers)
        {
            await context.TryAsync(tried, "kill", _control.Kill(context.Cluster, node), Quantities.Most(context.Timeout / 3, Short), cancellationToken).ConfigureAwait(false);
            status = await StatusAsync(cancellationToken).ConfigureAwait(false);
            if (status.State == InstanceState.Stopped)
                return new(FenceLevel.Stopped, $"'{node.Name}' was killed on its machine and no process of it is left: {status.Detail}{loose}");
            Note(tried, status.Detail);
        }
        if (_control?.PowerOff(context.Cluster, node) is { } power && await context.TryAsync(tried, "power off", power, context.Timeout, cancellationToken).ConfigureAwait(false))
            return new(FenceLevel.PoweredOff, $"the machine of '{node.Name}' was cut off");
        var done = await (early ?? TryBestAsync(tried, cancellationToken)).ConfigureAwait(false);
        if (Denies(out var how))
            return new(FenceLevel.Denied, how);
        return new(Array.Exists(done, d => d) ? FenceLevel.BestEffort : FenceLevel.None, $"'{node.Name}' could not be proved to be down: {string.Join("; ", tried.Distinct())}");
    }

    /// <summary>Whether enough named standbys are in our hands, so that none of their acknowledgements reaches the old primary once they are led away from it.</summary>
    private bool Denies(out string how)
    {
        how = "";
        if (context.Seen is not { LastPrimary: { } last } seen || last.Node != node.Name || SynchronousProof.Needed(last, context.Clock.GetUtcNow()) is not { } needed)
            return false;
        var known = SynchronousProof.Known(context.Cluster, last, seen.Observations);
        how = $"'{node.Name}' needs {last.SynchronousRequired} of {string.Join(", ", last.Synchronous)} to acknowledge anything, and {string.Join(", ", known.Select(k => k.Node))} are led away from it before a promotion";
        return known.Count >= needed;
    }

    private IEnumerable<NodeOperation> BestEffort()
    {
        if (context.Routes is { } routes && context.Cluster.Routes.Count > 0)
            yield return routes.EndSessions(context.Cluster, node);
        if (context.Provider.TryGet<IReplicationControl>(out var replication))
            yield return replication.SetReadOnly(context.Cluster, node, readOnly: true);
    }

    private Task<bool[]> TryBestAsync(List<string> tried, CancellationToken cancellationToken) =>
        Task.WhenAll(BestEffort().Select(b => context.TryAsync(tried, "best effort", b, IsSilent ? BriefLook : Short, cancellationToken)));

    // a machine that said nothing a moment ago, in this incident, says nothing now; the climb asks it all the same
    private async Task<InstanceStatus> ForeseenAsync(CancellationToken cancellationToken)
    {
        if (IsHarmless && context.MachineLooks.TryGetValue(node.Name, out var last) && last.Said.State == InstanceState.Unknown && context.Clock.GetElapsedTime(last.At) < Recent)
            return last.Said;
        var said = await StatusAsync(cancellationToken).ConfigureAwait(false);
        context.MachineLooks[node.Name] = (context.Clock.GetTimestamp(), said);
        return said;
    }

    private async Task<InstanceStatus> StatusAsync(CancellationToken cancellationToken) => _control is null
        ? new InstanceStatus(InstanceState.Unknown, "the inventory gives no control of it")
        : await _control.StatusAsync(context.Cluster, node, LookTime, cancellationToken).ConfigureAwait(false);

    // of a machine from which nobody hears anything little is expected, and everybody waits meanwhile; where nothing else proves that it is harmless it has its time
    private TimeSpan LookTime => IsHarmless ? BriefLook : Look;

    private bool IsHarmless => IsSilent && Denies(out _);

    private bool IsSilent => context.Seen?.Observations.FirstOrDefault(o => o.Node == node.Name) is { Reachability: Reachability.TimedOut } seen && NodeOutage.Look(seen) == OutageKind.HostUnreachable;

    /// <summary>Keeps it from starting by itself, and only then looks at it. No answer: the way to its machine is gone, so that nothing else is tried on it.</summary>
    private async Task<(bool Answers, InstanceStatus? Status, string Loose)> HoldAsync(List<string> tried, CancellationToken cancellationToken)
    {
        if (_control!.HoldDown(context.Cluster, node) is not { } hold)
            return (true, null, "");
        try
        {
            return (true, (await hold.RunAsync(LookTime, context.Progress, cancellationToken).ConfigureAwait(false)).Status, "");
        }
        catch (DbRecoveryException e)
        {
            Note(tried, $"hold down: {e.Message}");
            // one that is down and may be started again is down all the same
            return (e.Id != ErrorIds.TimedOut, null, $"; it could not be kept from starting ({e.Message}), and must not start before it follows");
        }
    }

    // the best effort may fail at the same moment, and say so
    private static void Note(List<string> tried, string what)
    {
        lock (tried)
            tried.Add(what);
    }
}
