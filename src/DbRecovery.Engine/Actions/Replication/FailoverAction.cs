using DbRecovery.Engine.Replication;

namespace DbRecovery.Engine.Actions;

/// <summary>Options of <c>failover</c>.</summary>
internal sealed record FailoverOptions
{
    /// <summary>The primary that is replaced.</summary>
    [Option("the primary that is replaced; empty: the one that was last seen")]
    public string Old { get; init; } = "";

    /// <summary>The node that takes over.</summary>
    [Option("the node that takes over; empty: the one that has received the most")]
    public string Candidate { get; init; } = "";

    /// <summary>How long receivers may go on.</summary>
    [Option("how long the replicas may go on receiving from a primary that is called down, before nobody is promoted")]
    public TimeSpan Settle { get; init; } = TimeSpan.FromSeconds(5);
}

/// <summary>
/// Who takes over from whom, and the place in the log at which. Where a manager owns the cluster, it is asked and the rest is its own.
/// </summary>
internal sealed record FailoverState(
    string? Old, string Candidate, string? SystemId, long Timeline, long Bytes, IReadOnlyList<string> Siblings,
    bool LiftReadOnly, bool SynchronousNow, bool Denied, DataLoss Loss, bool Managed = false, long Furthest = 0);

/// <summary>Promotes the replica that has received the most, and leads the others to it.</summary>
internal sealed class FailoverAction : RecoveryAction<FailoverOptions, FailoverState>
{
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan OldLook = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan SilentLook = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan BetweenLooks = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan Still = TimeSpan.FromMilliseconds(500);

    /// <inheritdoc/>
    public override ActionDescriptor Descriptor { get; } = Describe(
        "failover", "Promotes the replica that has received the most once nobody receives from the old primary any more, and leads the others to it.",
        destructive: true, capability: typeof(IReplicationControl), timeout: TimeSpan.FromMinutes(1), outputs:
        [
            new("newPrimary", FactType.Text, null, "the node that took over"),
            new("oldPrimary", FactType.Text, null, "the node that was primary before; empty where none was known"),
            new("lossBytes", FactType.Int, "B", "what may be lost, in bytes of the log; not given where it cannot be known"),
            new("timeline", FactType.Int, null, "the new timeline"),
            .. Aftercare.Outputs,
        ]);

    /// <inheritdoc/>
    public override bool PlansEachAttempt => true;

    /// <inheritdoc/>
    public override bool MayStillComeToPass(ClusterDefinition cluster, string incidentFolder) => cluster.ManagedBy is not null || PromotionMark.IsSet(incidentFolder);

    protected override Task<Planned<FailoverState>> PlanCoreAsync(ActionContext context, FailoverOptions options, CancellationToken cancellationToken) =>
        PlanTakeoverAsync(context, options, cancellationToken);

    protected override Task<ActionResult> ExecuteCoreAsync(ActionContext context, FailoverState state, CancellationToken cancellationToken) =>
        TakeOverAsync(context, state, cancellationToken);

    protected override Task<Reconciliation> ReconcileCoreAsync(ActionContext context, FailoverState state, CancellationToken cancellationToken) =>
        LookBackAsync(context, state, cancellationToken);

    /// <summary>Works out who takes over.</summary>
    internal static async Task<Planned<FailoverState>> PlanTakeoverAsync(ActionContext context, FailoverOptions options, CancellationToken cancellationToken)
    {
        var seen = await context.SeenAsync(cancellationToken).ConfigureAwait(false);
        var old = options.Old.Length > 0 ? context.Cluster.Node(options.Old).Name : seen.LastPrimaryNode();
        if (context.Cluster.ManagedBy is not null)
            return await ManagedTakeover.PlanFailoverAsync(context, seen, old, options.Candidate, cancellationToken).ConfigureAwait(false);
        // while a plan is only shown, the old primary may still live: it is fenced by a step before
        var nodes = context.Acting ? await SettledAsync(context, old, options.Settle, cancellationToken).ConfigureAwait(false) : seen.Observations;
        if (nodes.FirstOrDefault(o => o.IsPrimary() && !seen.IsStranger(o.Node) && (context.Acting || o.Node != old)) is { } alive)
        {
            throw new DbRecoveryException(ErrorIds.WrongNode, ErrorKind.Refused,
                alive.Node == old ? $"'{alive.Node}' answers as a primary: nobody takes over from a living one" : $"'{alive.Node}' is primary already",
                "Look at the topology; a planned change of the primary is a switchover.", alive.Node);
        }
        if (!context.Acting && old is not null && seen.Primaries().Any(p => p.Node == old))
            await RequireKillableAsync(context, context.Cluster.Node(old), cancellationToken).ConfigureAwait(false);
        var named = options.Candidate.Length > 0 ? context.Cluster.Node(options.Candidate).Name : null;
        var choice = CandidateSelection.Choose(new CandidateQuestion
        {
            Cluster = context.Cluster, Old = old, Seen = nodes, Last = seen.LastPrimary, Faults = seen.Faults, Wanted = named, Pinned = Pinned(context, seen, named),
        });
        var candidate = choice.Require(context.Cluster.Name);
        return Plan(context, seen, nodes, old, candidate, choice);
    }

    /// <summary>One that was asked to become primary before, and may still, is the only one: with another there would be two once it comes to that.</summary>
    private static string? Pinned(ActionContext context, HealthReport seen, string? named)
    {
        if (context.PendingPromotions(seen) is not [var asked, ..] all)
            return null;
        return all.FirstOrDefault(a => a.Node != (named ?? asked.Node)) is { } other
            ? throw new DbRecoveryException(ErrorIds.NoCandidate, ErrorKind.Refused, $"incident {other.Incident} asked '{other.Node}' to become primary, and it may still: nobody else is promoted",
                $"Look at '{other.Node}'. Where it certainly is not promoted any more, because its server was stopped since, acknowledge the cluster.", other.Node)
            : asked.Node;
    }

    private static Planned<FailoverState> Plan(ActionContext context, HealthReport seen, IReadOnlyList<NodeObservation> nodes, string? old, NodeDefinition candidate, CandidateChoice choice)
    {
        var stoppedAt = FenceOf(context, old) >= FenceLevel.Stopped ? context.DoneAt.GetValueOrDefault("fence") : null;
        var loss = LossPreview.Of(context.Cluster, seen.LastPrimary, nodes, candidate.Name, choice.Place, LossPreview.EndOf(context, seen, old, stoppedAt));
        var chosen = nodes.First(o => o.Node == candidate.Name);
        var siblings = nodes.Where(o => o.Node != old && o.Node != candidate.Name && o is { Reachability: Reachability.Reachable, Role: NodeRole.Replica } && o.SystemId == chosen.SystemId)
            .Select(o => context.Cluster.Node(o.Node)).Where(n => Follows(context, n, old, candidate, nodes)).ToList();
        var state = new FailoverState(old, candidate.Name, chosen.SystemId, choice.Place.Timeline, choice.Place.Bytes, [.. siblings.Select(s => s.Name)],
            chosen.Facts.Bool(PostgreSqlFacts.DefaultReadOnly) == true,
            chosen.Facts.Text(PostgreSqlFacts.SyncNames) is { Length: > 0 },
            FenceOf(context, old) == FenceLevel.Denied, loss,
            // what others have beyond a candidate that a person named is in the preview of the loss
            Furthest: nodes.Where(n => n.Node != old && n.SystemId == chosen.SystemId).Select(LogPlace.Of).OfType<LogPlace>().Where(p => p.Timeline == choice.Place.Timeline).Max(p => p.Bytes));
        var takeover = new Takeover(context, candidate);
        IReadOnlyList<PlannedAct> acts =
        [
            new(ActKind.Wait, old ?? context.Cluster.Name, "until no replica receives from the old primary any more"),
            .. choice.Remarks,
            .. takeover.Preparation(siblings, state.SynchronousNow),
            .. context.Replication("failover").Promote(context.Cluster, candidate).Acts.AsDestructive(),
            .. takeover.Acts(siblings, state.LiftReadOnly),
        ];
        var outputs = new Dictionary<string, FactValue> { ["newPrimary"] = candidate.Name, ["oldPrimary"] = old ?? "" };
        return new Planned<FailoverState>(state, acts, loss, outputs, choice.ApprovalBecause);
    }

    /// <summary>Nobody is promoted beside a primary that answers: where it cannot be stopped, it must not be made read-only for nothing.</summary>
    private static async Task RequireKillableAsync(ActionContext context, NodeDefinition old, CancellationToken cancellationToken)
    {
        if (await new FencingLadder(context, old).ForecastAsync(cancellationToken).ConfigureAwait(false) is { Level: < FenceLevel.Stopped })
        {
            throw new DbRecoveryException(ErrorIds.FencingFailed, ErrorKind.Refused, $"'{old.Name}' answers as a primary and cannot be stopped from here: nobody is promoted beside a living one",
                $"Stop '{old.Name}' by hand first, or give the cluster 'control' in the inventory.", old.Name);
        }
    }

    /// <summary>The level of the fence of a node; null where none was had. That of another node, which a runbook may name, says nothing of this one.</summary>
    private static long? FenceOf(ActionContext context, string? node) =>
        context.Done.GetValueOrDefault("fence") is { } done && done.GetValueOrDefault("node") is { Type: FactType.Text } fenced && fenced.AsText() == node
        && done.GetValueOrDefault("level") is { Type: FactType.Int } level ? level.AsInt() : null;

    // a cascading replica stays where the inventory puts it, unless that is the node that fell, or the one that rises
    private static bool Follows(ActionContext context, NodeDefinition node, string? old, NodeDefinition candidate, IReadOnlyList<NodeObservation> nodes) =>
        node.Upstream is not { } upstream || upstream == old || upstream == candidate.Name
        || nodes.FirstOrDefault(o => o.Node == upstream) is not { Reachability: Reachability.Reachable, Role: NodeRole.Replica }
        || !context.Cluster.Nodes.Any(n => n.Name == upstream);

    /// <summary>
    /// What is seen of everybody once no replica receives from the old primary any more. Of one that is fenced a connection may be left that its end never
    /// reached: whoever gets nothing more on it for a while does not receive.
    /// </summary>
    private static async Task<IReadOnlyList<NodeObservation>> SettledAsync(ActionContext context, string? old, TimeSpan settle, CancellationToken cancellationToken)
    {
        var (since, stillSince, places) = (context.Clock.GetTimestamp(), context.Clock.GetTimestamp(), "");
        var fenced = FenceOf(context, old) >= FenceLevel.Enough;
        while (true)
        {
            var nodes = await LookAtAllAsync(context, old, cancellationToken).ConfigureAwait(false);
            if (old is null || !Array.Exists(nodes, n => n.MayStreamFrom(context.Cluster, old)))
                return nodes;
            var now = string.Join(' ', nodes.Select(n => n.Upstream?.Received?.Value));
            if (now != places)
                (places, stillSince) = (now, context.Clock.GetTimestamp());
            else if (fenced && context.Clock.GetElapsedTime(stillSince) >= Still)
                return nodes;
            if (context.Clock.GetElapsedTime(since) > settle)
            {
                throw new DbRecoveryException(ErrorIds.FencingFailed, ErrorKind.Refused,
                    $"{string.Join(", ", nodes.Where(n => n.MayStreamFrom(context.Cluster, old)).Select(n => $"'{n.Node}'"))} still receives from '{old}' after {settle.TotalSeconds:0} s: it is not down, and nobody is promoted",
                    $"Fence '{old}', or wait until it is down.", old);
            }
            await Task.Delay(BetweenLooks, context.Clock, cancellationToken).ConfigureAwait(false);
        }
    }

    // nobody waits long for the old primary: it is expected to be silent, the more so where it gave no answer before
    private static async Task<NodeObservation[]> LookAtAllAsync(ActionContext context, string? old, CancellationToken cancellationToken)
    {
        var looking = context.LookAsync(context.Cluster.Nodes.Where(n => n.Name != old), Look, cancellationToken);
        var silent = context.Seen?.Observations.Any(o => o.Node == old && o.Reachability == Reachability.TimedOut) == true;
        var oldLooking = context.LookAsync(context.Cluster.Nodes.Where(n => n.Name == old), silent ? SilentLook : OldLook, cancellationToken);
        return [.. await looking.ConfigureAwait(false), .. await oldLooking.ConfigureAwait(false)];
    }

    /// <summary>Promotes, and does what follows.</summary>
    internal static async Task<ActionResult> TakeOverAsync(ActionContext context, FailoverState state, CancellationToken cancellationToken)
    {
        if (state.Managed)
            return await ManagedTakeover.FailoverAsync(context, state, cancellationToken).ConfigureAwait(false);
        var candidate = context.Cluster.Node(state.Candidate);
        var siblings = state.Siblings.Select(context.Cluster.Node).ToList();
        var takeover = new Takeover(context, candidate);
        var (promoted, ended) = (false, 0L);
        if (await IsPromotedAsync(context, state, cancellationToken).ConfigureAwait(false) is not { } timeline)
        {
            var unfenced = state.Old is not null && FenceOf(context, state.Old) is null;
            if (unfenced)
                await RequireFenceAsync(context, context.Cluster.Node(state.Old!), cancellationToken).ConfigureAwait(false);
            await takeover.PrepareAsync(siblings, state.SynchronousNow, cancellationToken).ConfigureAwait(false);
            if (state.Denied)
                await LeadAwayAsync(context, state, candidate, cancellationToken).ConfigureAwait(false);
            // that took its time, and until a standby was led away it may have received, and so acknowledged, more
            if ((unfenced || state.Denied) && await IsPromotedAsync(context, state, cancellationToken).ConfigureAwait(false) is not null)
                throw new DbRecoveryException(ErrorIds.OutcomeUnknown, ErrorKind.Failed, $"'{candidate.Name}' was promoted by somebody else meanwhile", "It is looked at again.", candidate.Name);
            var outcome = await PromoteAsync(context, candidate, cancellationToken).ConfigureAwait(false);
            timeline = outcome.Outputs.GetValueOrDefault("timeline") is { Type: FactType.Int } number ? number.AsInt() : state.Timeline + 1;
            ended = outcome.Outputs.GetValueOrDefault("ended") is { Type: FactType.Int } count ? count.AsInt() : 0;
            promoted = true;
        }
        try
        {
            // promoted: from here it only goes forward
            var (remarks, facts) = await takeover.FollowUpAsync(siblings, state.LiftReadOnly, state.SynchronousNow, promoted ? CancellationToken.None : cancellationToken).ConfigureAwait(false);
            return Result(state, timeline, ended == 0 ? remarks : [$"{Counted.Of(ended, "session")} with queries that held back the replay of what it had received ended", .. remarks], facts);
        }
        catch (DbRecoveryException e) when (e.Id != ErrorIds.OutcomeUnknown)
        {
            // not a failure after which somebody else could be chosen
            throw new DbRecoveryException(ErrorIds.OutcomeUnknown, e.Kind, $"'{candidate.Name}' is primary, and what follows that is not done: {e.Message}", e.RecommendedAction, candidate.Name, e);
        }
    }

    private static async Task<OperationOutcome> PromoteAsync(ActionContext context, NodeDefinition candidate, CancellationToken cancellationToken)
    {
        try
        {
            return await PromotionMark.PromoteAsync(context, candidate, cancellationToken).ConfigureAwait(false);
        }
        catch (DbRecoveryException e) when (e.Id == ErrorIds.WrongNode)
        {
            // what was asked for before came to pass in this moment: no failure after which somebody else could be chosen
            throw new DbRecoveryException(ErrorIds.OutcomeUnknown, ErrorKind.Failed, $"'{candidate.Name}' became primary meanwhile: {e.Message}", "It is looked at again.", candidate.Name, e);
        }
    }

    /// <summary>
    /// Looks once more, just before the promotion: the old primary is silent, the candidate is what it was when it was chosen, and nobody has more.
    /// Gives the timeline where the candidate was promoted by an attempt before; null where it is ready.
    /// </summary>
    private static async Task<long?> IsPromotedAsync(ActionContext context, FailoverState state, CancellationToken cancellationToken)
    {
        var nodes = await LookAtAllAsync(context, state.Old, cancellationToken).ConfigureAwait(false);
        if (Array.Find(nodes, n => n.IsPrimary() && n.Node != state.Candidate && context.Seen?.IsStranger(n.Node) != true) is { } other)
        {
            throw new DbRecoveryException(ErrorIds.FencingFailed, ErrorKind.Refused, $"'{other.Node}' answers as a primary now: nobody is promoted",
                "Look at the topology; the fault may be over.", other.Node);
        }
        var candidate = Array.Find(nodes, n => n.Node == state.Candidate);
        var place = candidate is null ? null : LogPlace.Of(candidate);
        if (candidate?.IsPrimary() == true && candidate.SystemId == state.SystemId)
            return place?.Timeline > state.Timeline ? place.Value.Timeline : candidate.Facts.Int(PostgreSqlFacts.Timeline) ?? state.Timeline + 1;
        RequireSilent(context, state, nodes);
        if (candidate is not { Reachability: Reachability.Reachable, Role: NodeRole.Replica } || candidate.SystemId != state.SystemId || place is not { } has
            || has.CompareTo(new LogPlace(state.Timeline, state.Bytes)) < 0)
        {
            throw new DbRecoveryException(ErrorIds.NoCandidate, ErrorKind.Refused, $"'{state.Candidate}' is not what it was when it was chosen ({candidate?.Reachability}, {candidate?.Role})",
                "The choice is made anew.", state.Candidate);
        }
        // one that did not answer when the choice was made counts, too
        var known = Math.Max(state.Bytes, state.Furthest);
        if (Array.Find(nodes, n => n.Node != state.Old && n.SystemId == state.SystemId && LogPlace.Of(n) is { } more && (more.Timeline > has.Timeline || (more.CompareTo(has) > 0 && more.Bytes > known))) is { } ahead)
        {
            throw new DbRecoveryException(ErrorIds.NoCandidate, ErrorKind.Refused, $"'{ahead.Node}' has received more than '{state.Candidate}', or is on a later timeline", "The choice is made anew.", ahead.Node);
        }
        return null;
    }

    /// <summary>Nobody receives from the old primary; over a connection that a fenced one left behind nothing more comes. Where nobody knows who that is, every other node is seen to be none, and nobody receives from a stranger.</summary>
    private static void RequireSilent(ActionContext context, FailoverState state, NodeObservation[] nodes)
    {
        var (old, known, fenced) = (state.Old, Math.Max(state.Bytes, state.Furthest), FenceOf(context, state.Old) >= FenceLevel.Enough);
        if (old is not null && Array.Find(nodes, n => n.MayStreamFrom(context.Cluster, old) && !(fenced && LogPlace.Of(n) is { } place && place.Bytes <= known)) is { } streaming)
            throw new DbRecoveryException(ErrorIds.FencingFailed, ErrorKind.Refused, $"'{streaming.Node}' receives from '{old}' again: it is not down, and nobody is promoted", $"Fence '{old}', or wait until it is down.", old);
        if (old is null && Array.Find(nodes, n => n is not { Reachability: Reachability.Reachable, Role: not NodeRole.Unknown } || n.StreamsFromStranger(context.Cluster)) is { } unknown)
        {
            throw new DbRecoveryException(ErrorIds.FencingFailed, ErrorKind.Refused,
                $"which node was primary is not known, and '{unknown.Node}' {(unknown.Reachability == Reachability.Reachable ? "receives from a server that is not in the inventory" : "does not answer and may be it")}: nobody is promoted",
                "Name the old primary, so that it can be fenced.", unknown.Node);
        }
    }

    private static async Task RequireFenceAsync(ActionContext context, NodeDefinition old, CancellationToken cancellationToken)
    {
        var fence = await new FencingLadder(context, old).ClimbAsync(cancellationToken).ConfigureAwait(false);
        // what a synchronous quorum denies needs its standbys led away, which this plan did not foresee
        if (fence.Level <= FenceLevel.Enough)
        {
            throw new DbRecoveryException(ErrorIds.FencingFailed, ErrorKind.Refused, $"nobody is promoted while '{old.Name}' is not proved to be down: {fence.Summary}",
                "Put a step 'fence' before: it says what is lacking, and asks for an agreement where that is a risk.", old.Name);
        }
    }

    /// <summary>Where the fence is that the old primary gets no acknowledgements, its named standbys are led away before there is another primary.</summary>
    private static async Task LeadAwayAsync(ActionContext context, FailoverState state, NodeDefinition candidate, CancellationToken cancellationToken)
    {
        var last = (await context.SeenAsync(cancellationToken).ConfigureAwait(false)).LastPrimary;
        var named = state.Siblings.Where(s => last?.Synchronous.Contains(s, StringComparer.OrdinalIgnoreCase) == true).Select(context.Cluster.Node).ToList();
        var led = last?.Synchronous.Contains(candidate.Name, StringComparer.OrdinalIgnoreCase) == true ? 1 : 0;
        await Task.WhenAll(named.Select(LeadAsync)).ConfigureAwait(false);
        if (SynchronousProof.Needed(last, context.Clock.GetUtcNow()) is not { } needed || led < needed)
        {
            throw new DbRecoveryException(ErrorIds.FencingFailed, ErrorKind.Refused,
                $"only {led} of the standbys that '{state.Old}' waits for could be led away from it, so it may still acknowledge: nobody is promoted", target: state.Old);
        }

        async Task LeadAsync(NodeDefinition sibling)
        {
            await context.Replication("failover").Follow(context.Cluster, sibling, candidate).RunAsync(Look + Look, context.Progress, cancellationToken).ConfigureAwait(false);
            Interlocked.Increment(ref led);
        }
    }

    /// <summary>Whether it happened.</summary>
    internal static async Task<Reconciliation> LookBackAsync(ActionContext context, FailoverState state, CancellationToken cancellationToken)
    {
        if (state.Managed)
            return await ManagedTakeover.ReconcileAsync(context, state.Old, cancellationToken).ConfigureAwait(false);
        var nodes = await context.LookAsync(context.Cluster.Nodes.Where(n => n.Name != state.Old), Look, cancellationToken).ConfigureAwait(false);
        var candidate = nodes.FirstOrDefault(n => n.Node == state.Candidate);
        if (candidate is not { Reachability: Reachability.Reachable })
            return new Reconciliation(ReconcileOutcome.Unknown, $"'{state.Candidate}' does not answer, and may have been promoted");
        if (!candidate.IsPrimary())
        {
            // asked to promote and not done yet, it still will: asking again asks the same node, so that there are never two
            return new Reconciliation(ReconcileOutcome.NotDone, $"'{state.Candidate}' is still a replica");
        }
        var epoch = await context.Replication("failover").ReadEpochAsync(context.Cluster, context.Cluster.Node(state.Candidate), cancellationToken).ConfigureAwait(false);
        var led = state.Siblings.All(s => nodes.FirstOrDefault(n => n.Node == s) is not { Reachability: Reachability.Reachable } seen || seen.StreamsFrom(context.Cluster, state.Candidate));
        return epoch?.Incident == context.IncidentId && led
            ? new Reconciliation(ReconcileOutcome.Done, $"'{state.Candidate}' is primary under epoch {epoch.Epoch}", Result(state, candidate.Facts.Int(PostgreSqlFacts.Timeline) ?? state.Timeline + 1, [], new Dictionary<string, FactValue>()))
            : new Reconciliation(ReconcileOutcome.NotDone, $"'{state.Candidate}' is promoted, and what follows that is to be done");
    }

    private static ActionResult Result(FailoverState state, long timeline, IReadOnlyList<string> remarks, IReadOnlyDictionary<string, FactValue> facts)
    {
        var outputs = new Dictionary<string, FactValue>(facts) { ["newPrimary"] = state.Candidate, ["oldPrimary"] = state.Old ?? "", ["timeline"] = timeline };
        if (state.Loss.Bytes is { } bytes)
            outputs["lossBytes"] = bytes;
        return new ActionResult
        {
            Summary = $"'{state.Candidate}' is primary on timeline {timeline}{(state.Old is null ? "" : $" in the place of '{state.Old}'")}.{string.Concat(remarks.Select(r => $" {r}."))}",
            Outputs = outputs,
            Loss = state.Loss,
        };
    }
}
