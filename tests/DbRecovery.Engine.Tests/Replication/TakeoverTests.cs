using DbRecovery.Engine.Actions;
using DbRecovery.Engine.Replication;

namespace DbRecovery.Engine.Tests.Replication;

/// <summary>Takeovers into which something comes at the worst moment.</summary>
public sealed class TakeoverTests : IDisposable
{
    private readonly FakeCluster _cluster = new();
    private readonly FailoverAction _action = new();

    public void Dispose() => _cluster.Dispose();

    private async Task<ActionPlan> PlanAsync(ActionContext context, string candidate = "", string old = "a") =>
        await _action.PlanAsync(context, new FailoverOptions { Old = old, Candidate = candidate, Settle = FakeCluster.Time }, default);

    private async Task<ActionResult> TakeOverAsync(ActionContext context, string candidate = "", string old = "a") =>
        await _action.ExecuteAsync(context, await PlanAsync(context, candidate, old), default);

    private static async Task FailsAsync(string id, Func<Task> act) => Assert.Equal(id, (await Assert.ThrowsAsync<DbRecoveryException>(act)).Id);

    [Fact]
    public async Task A_takeover_numbers_itself_after_the_one_before_though_that_was_made_from_another_machine()
    {
        _cluster["b"].Epoch = new FencingEpoch(57, "a", DateTimeOffset.UnixEpoch, "another");
        await TakeOverAsync(_cluster.Context());
        Assert.Equal((58L, "b"), (_cluster["b"].Epoch!.Epoch, _cluster["b"].Epoch!.Primary));
    }

    [Fact]
    public async Task One_that_was_named_takes_over_though_another_has_more_but_not_where_that_has_got_more_since()
    {
        (_cluster["b"].Bytes, _cluster["c"].Bytes) = (900, 1000);
        var context = _cluster.Context();
        var plan = await PlanAsync(context, "b");
        Assert.True(plan.Loss!.Bytes >= 100);
        _cluster["c"].Bytes = 1001;
        await FailsAsync(ErrorIds.NoCandidate, () => _action.ExecuteAsync(context, plan, default));
        await TakeOverAsync(context, "b");
        Assert.Equal(NodeRole.Primary, _cluster["b"].Role);
    }

    [Fact]
    public async Task One_with_damaged_data_takes_over_only_after_every_sound_one_and_where_a_person_agrees()
    {
        (_cluster["b"].Damaged, _cluster["c"].Bytes) = (true, 900);
        var plan = await PlanAsync(_cluster.Context());
        Assert.Equal((null, "c"), (plan.ApprovalBecause, plan.PlannedOutputs["newPrimary"].AsText()));
        // what it has and the sound one lacks is lost, and told
        Assert.True(plan.Loss!.Bytes >= 100);
        Assert.Contains(plan.Acts, a => a.Target == "b" && a.Kind == ActKind.Read);
        _cluster["c"].Reachability = Reachability.TimedOut;
        plan = await PlanAsync(_cluster.Context());
        Assert.NotNull(plan.ApprovalBecause);
        Assert.Equal("b", plan.PlannedOutputs["newPrimary"].AsText());
        Assert.Null((await PlanAsync(_cluster.Context(), "b")).ApprovalBecause);
    }

    [Theory]
    [InlineData(900, 1)] // it has more
    [InlineData(1000, 2)] // it is of a later timeline
    public async Task A_node_that_answers_again_and_is_ahead_is_not_passed_over(long others, long timeline)
    {
        (_cluster["b"].Bytes, _cluster["c"].Bytes, _cluster["c"].Timeline, _cluster["c"].Reachability) = (others, 1000, timeline, Reachability.TimedOut);
        var context = _cluster.Context();
        var plan = await PlanAsync(context);
        _cluster["c"].Reachability = Reachability.Reachable;
        await FailsAsync(ErrorIds.NoCandidate, () => _action.ExecuteAsync(context, plan, default));
        Assert.DoesNotContain(_cluster.Did, d => d.StartsWith("promote", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_candidate_that_becomes_primary_between_the_last_look_and_the_promotion_is_gone_on_with()
    {
        _cluster.On["promote b"] = _ =>
        {
            (_cluster["b"].Role, _cluster["b"].Timeline) = (NodeRole.Primary, 2);
            throw new DbRecoveryException(ErrorIds.WrongNode, ErrorKind.Refused, "it is a primary already");
        };
        var context = _cluster.Context();
        var plan = await PlanAsync(context);
        await FailsAsync(ErrorIds.OutcomeUnknown, () => _action.ExecuteAsync(context, plan, default));
        Assert.Equal(ReconcileOutcome.NotDone, (await _action.ReconcileAsync(context, plan, default)).Outcome);
        await _action.ExecuteAsync(context, plan, default);
        Assert.Equal(ReconcileOutcome.Done, (await _action.ReconcileAsync(context, plan, default)).Outcome);
    }

    [Theory]
    [InlineData(Reachability.Absent, null, null, null, 0)] // its machine refuses connections, and always did
    [InlineData(Reachability.Absent, 60, null, null, 60)] // it gave no answer, and was seen to be gone a minute later
    [InlineData(Reachability.Absent, null, 900, null, 900)] // a fence stopped it when somebody had agreed
    [InlineData(Reachability.Absent, 0, 900, null, 0)] // that met with one that was gone
    [InlineData(Reachability.TimedOut, null, null, null, 10)]
    [InlineData(Reachability.TimedOut, null, null, 900, 910)] // a person is asked first, and it may write on
    [InlineData(Reachability.Refusing, null, null, 900, 910)]
    [InlineData(Reachability.TimedOut, 0, null, 900, 0)]
    [InlineData(Reachability.TimedOut, null, 300, 900, 300)]
    public async Task What_a_silent_primary_may_have_written_until_it_was_gone_is_in_the_loss(Reachability now, int? goneAfter, int? stoppedAfter, int? answeredAfter, int seconds)
    {
        var last = _cluster.Last!;
        DateTimeOffset? After(int? time) => time is { } t ? last.At + TimeSpan.FromSeconds(t) : null;
        _cluster.Last = last with { BytesPerSecond = 1_000_000, GoneAt = After(goneAfter) };
        _cluster["a"].Reachability = now;
        var context = _cluster.Context() with
        {
            AnsweredBy = After(answeredAfter),
            Fault = new Fault { Id = "pg.primary.dead", Severity = FaultSeverity.Outage, Confidence = FaultConfidence.Likely, Cluster = "c", Engine = "fake", Node = "a", Summary = "", DetectedAt = last.At, Evidence = [] },
            DoneAt = new Dictionary<string, DateTimeOffset?> { ["fence"] = After(stoppedAfter) },
        };
        Assert.Equal(Math.Max(65536, seconds * 2_000_000L), (await PlanAsync(context)).Loss!.Bytes);
    }

    [Theory]
    [InlineData(5, 10)]
    [InlineData(600, 600)] // somebody agreed to a fence that proves nothing, and thought about it
    public async Task What_a_silent_primary_that_no_fence_stopped_writes_until_the_promotion_is_in_the_loss(int later, int seconds)
    {
        var clock = new MovedTime();
        using var cluster = new FakeCluster { Clock = clock };
        var last = cluster.Last = cluster.Last! with { BytesPerSecond = 1_000_000 };
        (cluster["a"].Reachability, clock.By) = (Reachability.TimedOut, TimeSpan.FromSeconds(later));
        var context = cluster.Context(FenceLevel.BestEffort) with
        {
            Fault = new Fault { Id = "pg.primary.dead", Severity = FaultSeverity.Outage, Confidence = FaultConfidence.Likely, Cluster = "c", Engine = "fake", Node = "a", Summary = "", DetectedAt = last.At, Evidence = [] },
        };
        Assert.True((await PlanAsync(context)).Loss!.Bytes >= seconds * 2_000_000L);
    }

    [Fact]
    public async Task A_fence_of_another_node_is_no_fence_of_the_old_primary()
    {
        // whoever wrote the runbook named a node that was primary once
        _cluster["a"].Instance = InstanceState.Unknown;
        _cluster.On["kill a"] = _ => throw new DbRecoveryException(ErrorIds.StepFailed, ErrorKind.Failed, "its machine does not answer");
        var (context, fence) = (_cluster.Context(fence: null), new FenceAction());
        var fenced = await fence.ExecuteAsync(context, await fence.PlanAsync(context, new FenceOptions { Node = "c" }, default), default);
        Assert.Equal(FenceLevel.Stopped, fenced.Outputs["level"].AsInt());
        context = _cluster.Context(fence: null) with { Done = new Dictionary<string, IReadOnlyDictionary<string, FactValue>> { ["fence"] = fenced.Outputs } };
        await FailsAsync(ErrorIds.FencingFailed, () => TakeOverAsync(context));
        Assert.DoesNotContain("promote b", _cluster.Did);
    }

    [Theory]
    [InlineData("", "b")]
    [InlineData("b", "b")]
    [InlineData("c", null)] // there would be two when the first comes to it
    public async Task Who_was_asked_to_become_primary_before_and_may_still_is_the_only_one_who_does(string named, string? promoted)
    {
        (_cluster["b"].Bytes, _cluster["c"].Bytes) = (900, 1000);
        var context = _cluster.Context() with { AskedPromotions = () => [new AskedPromotion("i0", "b", 1)] };
        if (promoted is not null)
            await TakeOverAsync(context, named);
        else
            await FailsAsync(ErrorIds.NoCandidate, () => TakeOverAsync(context, named));
        Assert.Equal(promoted is null ? [] : [$"promote {promoted}"], _cluster.Did.Where(d => d.StartsWith("promote", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task What_came_of_a_promotion_that_was_asked_for_is_known_by_a_later_timeline()
    {
        // 'a' was asked on timeline 1, took over, and is the one that falls now
        (_cluster["b"].Timeline, _cluster["c"].Timeline) = (2, 2);
        _cluster.Last = _cluster.Last! with { Position = new LogPosition("lsn", "", "2", 1000) };
        await TakeOverAsync(_cluster.Context() with { AskedPromotions = () => [new AskedPromotion("i0", "a", 1)] }, "c");
        Assert.Contains("promote c", _cluster.Did);
    }

    [Theory]
    [InlineData("c follows b", ErrorIds.OutcomeUnknown, false)] // it did not come to that
    [InlineData("promote b", ErrorIds.OutcomeUnknown, true)]
    [InlineData("promote b", ErrorIds.StepFailed, false)] // certainly not
    public async Task What_was_asked_is_on_disk_and_what_certainly_was_not_is_not(string at, string error, bool asked)
    {
        _cluster.Last = _cluster.Last! with { Synchronous = ["b", "c"], SynchronousRequired = 1 };
        _cluster.On[at] = _ => throw new DbRecoveryException(error, ErrorKind.Failed, "no answer");
        await FailsAsync(error, () => TakeOverAsync(_cluster.Context(FenceLevel.Denied), "b"));
        Assert.Equal(asked, _action.MayStillComeToPass(_cluster.Cluster, _cluster.Folder));
    }

    [Fact]
    public async Task Where_two_take_writes_nobody_is_led_to_either()
    {
        (_cluster["a"].Reachability, _cluster["b"].Role) = (Reachability.Reachable, NodeRole.Primary);
        await FailsAsync(ErrorIds.WrongNode, () => new FollowAction().PlanAsync(_cluster.Context(), new FollowOptions { Node = "c" }, default));
        await FailsAsync(ErrorIds.WrongNode, () => new SetSyncAction().PlanAsync(_cluster.Context(), new SetSyncOptions { Required = 1, Replicas = ["c"] }, default));
    }

    [Theory]
    [InlineData(0, 1, -1, 1, false)] // the primary's own setting, of which no policy speaks, is somebody's too
    [InlineData(0, 1, 0, 0, true)]
    [InlineData(0, 0, -1, 0, false)]
    [InlineData(1, 2, -1, 1, false)] // the policy says so
    [InlineData(1, 1, 0, 0, true)]
    public async Task Whoever_lets_commits_wait_for_fewer_needs_an_agreement(int policy, long now, int required, int expected, bool asks)
    {
        _cluster.Cluster = _cluster.Cluster with { Policy = new PolicySettings { Synchronous = policy } };
        (_cluster["a"].Reachability, _cluster["a"].Required, _cluster["b"].Streams, _cluster["c"].Streams) = (Reachability.Reachable, now, "a", "a");
        var plan = await new SetSyncAction().PlanAsync(_cluster.Context(), new SetSyncOptions { Required = required }, default);
        Assert.Equal((asks, $"a waits for {expected}"), (plan.ApprovalBecause is not null, plan.Acts.Single().Detail));
    }

    [Fact]
    public async Task Commits_wait_for_those_who_receive_from_the_primary_itself()
    {
        _cluster.Cluster = _cluster.Cluster with { Policy = new PolicySettings { Synchronous = 1 } };
        // 'c' follows a replica that follows nobody
        (_cluster["a"].Reachability, _cluster["c"].Streams) = (Reachability.Reachable, "b");
        await SetAsync("b,c");
        _cluster["b"].Streams = "a";
        await SetAsync("b");

        async Task SetAsync(string names)
        {
            var context = _cluster.Context();
            await new SetSyncAction().ExecuteAsync(context, await new SetSyncAction().PlanAsync(context, new SetSyncOptions(), default), default);
            Assert.Equal(names, _cluster["a"].SyncNames);
        }
    }

    [Fact]
    public async Task Nobody_is_promoted_where_a_replica_receives_again_at_the_last_look()
    {
        var context = _cluster.Context();
        var plan = await PlanAsync(context);
        (_cluster["c"].Streams, _cluster["c"].Bytes) = ("a", _cluster["c"].Bytes + 100);
        await FailsAsync(ErrorIds.FencingFailed, () => _action.ExecuteAsync(context, plan, default));
    }

    [Theory]
    [InlineData(1000, true)]
    [InlineData(1100, false)] // it received, and so acknowledged, in the moment before
    public async Task What_a_standby_acknowledged_until_it_was_led_away_is_not_lost(long has, bool promoted)
    {
        _cluster.Last = _cluster.Last! with { Synchronous = ["b", "c"], SynchronousRequired = 1 };
        _cluster.On["c follows b"] = _ =>
        {
            _cluster["c"].Bytes = has;
            return Task.CompletedTask;
        };
        var context = _cluster.Context(FenceLevel.Denied);
        var plan = await PlanAsync(context);
        Assert.Equal(0, plan.Loss!.Bytes);
        if (promoted)
            await _action.ExecuteAsync(context, plan, default);
        else
            await FailsAsync(ErrorIds.NoCandidate, () => _action.ExecuteAsync(context, plan, default));
        Assert.Equal(promoted, _cluster.Did.Contains("promote b"));
    }

    [Theory]
    [InlineData(null, null, true)]
    [InlineData("c", null, false)] // it may be the primary
    [InlineData(null, "elsewhere", false)] // somebody sends
    public async Task Where_nobody_knows_the_primary_every_node_is_seen_to_be_none(string? silent, string? sender, bool promoted)
    {
        using var cluster = new FakeCluster("b", "c") { Last = null };
        cluster.Cluster = cluster.Cluster with { Nodes = [.. cluster.Cluster.Nodes.Where(n => n.Name != "a")] };
        if (silent is not null)
            cluster[silent].Reachability = Reachability.TimedOut;
        cluster["c"].Streams = sender;
        var context = cluster.Context(fence: null);
        var plan = await PlanAsync(context, "b", old: "");
        if (promoted)
            await _action.ExecuteAsync(context, plan, default);
        else
            await FailsAsync(ErrorIds.FencingFailed, () => _action.ExecuteAsync(context, plan, default));
        Assert.Equal(promoted, cluster.Did.Contains("promote b"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)] // what cannot be had before is done after it
    public async Task Whom_the_new_primary_waits_for_is_set_before_its_first_commit(bool late)
    {
        _cluster.Cluster = _cluster.Cluster with { Policy = _cluster.Cluster.Policy with { Synchronous = 1 } };
        if (late)
            _cluster.On["b waits for 1"] = _ => _cluster["b"].Role == NodeRole.Replica ? throw new DbRecoveryException(ErrorIds.StepFailed, ErrorKind.Failed, "not now") : Task.CompletedTask;
        var context = _cluster.Context();
        var plan = await PlanAsync(context, "b");
        string[] shown = [.. plan.Acts.Select(a => a.Detail)];
        Assert.True(Array.IndexOf(shown, "b waits for 1") < Array.IndexOf(shown, "promote b"));
        await _action.ExecuteAsync(context, plan, default);
        var did = _cluster.Did.ToList();
        Assert.Equal(late ? 2 : 1, did.Count(d => d == "b waits for 1"));
        Assert.True(did.IndexOf("b waits for 1") < did.IndexOf("promote b"));
        Assert.Equal("c", _cluster["b"].SyncNames);
    }

    [Theory]
    [InlineData(true, 1L, "a,c", "b waits for 1")]
    [InlineData(true, null, "a,c", "b waits for 1")] // who follows cannot be seen
    [InlineData(true, 0L, "", "b waits for 0")] // nobody comes: it would wait for ever
    [InlineData(false, 0L, "", "b waits for 0")]
    public async Task What_was_set_by_hand_goes_on_where_enough_follow_and_its_end_is_told(bool answers, long? present, string names, string done)
    {
        var clock = new MovedTime();
        using var cluster = new FakeCluster { Clock = clock };
        cluster.Looking = _ => clock.By += TimeSpan.FromSeconds(3);
        cluster.Last = cluster.Last! with { Synchronous = ["b", "c"], SynchronousRequired = 1 };
        (cluster["b"].SyncNames, cluster["b"].SyncPresent, cluster["c"].Reachability) = ("a,c", present, answers ? Reachability.Reachable : Reachability.TimedOut);
        var result = await TakeOverAsync(cluster.Context());
        Assert.Equal(names, cluster["b"].SyncNames);
        Assert.Contains(done, cluster.Did);
        Assert.Equal(names.Length == 0, result.Summary.Contains("acknowledges without a replica", StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_fails_after_the_promotion_is_done_by_the_next_attempt_with_the_same_plan()
    {
        var denied = true;
        _cluster.On["epoch b"] = _ => denied ? throw new DbRecoveryException(ErrorIds.PrivilegeMissing, ErrorKind.PermissionDenied, "no right to write") : Task.CompletedTask;
        var context = _cluster.Context();
        var plan = await PlanAsync(context);
        await FailsAsync(ErrorIds.OutcomeUnknown, () => _action.ExecuteAsync(context, plan, default));
        Assert.Equal(ReconcileOutcome.NotDone, (await _action.ReconcileAsync(context, plan, default)).Outcome);
        denied = false;
        await _action.ExecuteAsync(context, plan, default);
        Assert.Single(_cluster.Did, d => d == "promote b");
        Assert.Equal(ReconcileOutcome.Done, (await _action.ReconcileAsync(context, plan, default)).Outcome);
    }

    [Theory]
    [InlineData(1000, "a", true)]
    [InlineData(1001, "a", true)] // it was looked at a moment after the primary
    [InlineData(1001, null, false)]
    [InlineData(1001, "c", false)]
    public async Task Nothing_is_lost_with_a_replica_that_has_all_it_has_from_the_primary(long has, string? from, bool nothing)
    {
        (_cluster["a"].Reachability, _cluster["b"].Bytes, _cluster["b"].Streams) = (Reachability.Reachable, has, from);
        var plan = await new RebuildReplicaAction().PlanAsync(_cluster.Context() with { Acting = false, Done = new Dictionary<string, IReadOnlyDictionary<string, FactValue>>() }, new CopyReplicaOptions { Node = "b" }, default);
        Assert.Equal(nothing, plan.Loss is null);
    }

    [Fact]
    public async Task A_former_primary_that_came_back_is_followed_by_nobody()
    {
        // 'b' took over and is away; 'a' takes writes again
        _cluster.Last = _cluster.Last! with { Node = "b", Position = new LogPosition("lsn", "", "2", 2000) };
        (_cluster["a"].Reachability, _cluster["b"].Reachability, _cluster["b"].Instance, _cluster["c"].Timeline) = (Reachability.Reachable, Reachability.Absent, InstanceState.Stopped, 2);
        foreach (var node in new[] { "b", "c" })
        {
            await FailsAsync(ErrorIds.WrongNode, () => new RejoinAction().PlanAsync(_cluster.Context(), new RejoinOptions { Node = node }, default));
            await FailsAsync(ErrorIds.WrongNode, () => new FollowAction().PlanAsync(_cluster.Context(), new FollowOptions { Node = node }, default));
        }
    }
}

/// <summary>Fences that meet with a machine that hangs, and with what is known from long ago.</summary>
public sealed class LadderTests
{
    [Fact]
    public async Task A_kill_that_hangs_on_its_way_leaves_the_time_for_the_next_rung()
    {
        var clock = new SetTime();
        using var cluster = new FakeCluster { Clock = clock, CanPowerOff = true };
        cluster["a"].Instance = InstanceState.Running;
        cluster.On["kill a"] = token => Task.Delay(Timeout.Infinite, token);
        var climbing = new FencingLadder(cluster.Context() with { Timeout = TimeSpan.FromSeconds(10) }, cluster.Cluster.Node("a")).ClimbAsync(default);
        await Wait.UntilAsync(() =>
        {
            clock.Advance(TimeSpan.FromMilliseconds(100));
            return climbing.IsCompleted;
        }, "the fence");
        Assert.Equal(FenceLevel.PoweredOff, (await climbing).Level);
    }

    [Theory]
    [InlineData(10, FenceLevel.Denied)]
    [InlineData(600, FenceLevel.BestEffort)] // what it waits for may have been changed since
    public async Task A_quorum_denies_only_as_long_as_it_is_known_that_it_is_asked_for(int secondsAgo, int level)
    {
        using var cluster = new FakeCluster();
        cluster["a"].Instance = InstanceState.Unknown;
        cluster.On["kill a"] = _ => throw new DbRecoveryException(ErrorIds.StepFailed, ErrorKind.Failed, "its machine does not answer");
        cluster.Last = cluster.Last! with { Synchronous = ["b", "c"], SynchronousRequired = 1, SeenAt = cluster.Clock.GetUtcNow() - TimeSpan.FromSeconds(secondsAgo) };
        Assert.Equal(level, (await new FencingLadder(cluster.Context(), cluster.Cluster.Node("a")).ClimbAsync(default)).Level);
    }
}
