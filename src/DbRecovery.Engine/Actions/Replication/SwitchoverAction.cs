using DbRecovery.Engine.Files;
using DbRecovery.Engine.Health;
using DbRecovery.Engine.Replication;

namespace DbRecovery.Engine.Actions;

/// <summary>Options of <c>switchover</c>.</summary>
internal sealed record SwitchoverOptions
{
    /// <summary>The node that takes over.</summary>
    [Option("the node that takes over; empty: the best replica")]
    public string Candidate { get; init; } = "";

    /// <summary>How long writes may stop.</summary>
    [Option("how long writes may stop: if the candidate has not received everything by then, the old primary is opened again")]
    public TimeSpan Window { get; init; } = TimeSpan.FromSeconds(15);
}

/// <summary>Who hands over to whom.</summary>
internal sealed record SwitchoverState(
    string Old, string Candidate, string? SystemId, long Timeline, IReadOnlyList<string> Siblings, TimeSpan Window, bool LiftReadOnly, bool SynchronousNow, bool Managed = false);

/// <summary>
/// Hands the primary's part to a replica without losing anything: clients are held back, the old primary is stopped cleanly, and the candidate is
/// promoted only once it has the very end of its log. Until then every failure opens the old primary again.
/// </summary>
internal sealed class SwitchoverAction : RecoveryAction<SwitchoverOptions, SwitchoverState>
{
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Opening = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan BetweenLooks = TimeSpan.FromMilliseconds(5);

    /// <inheritdoc/>
    public override ActionDescriptor Descriptor { get; } = Describe(
        "switchover", "Hands the primary's part to a replica without losing anything; the old primary follows it then. Until the promotion every failure opens the old primary again.",
        capability: typeof(IReplicationControl), timeout: TimeSpan.FromMinutes(5), outputs:
        [
            new("newPrimary", FactType.Text, null, "the node that took over"),
            new("oldPrimary", FactType.Text, null, "the node that was primary before"),
            new("timeline", FactType.Int, null, "the new timeline"),
            .. Aftercare.Outputs,
        ]);

    /// <inheritdoc/>
    public override bool UndoesItself => true;

    // a stop that was asked for ends, the old primary starts again and its clients go on; or, once there is another one, it follows that
    /// <inheritdoc/>
    public override TimeSpan Grace => Opening * 4;

    protected override async Task<Planned<SwitchoverState>> PlanCoreAsync(ActionContext context, SwitchoverOptions options, CancellationToken cancellationToken)
    {
        var seen = await context.SeenAsync(cancellationToken).ConfigureAwait(false);
        var primary = seen.Primaries() is [var only]
            ? only
            : throw new DbRecoveryException(ErrorIds.WrongNode, ErrorKind.Refused, $"'{context.Cluster.Name}' has {Counted.Of(seen.Primaries().Count, "primary that answers", "primaries that answer")}: a switchover needs exactly one",
                "Where the primary is down, a failover is what helps.", context.Cluster.Name);
        var old = context.Cluster.Node(primary.Node);
        var wanted = options.Candidate.Length > 0 ? context.Cluster.Node(options.Candidate).Name : null;
        var outputs = new Dictionary<string, FactValue> { ["oldPrimary"] = old.Name };
        if (context.Cluster.ManagedBy is not null)
        {
            return new Planned<SwitchoverState>(new(old.Name, wanted ?? "", primary.SystemId, 0, [], options.Window, false, false, Managed: true),
                await ManagedTakeover.PlanSwitchoverAsync(context, wanted, cancellationToken).ConfigureAwait(false), Outputs: outputs);
        }
        RequireControl(context, old);
        var choice = Choose(context, seen, primary, wanted);
        var candidate = choice.Require(context.Cluster.Name);
        var chosen = seen.Observations.First(o => o.Node == candidate.Name);
        var siblings = seen.Observations.Where(o => o.Node != old.Name && o.Node != candidate.Name && o.SystemId == primary.SystemId && o is { Reachability: Reachability.Reachable, Role: NodeRole.Replica })
            .Select(o => context.Cluster.Node(o.Node)).Where(n => n.Upstream is null || n.Upstream == old.Name || n.Upstream == candidate.Name).ToList();
        var state = new SwitchoverState(old.Name, candidate.Name, primary.SystemId, LogPlace.Of(chosen)?.Timeline ?? 0, [.. siblings.Select(s => s.Name)], options.Window,
            chosen.Facts.Bool(PostgreSqlFacts.DefaultReadOnly) == true, chosen.Facts.Text(PostgreSqlFacts.SyncNames) is { Length: > 0 });
        outputs["newPrimary"] = candidate.Name;
        return new Planned<SwitchoverState>(state, [.. Acts(context, state, old, candidate, siblings), .. choice.Remarks], Outputs: outputs, ApprovalBecause: choice.ApprovalBecause);
    }

    private static void RequireControl(ActionContext context, NodeDefinition old)
    {
        var control = context.Provider.Require<IInstanceControl>("switchover");
        if (control.UnavailableBecause(context.Cluster, old) is { } because)
        {
            throw new DbRecoveryException(ErrorIds.CapabilityMissing, ErrorKind.NotSupported, $"'{old.Name}' cannot be stopped and started, which a switchover needs: {because}",
                "Add 'control' to the cluster.", old.Name);
        }
    }

    /// <summary>The best replica that streams from the primary now; one that does not would not receive the end of its log.</summary>
    private static CandidateChoice Choose(ActionContext context, HealthReport seen, NodeObservation primary, string? wanted)
    {
        // a synchronous one takes over before others: behind it by a few bytes in this moment says nothing, for all wait for the end
        var streaming = seen.Observations.Where(o => o.Node == primary.Node || o.StreamsFrom(context.Cluster, primary.Node)
            || primary.Downstreams.Any(d => d.State == "streaming" && d.Name == o.Node)).ToList();
        var choice = CandidateSelection.Choose(new CandidateQuestion { Cluster = context.Cluster, Old = primary.Node, Seen = streaming, Last = seen.LastPrimary, Faults = seen.Faults, Wanted = wanted });
        var synchronous = primary.Downstreams.Where(d => d.SyncState is "sync" or "quorum").Select(d => d.Name).ToHashSet(StringComparer.Ordinal);
        var best = wanted is not null ? null : choice.Verdicts.Where(v => v is { Because: null, Damaged: false } && synchronous.Contains(v.Node))
            .OrderByDescending(v => context.Cluster.Node(v.Node).Priority).FirstOrDefault();
        return best is null ? choice : choice with { Candidate = context.Cluster.Node(best.Node), Place = best.Place!.Value, Verdicts = [best, .. choice.Verdicts.Where(v => v != best)] };
    }

    private static List<PlannedAct> Acts(ActionContext context, SwitchoverState state, NodeDefinition old, NodeDefinition candidate, IReadOnlyList<NodeDefinition> siblings)
    {
        var (replication, control, takeover) = (context.Replication("switchover"), context.Provider.Require<IInstanceControl>("switchover"), new Takeover(context, candidate));
        return
        [
            .. takeover.Preparation(siblings, state.SynchronousNow),
            .. replication.AfterPromotion(context.Cluster, old).Acts,
            .. context.Routes?.Pause(context.Cluster).Acts ?? [],
            .. control.Stop(context.Cluster, old).Acts,
            new PlannedAct(ActKind.Wait, candidate.Name, $"until it has received the shutdown checkpoint of '{old.Name}'; after {state.Window.TotalSeconds:0.#} s '{old.Name}' is opened again"),
            .. replication.Promote(context.Cluster, candidate).Acts,
            .. takeover.Acts(siblings, state.LiftReadOnly),
            .. context.Routes?.SetPrimary(context.Cluster, candidate).Acts ?? [],
            .. context.Provider.Require<IReplicaBuilder>("switchover").StartAsReplica(context.Cluster, old, candidate).Acts,
            .. replication.AfterPromotion(context.Cluster, candidate).Acts,
        ];
    }

    protected override async Task<ActionResult> ExecuteCoreAsync(ActionContext context, SwitchoverState state, CancellationToken cancellationToken)
    {
        if (state.Managed)
            return await ManagedTakeover.SwitchoverAsync(context, state.Old, state.Candidate.Length > 0 ? state.Candidate : null, cancellationToken).ConfigureAwait(false);
        var (old, candidate) = (context.Cluster.Node(state.Old), context.Cluster.Node(state.Candidate));
        var nodes = await context.LookAsync([old, candidate], Look, cancellationToken).ConfigureAwait(false);
        var takeover = new Takeover(context, candidate);
        var timeline = nodes[1].IsPrimary() ? nodes[1].Facts.Int(PostgreSqlFacts.Timeline) ?? state.Timeline + 1 : await HandOverAsync(context, state, takeover, old, candidate, nodes, cancellationToken).ConfigureAwait(false);
        // promoted: from here it only goes forward
        return await FinishAsync(context, state, takeover, old, candidate, timeline, CancellationToken.None).ConfigureAwait(false);
    }

    private static async Task<long> HandOverAsync(
        ActionContext context, SwitchoverState state, Takeover takeover, NodeDefinition old, NodeDefinition candidate, IReadOnlyList<NodeObservation> nodes, CancellationToken cancellationToken)
    {
        var replication = context.Replication("switchover");
        if (nodes[1] is not { Reachability: Reachability.Reachable, Role: NodeRole.Replica } || nodes[1].SystemId != state.SystemId)
            throw new DbRecoveryException(ErrorIds.WrongNode, ErrorKind.Refused, $"'{candidate.Name}' is no replica of '{old.Name}' now ({nodes[1].Reachability}, {nodes[1].Role})", target: candidate.Name);
        await takeover.PrepareAsync([.. state.Siblings.Select(context.Cluster.Node)], state.SynchronousNow, cancellationToken).ConfigureAwait(false);
        // what a checkpoint has written now, the stop need not write while clients wait
        if (nodes[0].IsPrimary())
            await replication.AfterPromotion(context.Cluster, old).RunAsync(context.Timeout, context.Progress, cancellationToken).ConfigureAwait(false);
        using var window = new CancellationTokenSource(state.Window, context.Clock);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(window.Token, cancellationToken);
        try
        {
            if (context.Routes is { } routes)
                await routes.Pause(context.Cluster).RunAsync(state.Window / 2, context.Progress, linked.Token).ConfigureAwait(false);
            await StopAsync(context, state, old, runs: nodes[0].IsPrimary(), linked.Token).ConfigureAwait(false);
            await ArrivedAsync(context, old, candidate, linked.Token).ConfigureAwait(false);
            linked.Token.ThrowIfCancellationRequested();
        }
        catch (Exception e)
        {
            await ReopenAsync(context, old, e is not OperationCanceledException ? e.Message : window.IsCancellationRequested ? $"the {state.Window.TotalSeconds:0.#} s in which writes may stop are over" : "it was cancelled").ConfigureAwait(false);
            throw; // ReopenAsync always throws
        }
        return await PromoteAsync(context, state, old, candidate).ConfigureAwait(false);
    }

    private static async Task<long> PromoteAsync(ActionContext context, SwitchoverState state, NodeDefinition old, NodeDefinition candidate)
    {
        try
        {
            var outcome = await PromotionMark.PromoteAsync(context, candidate, CancellationToken.None).ConfigureAwait(false);
            return outcome.Outputs.TryGetValue("timeline", out var number) ? number.AsInt() : state.Timeline + 1;
        }
        catch (DbRecoveryException e) when (e.Id == ErrorIds.WrongNode)
        {
            // somebody else promoted it in this moment, with the very end of the old primary's log: then it is as it was to be
            var now = (await context.LookAsync([candidate], Look, CancellationToken.None).ConfigureAwait(false))[0];
            return now.IsPrimary() ? now.Facts.Int(PostgreSqlFacts.Timeline) ?? state.Timeline + 1
                : throw new DbRecoveryException(ErrorIds.OutcomeUnknown, ErrorKind.Failed, $"{e.Message}; that cannot be seen now: '{old.Name}' stays stopped", "Look at the candidate.", candidate.Name, e);
        }
        catch (DbRecoveryException e) when (PromotionMark.AskedNothing(e))
        {
            // known not to have happened: then, and only then, the old primary may be opened
            await ReopenAsync(context, old, e.Message).ConfigureAwait(false);
            throw;
        }
    }

    private static async Task StopAsync(ActionContext context, SwitchoverState state, NodeDefinition old, bool runs, CancellationToken cancellationToken)
    {
        var control = context.Provider.Require<IInstanceControl>("switchover");
        if (!runs && await control.StatusAsync(context.Cluster, old, Look, cancellationToken).ConfigureAwait(false) is { State: InstanceState.Stopped })
            return;
        await control.Stop(context.Cluster, old).RunAsync(state.Window, context.Progress, cancellationToken).ConfigureAwait(false);
    }

    private static async Task ArrivedAsync(ActionContext context, NodeDefinition old, NodeDefinition candidate, CancellationToken cancellationToken)
    {
        var replication = context.Replication("switchover");
        var end = LogPlace.Of(await replication.ShutdownPositionAsync(context.Cluster, old, cancellationToken).ConfigureAwait(false))
            ?? throw new DbRecoveryException(ErrorIds.StepFailed, ErrorKind.Failed, $"'{old.Name}' did not stop cleanly, so where its log ends is not known", target: old.Name);
        while (true)
        {
            var received = LogPlace.Of(await replication.ReceivedAsync(context.Cluster, candidate, cancellationToken).ConfigureAwait(false));
            // the checkpoint's record begins at its position, so to have it is to have gone beyond it; on another timeline it is not there, however far that goes
            if (received is { } has && has.Bytes > end.Bytes && has.Timeline == end.Timeline && await AppliesAsync(context, candidate, end, cancellationToken).ConfigureAwait(false))
                return;
            await Task.Delay(BetweenLooks, context.Clock, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Whether the candidate has applied the end, too. One that is asked before applies the rest first, for as long as a query there holds that back, and nobody
    /// could go back meanwhile. A pause or a delay of its replay ends with the promotion.
    /// </summary>
    private static async Task<bool> AppliesAsync(ActionContext context, NodeDefinition candidate, LogPlace end, CancellationToken cancellationToken)
    {
        var seen = (await context.LookAsync([candidate], Look, cancellationToken).ConfigureAwait(false))[0];
        return seen.Upstream is { } upstream && (upstream.Applied?.Ordinal is not { } applied || applied > end.Bytes
            || seen.Facts.Bool(PostgreSqlFacts.ReplayPaused) == true || (ReplicationView.Setting(seen, "recovery_min_apply_delay") is { } delay && delay != "0"));
    }

    /// <summary>Opens the old primary again and lets clients go on. It always throws, with why there was no switchover.</summary>
    private static async Task ReopenAsync(ActionContext context, NodeDefinition old, string because)
    {
        if (PromotionMark.IsSet(context.IncidentFolder))
        {
            throw new DbRecoveryException(ErrorIds.OutcomeUnknown, ErrorKind.Failed,
                $"{because}; the candidate was asked to become primary before, and may still do so: '{old.Name}' stays stopped", "Look at the candidate; start the old primary only where it certainly is not promoted.", old.Name);
        }
        if ((await context.LookAsync(context.Others(old), Look, CancellationToken.None).ConfigureAwait(false)).FirstOrDefault(n => n.IsPrimary()) is { } other)
        {
            throw new DbRecoveryException(ErrorIds.OutcomeUnknown, ErrorKind.Failed,
                $"{because}; somebody promoted '{other.Node}' meanwhile: '{old.Name}' stays stopped", "Look at the topology, and rejoin the old primary.", old.Name);
        }
        var told = "";
        try
        {
            var control = context.Provider.Require<IInstanceControl>("switchover");
            var status = await control.StatusAsync(context.Cluster, old, Look, CancellationToken.None).ConfigureAwait(false);
            // a stop that was asked for and has not ended yet ends first, or the start would meet the old process
            if (status.State == InstanceState.Running && (await context.LookAsync([old], Look, CancellationToken.None).ConfigureAwait(false))[0] is var seen && !seen.IsPrimary())
                await control.Stop(context.Cluster, old).RunAsync(Opening, context.Progress, CancellationToken.None).ConfigureAwait(false);
            if (!(await context.LookAsync([old], Look, CancellationToken.None).ConfigureAwait(false))[0].IsPrimary())
                await control.Start(context.Cluster, old).RunAsync(Opening, context.Progress, CancellationToken.None).ConfigureAwait(false);
            told = $"'{old.Name}' is primary as before";
        }
        catch (Exception e)
        {
            told = $"'{old.Name}' could not be opened again: {e.Message}";
        }
        try
        {
            if (context.Routes is { } routes)
                await routes.Resume(context.Cluster).RunAsync(Opening, context.Progress, CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            told += $"; clients are still held back: {e.Message}";
        }
        throw new DbRecoveryException(ErrorIds.StepFailed, ErrorKind.Failed, $"no switchover: {because}; {told}", "Look at what held it up, then ask again.", old.Name);
    }

    private static async Task<ActionResult> FinishAsync(ActionContext context, SwitchoverState state, Takeover takeover, NodeDefinition old, NodeDefinition candidate, long timeline, CancellationToken cancellationToken)
    {
        var siblings = state.Siblings.Select(context.Cluster.Node).ToList();
        var remarks = new List<string>();
        // clients wait for their route, and for nothing else that is to be done here: what the old primary acknowledged is all in the new one
        Func<Task>? open = context.Routes is { } routes
            ? () => context.TryAsync(remarks, "routes", routes.SetPrimary(context.Cluster, candidate), TimeSpan.FromSeconds(15), cancellationToken)
            : null;
        DbRecoveryException? failed = null;
        IReadOnlyDictionary<string, FactValue> facts = new Dictionary<string, FactValue>();
        try
        {
            (var told, facts) = await takeover.FollowUpAsync(siblings, state.LiftReadOnly, state.SynchronousNow, cancellationToken, open).ConfigureAwait(false);
            remarks.AddRange(told);
        }
        catch (DbRecoveryException e)
        {
            // clients wait, and the old primary is down: what is left is done all the same, and then this is told
            failed = e;
            if (open is not null)
                await open().ConfigureAwait(false);
        }
        if (!(await context.LookAsync([old], Look, cancellationToken).ConfigureAwait(false))[0].StreamsFrom(context.Cluster, candidate.Name))
            await context.TryAsync(remarks, $"'{old.Name}' does not follow yet", context.Provider.Require<IReplicaBuilder>("switchover").StartAsReplica(context.Cluster, old, candidate), Opening, cancellationToken).ConfigureAwait(false);
        await context.TryAsync(remarks, "checkpoint", context.Replication("switchover").AfterPromotion(context.Cluster, candidate), Opening, cancellationToken).ConfigureAwait(false);
        if (failed is not null)
            throw new DbRecoveryException(ErrorIds.OutcomeUnknown, failed.Kind, $"'{candidate.Name}' is primary, and what follows that is not all done: {failed.Message}", failed.RecommendedAction, candidate.Name, failed);
        return Result(state, timeline, remarks, facts);
    }

    protected override async Task<Reconciliation> ReconcileCoreAsync(ActionContext context, SwitchoverState state, CancellationToken cancellationToken)
    {
        if (state.Managed)
            return await ManagedTakeover.ReconcileAsync(context, state.Old, cancellationToken).ConfigureAwait(false);
        var (old, candidate) = (context.Cluster.Node(state.Old), context.Cluster.Node(state.Candidate));
        var nodes = await context.LookAsync([old, candidate], Look, cancellationToken).ConfigureAwait(false);
        if (nodes[1] is not { Reachability: Reachability.Reachable })
            return new Reconciliation(ReconcileOutcome.Unknown, $"'{state.Candidate}' does not answer, and may have been promoted");
        if (nodes[1].IsPrimary() && nodes[0].StreamsFrom(context.Cluster, candidate.Name)
            && (await context.Replication("switchover").ReadEpochAsync(context.Cluster, candidate, cancellationToken).ConfigureAwait(false))?.Incident == context.IncidentId)
        {
            return new Reconciliation(ReconcileOutcome.Done, $"'{candidate.Name}' is primary and '{old.Name}' follows it", Result(state, nodes[1].Facts.Int(PostgreSqlFacts.Timeline) ?? state.Timeline + 1, [], new Dictionary<string, FactValue>()));
        }
        // the same nodes take the same parts again; what was done already is not done twice
        return new Reconciliation(ReconcileOutcome.NotDone, nodes[1].IsPrimary() ? $"'{candidate.Name}' is promoted, and what follows that is to be done" : $"'{candidate.Name}' is still a replica");
    }

    private static ActionResult Result(SwitchoverState state, long timeline, IReadOnlyList<string> remarks, IReadOnlyDictionary<string, FactValue> facts) => new()
    {
        Summary = $"'{state.Candidate}' is primary on timeline {timeline} in the place of '{state.Old}'.{string.Concat(remarks.Select(r => $" {r}."))}",
        Outputs = new Dictionary<string, FactValue>(facts) { ["newPrimary"] = state.Candidate, ["oldPrimary"] = state.Old, ["timeline"] = timeline },
    };
}
