using DbRecovery.Engine.Actions;
using DbRecovery.Engine.Replication;
using NSubstitute;

namespace DbRecovery.Engine.Tests.Replication;

/// <summary>Whether a primary that is silent, and runs, is fenced.</summary>
public sealed class FenceTests
{
    private readonly IInstanceControl _control = Substitute.For<IInstanceControl>();

    [Theory]
    [InlineData("node.hung", "", 'S', false, false)] // it runs, and too few have lost it
    [InlineData("node.hung", "", 'T', false, true)] // it is frozen
    [InlineData("node.hung", "", 'D', false, true)] // its disk holds it
    [InlineData("node.hung", "", 'S', true, true)] // most have lost it
    [InlineData("pg.primary.dead", "host-unreachable", 'S', false, false)]
    [InlineData("pg.primary.dead", "host-unreachable", 'S', true, true)]
    [InlineData("node.host-unreachable", "", 'S', false, false)]
    [InlineData("pg.primary.dead", "process-down", 'S', false, true)] // its port refuses: that is more than a silence
    [InlineData("pg.primary.crash-loop", "", 'S', false, true)]
    [InlineData("planned.failover", "", 'S', false, true)] // a person asked for it
    public async Task A_primary_that_runs_and_is_merely_out_of_reach_is_left_alone(string fault, string cause, char state, bool majority, bool fenced)
    {
        Machine(new InstanceStatus(InstanceState.Running, "process 7 works", 7, state));
        var planning = new FenceAction().PlanAsync(Context(fault, cause, majority), new FenceOptions { Node = "n1" }, default);
        if (fenced)
            Assert.Contains((await planning).Acts, a => a.Destructive);
        else
            Assert.Equal((ErrorIds.FencingFailed, ErrorKind.Refused), await Assert.ThrowsAsync<DbRecoveryException>(() => planning) is var e ? (e.Id, e.Kind) : default);
    }

    [Theory]
    [InlineData(InstanceState.Stopped)]
    [InlineData(InstanceState.Unknown)]
    public async Task What_its_machine_does_not_say_to_run_is_fenced_as_before(InstanceState state)
    {
        Machine(new InstanceStatus(state, "says its machine"));
        Assert.NotEmpty((await new FenceAction().PlanAsync(Context("node.hung", "", false), new FenceOptions { Node = "n1" }, default)).Acts);
    }

    [Theory]
    [InlineData(FenceLevel.Denied, false)]
    [InlineData(FenceLevel.Stopped, true)]
    public async Task A_lower_level_than_the_one_asked_for_needs_an_agreement(int atLeast, bool asks)
    {
        using var cluster = new FakeCluster();
        cluster["a"].Instance = InstanceState.Unknown;
        cluster.Last = cluster.Last! with { Synchronous = ["b", "c"], SynchronousRequired = 1 };
        var plan = await new FenceAction().PlanAsync(cluster.Context(fence: null), new FenceOptions { Node = "a", AtLeast = atLeast }, default);
        Assert.Equal((long)FenceLevel.Denied, plan.PlannedOutputs["level"].AsInt());
        Assert.Equal(asks, plan.ApprovalBecause is not null);
    }

    [Theory]
    [InlineData("pg.primary.dead", true)]
    [InlineData("node.hung", true)]
    [InlineData("pg.primary.crash-loop", false)] // that it answers is no end of that
    [InlineData("topology.split-brain", false)]
    [InlineData("planned.failover", false)] // a person asked for it
    [InlineData("pg.primary.dead", false, true)] // somebody may become primary beside it
    public async Task One_that_was_silent_and_is_primary_again_is_left_alone(string id, bool alone, bool asked = false)
    {
        using var cluster = new FakeCluster();
        cluster["a"].Instance = InstanceState.Unknown;
        var (fence, options, plan) = (new FenceAction(), new FenceOptions { Node = "a", AtLeast = FenceLevel.BestEffort }, await new FenceAction().PlanAsync(Now(), new FenceOptions { Node = "a" }, default));
        // a person thought about it, or a process ended and another goes on
        (cluster["a"].Reachability, cluster["a"].Instance) = (Reachability.Reachable, InstanceState.Running);
        if (alone)
        {
            Assert.Equal(ErrorIds.FaultGone, (await Assert.ThrowsAsync<DbRecoveryException>(() => fence.PlanAsync(Now(), options, default))).Id);
            Assert.Equal(ErrorIds.FaultGone, (await Assert.ThrowsAsync<DbRecoveryException>(() => fence.ExecuteAsync(Now(), plan, default))).Id);
        }
        else
        {
            await fence.PlanAsync(Now(), options, default);
            await fence.ExecuteAsync(Now(), plan, default);
        }
        Assert.Equal(alone ? [] : ["kill a"], cluster.Did);

        ActionContext Now() => cluster.Context(fence: null) with
        {
            AskedPromotions = () => asked ? [new AskedPromotion("i0", "b", 1)] : [],
            Fault = new Fault
            {
                Id = id, Severity = FaultSeverity.Outage, Confidence = FaultConfidence.Likely, Cluster = "c", Engine = "fake", Node = "a", Summary = "it is silent", DetectedAt = DateTimeOffset.UnixEpoch, Evidence = [],
                Details = new Dictionary<string, FactValue> { ["majority"] = true },
            },
        };
    }

    private void Machine(InstanceStatus status)
    {
        var operation = new NodeOperation([new PlannedAct(ActKind.Command, "n1", "kill", Destructive: true)], (_, _, _) => Task.FromResult(new OperationOutcome("done")));
        _control.UnavailableBecause(default!, default!).ReturnsForAnyArgs((string?)null);
        _control.StatusAsync(default!, default!, default, default).ReturnsForAnyArgs(status);
        _control.Kill(default!, default!).ReturnsForAnyArgs(operation);
        _control.HoldDown(default!, default!).ReturnsForAnyArgs((NodeOperation?)null);
        _control.PowerOff(default!, default!).ReturnsForAnyArgs(operation);
    }

    private ActionContext Context(string fault, string cause, bool majority)
    {
        var details = new Dictionary<string, FactValue> { ["witnesses"] = FactValue.OfList(["n2"]), ["majority"] = majority };
        if (cause.Length > 0)
            details["cause"] = cause;
        return new GivenProvider(_control, Substitute.For<IReplicationControl>()).Context("n1", "n2", "n3") with
        {
            Fault = new Fault
            {
                Id = fault, Severity = FaultSeverity.Outage, Confidence = FaultConfidence.Likely, Cluster = "c", Engine = "fake", Node = "n1", Summary = "it is silent", DetectedAt = DateTimeOffset.UnixEpoch,
                Evidence = [], RuledOut = [], Details = details,
            },
        };
    }
}
