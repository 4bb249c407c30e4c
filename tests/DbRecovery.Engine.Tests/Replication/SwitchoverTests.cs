using DbRecovery.Engine.Actions;

namespace DbRecovery.Engine.Tests.Replication;

/// <summary>Switchovers into which somebody else comes.</summary>
public sealed class SwitchoverTests : IDisposable
{
    private readonly SetTime _time = new();
    private readonly FakeCluster _cluster;
    private readonly SwitchoverAction _action = new();

    public SwitchoverTests()
    {
        _cluster = new FakeCluster { Clock = _time };
        (_cluster["a"].Reachability, _cluster["a"].Instance) = (Reachability.Reachable, InstanceState.Running);
        (_cluster["b"].Streams, _cluster["c"].Streams) = ("a", "a");
    }

    public void Dispose() => _cluster.Dispose();

    private async Task<ActionResult> SwitchAsync()
    {
        var context = _cluster.Context();
        var plan = await _action.PlanAsync(context, new SwitchoverOptions { Candidate = "b", Window = FakeCluster.Time }, default);
        return await _action.ExecuteAsync(context, plan, default);
    }

    /// <summary>A switchover whose time is over once the old primary is stopped, and the id of its error.</summary>
    private async Task<string> RunsOutAsync()
    {
        var switching = SwitchAsync();
        await Wait.UntilAsync(() =>
        {
            if (_cluster["a"].Instance == InstanceState.Stopped)
                _time.Advance(FakeCluster.Time);
            return switching.IsCompleted;
        }, "the end of the switchover");
        return (await Assert.ThrowsAsync<DbRecoveryException>(() => switching)).Id;
    }

    [Fact]
    public async Task It_hands_over_and_nobody_is_started_as_a_primary()
    {
        await SwitchAsync();
        Assert.Equal((NodeRole.Primary, InstanceState.Stopped), (_cluster["b"].Role, _cluster["a"].Instance));
        Assert.Equal(7, _cluster["b"].Epoch!.Epoch);
    }

    [Theory]
    [InlineData(false, "c", false)]
    [InlineData(true, "b", false)] // a synchronous one is not preferred where its data are damaged
    [InlineData(true, "c", true)] // nobody else streams
    public async Task A_synchronous_replica_takes_over_before_others_where_it_is_sound(bool damaged, string expected, bool alone)
    {
        (_cluster["a"].Waits, _cluster["c"].Damaged) = (["c"], damaged);
        if (alone)
            _cluster["b"].Streams = null;
        var plan = await _action.PlanAsync(_cluster.Context(), new SwitchoverOptions(), default);
        Assert.Equal(expected, plan.PlannedOutputs["newPrimary"].AsText());
        Assert.Equal(damaged && alone, plan.ApprovalBecause is not null);
    }

    [Fact]
    public async Task Where_somebody_else_promotes_the_candidate_first_the_old_primary_stays_stopped()
    {
        _cluster.On["promote b"] = _ =>
        {
            (_cluster["b"].Role, _cluster["b"].Timeline) = (NodeRole.Primary, 2);
            throw new DbRecoveryException(ErrorIds.WrongNode, ErrorKind.Refused, "it is a primary already");
        };
        await SwitchAsync();
        Assert.DoesNotContain("start a", _cluster.Did);
        Assert.Equal("b", _cluster["c"].Streams);
    }

    [Fact]
    public async Task Where_somebody_else_promotes_another_meanwhile_the_old_primary_stays_stopped()
    {
        // the candidate never gets the end, and 'c' was made primary by another tool
        _cluster.On["stop a"] = _ =>
        {
            _cluster["b"].Bytes = 1;
            (_cluster["c"].Role, _cluster["c"].Timeline) = (NodeRole.Primary, 2);
            return Task.CompletedTask;
        };
        Assert.Equal(ErrorIds.OutcomeUnknown, await RunsOutAsync());
        Assert.DoesNotContain("start a", _cluster.Did);
    }

    [Fact]
    public async Task What_another_timeline_has_is_not_the_end_of_the_old_primarys_log()
    {
        _cluster.On["stop a"] = _ =>
        {
            (_cluster["b"].Role, _cluster["b"].Timeline, _cluster["b"].Bytes) = (NodeRole.Primary, 2, 5000);
            return Task.CompletedTask;
        };
        Assert.Equal(ErrorIds.OutcomeUnknown, await RunsOutAsync());
        Assert.DoesNotContain("start a", _cluster.Did);
    }

    [Fact]
    public async Task A_candidate_that_never_gets_the_end_leaves_everything_as_it_was()
    {
        _cluster.On["stop a"] = _ =>
        {
            _cluster["b"].Bytes = 1;
            return Task.CompletedTask;
        };
        Assert.Equal(ErrorIds.StepFailed, await RunsOutAsync());
        Assert.Contains("start a", _cluster.Did);
        Assert.DoesNotContain("promote b", _cluster.Did);
    }

    [Fact]
    public async Task What_nobody_foresaw_leaves_everything_as_it_was_too()
    {
        _cluster.On["stop a"] = _ =>
        {
            _cluster["a"].Reachability = Reachability.Absent;
            return _cluster.Did.Count(d => d == "stop a") == 1 ? throw new IOException("the way to its machine broke") : Task.CompletedTask;
        };
        Assert.Equal(ErrorIds.StepFailed, (await Assert.ThrowsAsync<DbRecoveryException>(() => SwitchAsync())).Id);
        Assert.Contains("start a", _cluster.Did);
    }

    [Fact]
    public async Task A_candidate_that_does_not_apply_what_it_has_is_not_asked_to_become_primary()
    {
        // a query there holds back its replay: asked, it would become primary whenever that ends
        _cluster["b"].Applied = 1;
        Assert.Equal(ErrorIds.StepFailed, await RunsOutAsync());
        Assert.Contains("start a", _cluster.Did);
        Assert.DoesNotContain("promote b", _cluster.Did);
    }

    [Fact]
    public async Task One_whose_replay_is_paused_is_asked_for_a_promotion_ends_the_pause()
    {
        (_cluster["b"].Applied, _cluster["b"].Paused) = (1, true);
        await SwitchAsync();
        Assert.Equal(NodeRole.Primary, _cluster["b"].Role);
    }

    [Fact]
    public async Task After_a_promotion_of_which_nobody_knows_the_old_primary_is_not_opened_though_the_next_one_certainly_fails()
    {
        _cluster.On["promote b"] = _ => throw (_cluster.Did.Count(d => d == "promote b") == 1
            ? new DbRecoveryException(ErrorIds.OutcomeUnknown, ErrorKind.Timeout, "it may still become primary")
            : new DbRecoveryException(ErrorIds.ConnectionFailed, ErrorKind.Failed, "it takes no connection"));
        var context = _cluster.Context();
        var plan = await _action.PlanAsync(context, new SwitchoverOptions { Candidate = "b", Window = FakeCluster.Time }, default);
        for (var attempt = 1; attempt <= 2; attempt++)
            Assert.Equal(ErrorIds.OutcomeUnknown, (await Assert.ThrowsAsync<DbRecoveryException>(() => _action.ExecuteAsync(context, plan, default))).Id);
        Assert.Equal(2, _cluster.Did.Count(d => d == "promote b"));
        Assert.DoesNotContain("start a", _cluster.Did);
    }

    [Fact]
    public async Task What_fails_after_the_promotion_keeps_nothing_else_from_being_done()
    {
        _cluster.On["epoch b"] = _ => throw new DbRecoveryException(ErrorIds.PrivilegeMissing, ErrorKind.PermissionDenied, "no right to write");
        Assert.Equal(ErrorIds.OutcomeUnknown, (await Assert.ThrowsAsync<DbRecoveryException>(() => SwitchAsync())).Id);
        Assert.Contains("checkpoint b", _cluster.Did);
        Assert.Equal("b", _cluster["c"].Streams);
    }
}
