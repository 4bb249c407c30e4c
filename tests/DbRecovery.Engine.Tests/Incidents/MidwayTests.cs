using DbRecovery.Engine.Actions;
using DbRecovery.Engine.Faults;
using DbRecovery.Engine.Incidents;
using DbRecovery.Engine.Runbooks;

namespace DbRecovery.Engine.Tests.Incidents;

/// <summary>What comes up in the middle of a run: more would be lost than was agreed to, a graver fault, the death of the process between two attempts.</summary>
public sealed class MidwayTests : IDisposable
{
    private readonly World _world = new();
    private readonly ScriptedAction _first = new("first"), _second = new("second");

    public MidwayTests()
    {
        _world.ExtraActions = [_first, _second];
        _world.Cluster = _world.Cluster with { Policy = new PolicySettings { MaxDataLossBytes = 10 } };
        _world.Runbook = Of(World.Step("first", "first"), World.Step("second", "second", attempts: 3));
    }

    public void Dispose() => _world.Dispose();

    private static Runbook Of(params RunbookStep[] steps) => World.CorruptRunbook() with { Guards = [], Steps = steps, Verify = [], Approval = new RunbookApproval(new FactCondition(new(1, 1), "plan.lossBytes", Comparison.Above, World.Text("1000000")), TimeSpan.FromHours(2)) };

    private static DataLoss Lost(long bytes) => new() { Bytes = bytes, Statement = $"{bytes} bytes are lost." };

    private Task<IncidentReport> ResumeAsync(string id) => _world.Service().ResumeAsync(id, _world.Cluster, null, null, default);

    /// <summary>The second step would lose more once the first is done.</summary>
    private async Task<IncidentReport> GrownAsync(long bytes = 1000)
    {
        _second.Loss = () => Lost(_first.Done.Count == 0 ? 10 : bytes);
        var waiting = await _world.RecoverAsync();
        Assert.Equal(IncidentState.AwaitingApproval, waiting.State);
        Assert.Single(_first.Done);
        Assert.Empty(_second.Done);
        return waiting;
    }

    [Fact]
    public async Task More_loss_than_was_foreseen_is_asked_for_and_what_was_done_holds_meanwhile()
    {
        var waiting = await GrownAsync();
        Assert.Contains(waiting.ApprovalReasons, r => r.Contains("1000", StringComparison.Ordinal));
        Assert.Contains("first", waiting.Summary, StringComparison.Ordinal);
        // whatever the runbook says of approvals before the start: one in the middle of a run is not waited for longer
        Assert.InRange(waiting.NextReviewAt!.Value - waiting.Timeline.Last(t => t.State == IncidentState.AwaitingApproval).At, TimeSpan.FromMinutes(14), TimeSpan.FromMinutes(15));
        Assert.Equal(IncidentState.AwaitingApproval, (await ResumeAsync(waiting.Id)).State);
        await _world.Service().ApproveAsync(waiting.Id, waiting.PlanHash, "dba", default);
        var report = await ResumeAsync(waiting.Id);
        Assert.Equal(IncidentState.Probation, report.State);
        Assert.Single(_first.Done);
        Assert.Single(_second.Done);
    }

    [Theory]
    [InlineData(TimeSpan.TicksPerMinute * 4, 1)] // nobody is asked where the loss is allowed as things stand
    [InlineData(0, 2)]
    public async Task What_a_silent_primary_writes_while_a_person_thinks_is_in_what_he_agrees_to(long allowed, int plans)
    {
        var (began, silent) = (_world.Clock.GetUtcNow(), true);
        _world.Cluster = _world.Cluster with { Policy = new PolicySettings { MaxDataLossBytes = allowed } };
        _world.Seen = r => r with { LastPrimary = new LastPrimary { Node = "n1", At = began, GoneAt = silent ? null : _world.Clock.GetUtcNow() } };
        // once the first step has stopped it, what it wrote until then is known
        _second.LossBy = by => Lost(((_first.Done.Count > 0 ? _world.Clock.GetUtcNow() : by ?? began.AddMinutes(4)) - began).Ticks);
        _first.Doing = _ => Task.FromResult(silent = false);
        var report = await _world.RecoverAsync();
        Assert.Equal(plans == 1 ? IncidentState.Probation : IncidentState.AwaitingApproval, report.State);
        if (plans == 1)
            return;
        Assert.Empty(_first.Done);
        _world.Clock.By = TimeSpan.FromMinutes(5);
        await _world.Service().ApproveAsync(report.Id, report.PlanHash, "dba", default);
        Assert.Equal(IncidentState.Probation, (await ResumeAsync(report.Id)).State);
        Assert.Single(_second.Done);
    }

    [Fact]
    public async Task What_grows_on_after_an_agreement_is_asked_for_again()
    {
        var waiting = await GrownAsync();
        _second.Loss = () => Lost(2000);
        Assert.Equal(ErrorIds.ApprovalRequired, (await Assert.ThrowsAsync<DbRecoveryException>(() => _world.Service().ApproveAsync(waiting.Id, "0123456789", "dba", default))).Id);
        await _world.Service().ApproveAsync(waiting.Id, waiting.PlanHash, "dba", default);
        var again = await ResumeAsync(waiting.Id);
        Assert.Equal(IncidentState.AwaitingApproval, again.State);
        Assert.NotEqual(waiting.PlanHash, again.PlanHash);
        Assert.Empty(_second.Done);
        await _world.Service().ApproveAsync(waiting.Id, again.PlanHash, "dba", default);
        Assert.Equal(IncidentState.Probation, (await ResumeAsync(waiting.Id)).State);
        Assert.Single(_second.Done);
    }

    [Fact]
    public async Task A_fault_that_goes_by_itself_between_two_steps_ends_the_incident_and_leaves_no_cooldown()
    {
        _second.Doing = _ => throw new DbRecoveryException(ErrorIds.FaultGone, ErrorKind.Refused, "it answers again");
        _world.Runbook = Of(World.Step("first", "first"), World.Step("second", "second"));
        var report = await _world.RecoverAsync();
        Assert.Equal(IncidentState.Cancelled, report.State);
        Assert.Contains("it answers again", report.Summary, StringComparison.Ordinal);
        // when it really comes, it is recovered from
        _second.Doing = _ => Task.CompletedTask;
        Assert.Equal(IncidentState.Probation, (await _world.RecoverAsync()).State);
    }

    [Theory]
    [InlineData(true, IncidentState.AwaitingApproval, IncidentState.Suppressed)] // half of it is done: it comes first
    [InlineData(false, IncidentState.Superseded, IncidentState.Resolved)]
    public async Task What_waits_for_a_person_gives_way_to_what_a_person_asks_for(bool begun, IncidentState before, IncidentState now)
    {
        var allowed = begun ? 10 : 0;
        _world.Cluster = _world.Cluster with { Policy = new PolicySettings { MaxDataLossBytes = allowed } };
        _second.Loss = () => Lost(_first.Done.Count == 0 ? 10 : 1000);
        var waiting = await _world.RecoverAsync();
        Assert.Equal((IncidentState.AwaitingApproval, begun ? 1 : 0), (waiting.State, _first.Done.Count));
        _second.Loss = () => null;
        var asked = await _world.Service().RecoverAsync(_world.Request() with { Fault = PlannedOperations.Request(PlannedOperations.Switchover, _world.Cluster, "n1", "tester", _world.Clock.GetUtcNow()) }, null, null, default);
        Assert.Equal((before, now), (_world.Service().Get(waiting.Id).State, asked.State));
    }

    [Fact]
    public async Task Who_has_looked_can_close_what_waits_for_a_person()
    {
        var waiting = await GrownAsync();
        await _world.Service().AcknowledgeAsync(_world.Cluster.Name, "dba", default);
        Assert.Equal(IncidentState.Cancelled, _world.Service().Get(waiting.Id).State);
    }

    [Fact]
    public async Task An_agreement_waits_for_the_lease_of_who_asked_for_it()
    {
        var waiting = await GrownAsync();
        Task<IncidentReport> agreeing;
        // the time before its second attempt begins when the first has met with the lease, and is over when that is free
        _world.Clock.Held = IncidentService.BetweenAttempts;
        using (ClusterLease.Acquire(Path.Combine(_world.State, "app"), "app", "x", _world.Clock))
        {
            agreeing = Task.Run(() => _world.Service().ApproveAsync(waiting.Id, waiting.PlanHash, "dba", default));
            await Wait.UntilAsync(() => _world.Clock.IsHolding || agreeing.IsCompleted, "the first attempt");
            Assert.False(agreeing.IsCompleted);
        }
        _world.Clock.EndHeld();
        await agreeing;
        Assert.Equal(IncidentState.Probation, (await ResumeAsync(waiting.Id)).State);
    }

    [Fact]
    public async Task An_agreement_that_does_not_come_leaves_what_was_done_as_it_is()
    {
        var waiting = await GrownAsync();
        _world.Clock.By = TimeSpan.FromMinutes(16);
        var over = _world.Service().Get(waiting.Id);
        Assert.Equal(IncidentState.Cancelled, over.State);
        Assert.Contains("first", over.Summary, StringComparison.Ordinal);
        Assert.Equal(ErrorIds.ApprovalRequired, (await Assert.ThrowsAsync<DbRecoveryException>(() => _world.Service().ApproveAsync(waiting.Id, null, "dba", default))).Id);
        Assert.Equal(IncidentState.Cancelled, (await ResumeAsync(waiting.Id)).State);
        Assert.Equal(0, _first.Undone);
        Assert.Empty(_second.Done);
    }

    [Fact]
    public async Task A_risk_that_comes_up_in_a_later_attempt_is_asked_for()
    {
        _second.Doing = _ => _second.Done.Count == 1 ? throw new DbRecoveryException(ErrorIds.StepFailed, ErrorKind.Failed, "not yet") : Task.CompletedTask;
        _second.Because = () => _second.Done.Count == 0 ? null : "nobody knows whether it still runs";
        var waiting = await _world.RecoverAsync();
        Assert.Equal(IncidentState.AwaitingApproval, waiting.State);
        Assert.Contains("nobody knows whether it still runs", waiting.ApprovalReasons);
        await _world.Service().ApproveAsync(waiting.Id, waiting.PlanHash, "dba", default);
        Assert.Equal(IncidentState.Probation, (await ResumeAsync(waiting.Id)).State);
        Assert.Equal(2, _second.Done.Count);
    }

    [Fact]
    public async Task A_step_that_the_rest_can_do_without_asks_nobody()
    {
        _world.Runbook = Of(World.Step("first", "first"), World.Step("second", "second", FailurePolicy.Continue));
        _second.Loss = () => Lost(_first.Done.Count == 0 ? 10 : 1000);
        var report = await _world.RecoverAsync();
        Assert.Equal(IncidentState.Probation, report.State);
        Assert.Equal(StepState.Failed, report.Steps.Single(s => s.Id == "second").State);
        Assert.Empty(_second.Done);
    }

    [Fact]
    public async Task A_failed_attempt_is_planned_anew_by_another_process_too()
    {
        _second.Doing = _ => _second.Done.Count == 1 ? throw new DbRecoveryException(ErrorIds.StepFailed, ErrorKind.Failed, "it is not what it was") : Task.CompletedTask;
        _world.Observer.OnWritten = kind =>
        {
            if (kind == JournalKind.StepResult && _second.Done.Count == 1)
                throw new Died();
        };
        await Assert.ThrowsAsync<Died>(() => _world.RecoverAsync());
        _world.Observer = new Observer();
        Assert.Equal(IncidentState.Probation, (await ResumeAsync("latest")).State);
        Assert.Equal(2, _second.Done.Distinct().Count());
    }

    [Fact]
    public async Task An_attempt_that_may_still_come_to_pass_is_never_planned_anew()
    {
        _second.Doing = _ => _second.Done.Count == 1 ? throw new DbRecoveryException(ErrorIds.TimedOut, ErrorKind.Failed, "no answer") : Task.CompletedTask;
        var failed = false;
        _world.Observer.OnWritten = kind =>
        {
            // unknown, and then failed: the process dies between two attempts
            if (kind == JournalKind.StepResult && _second.Done.Count == 1 && (failed ? throw new Died() : failed = true))
                return;
        };
        await Assert.ThrowsAsync<Died>(() => _world.RecoverAsync());
        _world.Observer = new Observer();
        Assert.Equal(IncidentState.Probation, (await ResumeAsync("latest")).State);
        Assert.Single(_second.Done.Distinct());
        Assert.Equal(2, _second.Done.Count);
    }

    [Fact]
    public async Task Nor_is_it_after_a_later_attempt_that_certainly_failed()
    {
        _second.Doing = _ => _second.Done.Count switch
        {
            1 => throw new DbRecoveryException(ErrorIds.TimedOut, ErrorKind.Failed, "no answer"),
            2 => throw new DbRecoveryException(ErrorIds.NoCandidate, ErrorKind.Refused, "it does not answer now"),
            _ => Task.CompletedTask,
        };
        Assert.Equal(IncidentState.Probation, (await _world.RecoverAsync()).State);
        Assert.Single(_second.Done.Distinct());
        Assert.Equal(3, _second.Done.Count);
    }

    [Fact]
    public async Task What_was_not_asked_for_yet_is_planned_anew_though_the_attempt_could_not_be_told()
    {
        _second.Pending = null;
        _second.Doing = _ => _second.Done.Count < 2 ? throw new DbRecoveryException(ErrorIds.TimedOut, ErrorKind.Failed, "no answer") : Task.CompletedTask;
        Assert.Equal(IncidentState.Probation, (await _world.RecoverAsync()).State);
        Assert.Equal(2, _second.Done.Distinct().Count());
    }

    [Fact]
    public async Task Nor_by_another_process_that_goes_on_after_such_a_one()
    {
        _second.Doing = _ => _second.Done.Count switch
        {
            1 => throw new DbRecoveryException(ErrorIds.TimedOut, ErrorKind.Failed, "no answer"),
            2 => throw new DbRecoveryException(ErrorIds.NoCandidate, ErrorKind.Refused, "it does not answer now"),
            _ => Task.CompletedTask,
        };
        _world.Observer.OnWritten = kind =>
        {
            if (kind == JournalKind.StepResult && _second.Done.Count == 2)
                throw new Died();
        };
        await Assert.ThrowsAsync<Died>(() => _world.RecoverAsync());
        _world.Observer = new Observer();
        Assert.Equal(IncidentState.Probation, (await ResumeAsync("latest")).State);
        Assert.Single(_second.Done.Distinct());
        Assert.Equal(3, _second.Done.Count);
    }

    [Theory]
    [InlineData("failover", ErrorIds.TimedOut, true)]
    [InlineData("promote", ErrorIds.OutcomeUnknown, true)]
    [InlineData("switchover", ErrorIds.OutcomeUnknown, true)]
    [InlineData("failover", ErrorIds.OutcomeUnknown, false)] // it did not come to that
    [InlineData("restart", ErrorIds.TimedOut, false)]
    public async Task What_an_incident_asked_a_node_to_become_the_next_one_knows_until_somebody_has_looked_at_it(string action, string error, bool asked)
    {
        var (change, next) = (new ScriptedAction(action) { Marks = asked, Doing = _ => throw new DbRecoveryException(error, ErrorKind.Failed, "no answer") }, new ScriptedAction("next"));
        _world.ExtraActions = [change, next];
        _world.Runbook = Of(World.Step("change", action));
        Assert.Equal(IncidentState.Failed, (await _world.RecoverAsync()).State);
        await PlanAsync();
        Assert.Equal(asked ? ["n2"] : [], next.Asked);
        if (!asked)
            return;
        // a takeover that was seen to happen settles it
        change.Doing = _ => Task.CompletedTask;
        (_world.Clock.By, _world.Runbook) = (TimeSpan.FromHours(2), Of(World.Step("change", action)));
        await _world.RecoverAsync();
        await PlanAsync();
        Assert.Empty(next.Asked);

        async Task PlanAsync()
        {
            _world.Runbook = Of(World.Step("next", "next"));
            await _world.Service().PlanAsync(_world.Request(), default);
        }
    }

    [Theory]
    [InlineData(true, ReconcileOutcome.NotDone, IncidentState.Failed, 5L)]
    [InlineData(true, ReconcileOutcome.Unknown, IncidentState.AmbiguousHalt, 5L)]
    [InlineData(false, ReconcileOutcome.NotDone, IncidentState.Failed, null)] // it did not come to that
    public async Task What_is_lost_with_a_takeover_that_nobody_saw_the_end_of_is_told(bool asked, ReconcileOutcome found, IncidentState state, long? lost)
    {
        var change = new ScriptedAction("failover")
        {
            Marks = asked, Pending = null, Found = () => found, Loss = () => Lost(5), Doing = _ => throw new DbRecoveryException(ErrorIds.OutcomeUnknown, ErrorKind.Failed, "it is primary, and takes no write"),
        };
        _world.ExtraActions = [change];
        _world.Runbook = Of(World.Step("change", "failover"));
        var report = await _world.RecoverAsync();
        Assert.Equal((state, lost), (report.State, report.Loss?.Bytes));
    }

    [Theory]
    [InlineData("failover")]
    [InlineData("promote")]
    public async Task A_second_takeover_so_soon_after_the_first_is_not_begun_whatever_the_two_are_called(string action)
    {
        var change = new ScriptedAction(action);
        _world.ExtraActions = [change];
        _world.Runbook = Of(World.Step("change", action));
        Assert.Equal(IncidentState.Probation, (await _world.RecoverAsync()).State);
        _world.Clock.By = TimeSpan.FromMinutes(11);
        _world.Seen = r => r with { Faults = [Graver()] };
        Assert.Equal(IncidentState.Suppressed, (await _world.Service().RecoverAsync(_world.Request() with { Fault = Graver() }, null, null, default)).State);
        Assert.Single(change.Done);
    }

    [Fact]
    public async Task What_somebody_has_looked_at_is_not_asked_for_any_more()
    {
        var (change, next) = (new ScriptedAction("failover") { Marks = true, Doing = _ => throw new DbRecoveryException(ErrorIds.OutcomeUnknown, ErrorKind.Timeout, "no answer") }, new ScriptedAction("next"));
        _world.ExtraActions = [change, next];
        _world.Runbook = Of(World.Step("change", "failover"));
        await _world.RecoverAsync();
        await _world.Service().AcknowledgeAsync("app", "dba", default);
        _world.Runbook = Of(World.Step("next", "next"));
        await _world.RecoverAsync();
        Assert.Single(next.Done);
        Assert.Empty(next.Asked);
    }

    private Fault Graver() => _world.Fault() with { Id = "topology.split-brain", Node = null, Severity = FaultSeverity.DataAtRisk };

    /// <summary>A lesser incident that is in its first step until it is told to give way, and a graver fault that comes up then.</summary>
    private async Task<(IncidentReport Lesser, IncidentReport? Graver)> PreemptAsync()
    {
        var began = new TaskCompletionSource();
        _world.Seen = report => report with { Faults = [.. report.Faults.Select(f => f with { Severity = FaultSeverity.Degraded }), Graver()] };
        _first.Doing = async token =>
        {
            if (began.TrySetResult())
                await Task.Delay(Timeout.Infinite, token);
        };
        var service = _world.Service();
        using var stop = new CancellationTokenSource();
        var lesser = service.RecoverAsync(_world.Request() with { Fault = _world.Fault() with { Severity = FaultSeverity.Degraded } }, null, null, stop.Token);
        await began.Task.WaitAsync(Wait.Limit);
        try
        {
            var graver = await service.RecoverAsync(_world.Request() with { Fault = Graver() }, null, null, default);
            return (await lesser.WaitAsync(Wait.Limit), graver);
        }
        catch (DbRecoveryException e) when (e.Id == ErrorIds.LeaseHeld)
        {
            Assert.False(lesser.IsCompleted);
            await stop.CancelAsync();
            return (await lesser.WaitAsync(Wait.Limit), null);
        }
    }

    [Fact]
    public async Task A_graver_fault_goes_first_and_the_lesser_one_may_then_be_recovered_from_at_once()
    {
        var (lesser, graver) = await PreemptAsync();
        Assert.Equal(IncidentState.Superseded, lesser.State);
        Assert.Equal(IncidentState.Probation, graver!.State);
        // it was put down, not recovered from: no cooldown holds for it
        _world.Clock.By = TimeSpan.FromMinutes(1);
        var again = await _world.Service().RecoverAsync(_world.Request() with { Fault = _world.Fault() with { Severity = FaultSeverity.Degraded } }, null, null, default);
        Assert.Equal(IncidentState.Probation, again.State);
    }

    [Fact]
    public async Task What_nobody_can_tell_of_an_interrupted_step_halts_and_is_not_passed_over()
    {
        _first.Found = () => ReconcileOutcome.Unknown;
        var (lesser, graver) = await PreemptAsync();
        Assert.Equal(IncidentState.AmbiguousHalt, lesser.State);
        Assert.Equal(IncidentState.Suppressed, graver!.State);
        Assert.Equal(StepState.Applied, lesser.Steps.Single(s => s.Id == "escalate.tell").State);
    }

    [Fact]
    public async Task A_graver_fault_that_may_not_be_recovered_from_interrupts_nothing()
    {
        _world.Seen = r => r with { Faults = [Graver()] };
        Assert.Equal(IncidentState.Probation, (await _world.Service().RecoverAsync(_world.Request() with { Fault = Graver() }, null, null, default)).State);
        _first.Done.Clear();
        // its cooldown holds
        _world.Clock.By = TimeSpan.FromMinutes(11);
        var (lesser, graver) = await PreemptAsync();
        Assert.Null(graver);
        Assert.NotEqual(IncidentState.Superseded, lesser.State);
    }
}
