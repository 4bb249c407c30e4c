using DbRecovery.Engine.Faults;
using DbRecovery.Engine.Incidents;
using DbRecovery.Engine.Runbooks;

namespace DbRecovery.Engine.Tests.Incidents;

public class RecoveryTests
{
    [Fact]
    public async Task What_a_person_asked_for_is_over_when_it_is_done()
    {
        using var world = new World();
        var asked = world.Request(long.MaxValue) with { Fault = PlannedOperations.Request(PlannedOperations.Rejoin, world.Cluster, "n1", "tester", world.Clock.GetUtcNow()) };
        var report = await world.Service().RecoverAsync(asked, null, null, default);
        Assert.Equal(IncidentState.Resolved, report.State);
        Assert.Null(report.NextReviewAt);
        Assert.NotNull(report.RecoveryTime);
        Assert.StartsWith("Done: ", report.Summary, StringComparison.Ordinal);
        Assert.Contains(report.Steps.Single(s => s.Action == "swap-file").Result!, report.Summary, StringComparison.Ordinal);
        // the same again is no recurrence
        world.Damage();
        Assert.Equal(IncidentState.Resolved, (await world.Service().RecoverAsync(asked, null, null, default)).State);
    }

    [Fact]
    public async Task A_proved_silent_damage_is_recovered_without_asking()
    {
        using var world = new World();
        var seen = new List<TimelineEntry>();
        var report = await world.Service().RecoverAsync(world.Request(), new Direct<TimelineEntry>(seen.Add), null, default);
        Assert.Equal(IncidentState.Probation, report.State);
        Assert.Equal(report.Timeline, seen);
        Assert.NotNull(report.RecoveryTime);
        Assert.Null(report.Loss);
        Assert.All(report.Verification, c => Assert.True(c.Passed));
        world.Clock.By = TimeSpan.FromMinutes(11);
        Assert.Equal(IncidentState.Resolved, world.Service().Get("latest").State);
    }

    [Fact]
    public async Task Planning_changes_nothing_and_names_every_act_with_the_same_hash_as_the_incident()
    {
        using var world = new World { ProvedUnwritten = false };
        var before = Directory.GetFileSystemEntries(world.Folder, "*", SearchOption.AllDirectories).Order().ToList();
        var plan = await world.Service().PlanAsync(world.Request(), default);
        Assert.Equal(before, Directory.GetFileSystemEntries(world.Folder, "*", SearchOption.AllDirectories).Order());
        Assert.Equal(["evidence", "restore", "swap"], plan.Steps.Select(s => s.Id));
        Assert.All(plan.Steps, s => Assert.NotEmpty(s.Acts));
        Assert.True(plan.Steps[2].Destructive);
        Assert.NotNull(plan.Loss);
        Assert.Null(plan.Loss.Bytes);
        Assert.NotEmpty(plan.ApprovalReasons);
        Assert.Empty(plan.Blocked);
        Assert.Equal(plan.Hash, (await world.RecoverAsync()).PlanHash);
    }

    [Fact]
    public async Task An_unknown_loss_waits_for_an_approval_and_goes_on_with_it()
    {
        using var world = new World { ProvedUnwritten = false };
        var waiting = await world.RecoverAsync();
        Assert.Equal(IncidentState.AwaitingApproval, waiting.State);
        Assert.Empty(world.Effects);
        Assert.Equal(IncidentState.AwaitingApproval, (await world.Service().ResumeAsync(waiting.Id, world.Cluster, null, null, default)).State);
        Assert.Equal(ErrorIds.ApprovalRequired, (await Assert.ThrowsAsync<DbRecoveryException>(() => world.Service().ApproveAsync(waiting.Id, "0123456789", "dba", default))).Id);
        await world.Service().ApproveAsync(waiting.Id, waiting.PlanHash, "dba", default);
        Assert.Equal(IncidentState.Probation, (await world.Service().ResumeAsync(waiting.Id, world.Cluster, null, null, default)).State);
        Assert.Equal(["restore", "swap"], world.Effects);
    }

    [Fact]
    public async Task An_approval_is_void_when_the_evidence_changes()
    {
        using var world = new World { ProvedUnwritten = false };
        var waiting = await world.RecoverAsync();
        await world.Service().ApproveAsync(waiting.Id, null, "dba", default);
        await File.AppendAllTextAsync(world.Database, "d\n");
        var again = await world.Service().ResumeAsync(waiting.Id, world.Cluster, null, null, default);
        Assert.Equal(IncidentState.AwaitingApproval, again.State);
        Assert.NotEqual(waiting.PlanHash, again.PlanHash);
        Assert.Empty(world.Effects);
    }

    [Fact]
    public async Task An_approval_expires()
    {
        using var world = new World { ProvedUnwritten = false };
        var waiting = await world.RecoverAsync();
        world.Clock.By = TimeSpan.FromMinutes(16);
        Assert.Equal(IncidentState.Cancelled, world.Service().Get(waiting.Id).State);
        Assert.Equal(ErrorIds.ApprovalRequired, (await Assert.ThrowsAsync<DbRecoveryException>(() => world.Service().ApproveAsync(waiting.Id, null, "dba", default))).Id);
    }

    public static TheoryData<long?, long, bool, IncidentState> Allowances => new()
    {
        { null, 0, false, IncidentState.AwaitingApproval },
        { 1_000_000, 0, false, IncidentState.AwaitingApproval },
        { null, 1_000_000, false, IncidentState.AwaitingApproval },
        { long.MaxValue, 0, false, IncidentState.Probation },
        { null, 0, true, IncidentState.Probation },
    };

    [Theory]
    [MemberData(nameof(Allowances))]
    public async Task Unknown_loss_is_covered_only_by_any(long? caller, long policy, bool proved, IncidentState expected)
    {
        using var world = new World { ProvedUnwritten = proved };
        world.Cluster = world.Cluster with { Policy = new PolicySettings { MaxDataLossBytes = policy } };
        world.Runbook = world.Runbook with { Approval = new RunbookApproval(new FactCondition(new(1, 1), "plan.lossBytes", Comparison.Above, World.Text("0")), TimeSpan.FromMinutes(15)) };
        Assert.Equal(expected, (await world.RecoverAsync(caller)).State);
    }

    [Theory]
    [InlineData(null, false)]
    [InlineData(long.MaxValue, true)]
    public async Task What_was_written_after_the_plan_is_not_lost_unasked(long? caller, bool swapped)
    {
        using var world = new World { ProvedUnwritten = true };
        // the application writes while the backup is restored
        world.Observer.OnWritten = _ => world.ProvedUnwritten &= !world.Effects.Contains("restore");

        var report = await world.RecoverAsync(caller);

        Assert.Equal(swapped, world.Effects.Contains("swap"));
        Assert.Equal(swapped ? IncidentState.Probation : IncidentState.Failed, report.State);
        if (!swapped)
            Assert.Contains("lose more than was planned", report.Steps.Single(s => s.Id == "swap").Result, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_pause_suppresses_with_a_reason_and_a_review_and_one_record_is_enough()
    {
        using var world = new World();
        await world.Service().SuspendAsync("app", "maintenance", TimeSpan.FromHours(2), "dba", default);
        var report = await world.RecoverAsync();
        Assert.Equal(IncidentState.Suppressed, report.State);
        Assert.NotNull(report.NextReviewAt);
        Assert.Equal(report.Id, (await world.RecoverAsync()).Id);
        Assert.Empty(world.Effects);
        Assert.True(world.Service().Status("app").Paused);
        await world.Service().ResumeRecoveryAsync("app", "dba", default);
        Assert.Equal(IncidentState.Probation, (await world.RecoverAsync()).State);
    }

    [Fact]
    public async Task A_recurrence_in_probation_escalates_instead_of_repeating()
    {
        using var world = new World();
        await world.RecoverAsync();
        world.Damage();
        var again = await world.RecoverAsync();
        Assert.Equal(IncidentState.Failed, again.State);
        Assert.Contains(again.Steps, s => s.Id == "escalate.tell" && s.State == StepState.Applied);
        Assert.Equal(["restore", "swap"], world.Effects);
    }

    [Theory]
    [InlineData(30, IncidentState.Suppressed)]
    [InlineData(61, IncidentState.Probation)]
    [InlineData(-60, IncidentState.Failed)]
    public async Task The_cooldown_holds_by_the_clock_and_a_clock_set_back_breaks_nothing(int minutes, IncidentState expected)
    {
        using var world = new World();
        await world.RecoverAsync();
        world.Damage();
        world.Clock.By = TimeSpan.FromMinutes(minutes);
        Assert.Equal(expected, (await world.RecoverAsync()).State);
        Assert.All(world.Service().Status("app").Cooldowns.Values, end => Assert.True(end <= world.Clock.GetUtcNow() + TimeSpan.FromHours(1)));
    }

    [Fact]
    public async Task An_acknowledgement_lifts_the_cooldown_and_the_daily_limit_stays()
    {
        using var world = new World();
        world.Runbook = world.Runbook with { Limits = new RunbookLimits { PerDay = 2 } };
        await world.RecoverAsync();
        for (var i = 0; i < 2; i++)
        {
            world.Clock.By += TimeSpan.FromMinutes(20);
            world.Damage();
            await world.Service().AcknowledgeAsync("app", "dba", default);
            Assert.Equal(i == 0 ? IncidentState.Probation : IncidentState.Suppressed, (await world.RecoverAsync()).State);
        }
        Assert.Equal(2, world.Effects.Count(e => e == "swap"));
    }

    [Fact]
    public async Task A_guard_that_does_not_hold_leaves_everything_as_it_is_and_people_are_told()
    {
        using var world = new World();
        world.Runbook = world.Runbook with { Guards = [new FactCondition(new(1, 1), "backup.provedCount", Comparison.AtLeast, World.Text("2"))] };
        var report = await world.RecoverAsync();
        Assert.Equal(IncidentState.Suppressed, report.State);
        Assert.Contains(report.Steps, s => s.Id == "escalate.tell");
        // what is told at the end is why nothing was done, not that somebody was told
        Assert.Contains("backup.provedCount", report.Summary, StringComparison.Ordinal);
        Assert.Empty(world.Effects);
        Assert.Equal(report.Id, (await world.RecoverAsync()).Id);
        world.AddBackup("a\nb\n", proved: true);
        Assert.Equal(IncidentState.Probation, (await world.RecoverAsync()).State);
    }

    [Fact]
    public async Task An_unknown_fact_fails_a_guard()
    {
        using var world = new World();
        world.Runbook = world.Runbook with { Guards = [new FactCondition(new(1, 1), "disk.free", Comparison.AtLeast, World.Text("0"))] };
        Assert.Equal(IncidentState.Suppressed, (await world.RecoverAsync()).State);
    }

    [Fact]
    public async Task A_second_recovery_is_told_who_holds_the_cluster()
    {
        using var world = new World();
        using var lease = ClusterLease.Acquire(Path.Combine(world.State, "app"), "app", "x", world.Clock);
        var error = await Assert.ThrowsAsync<DbRecoveryException>(() => world.RecoverAsync());
        Assert.Equal(ErrorIds.LeaseHeld, error.Id);
        Assert.Contains(Environment.ProcessId.ToString(System.Globalization.CultureInfo.InvariantCulture), error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_lost_lease_stops_before_the_next_act()
    {
        using var world = new World();
        world.Observer.OnWritten = kind =>
        {
            if (kind == JournalKind.Started)
                File.WriteAllText(Path.Combine(world.State, "app", "epoch"), "99\n");
        };
        Assert.Equal(ErrorIds.LeaseLost, (await Assert.ThrowsAsync<DbRecoveryException>(() => world.RecoverAsync())).Id);
        Assert.Empty(world.Effects);
    }

    [Fact]
    public async Task A_running_incident_can_be_read_and_a_pause_stops_it_before_its_next_step()
    {
        using var world = new World();
        var states = new List<IncidentState>();
        world.Observer.OnWritten = kind =>
        {
            states.Add(Assert.Single(world.Service().List("app")).State);
            if (kind == JournalKind.StepResult && world.Effects.Count == 0)
                world.Service().SuspendAsync("app", "stop", null, "dba", default).GetAwaiter().GetResult();
        };
        var report = await world.RecoverAsync();
        Assert.Equal(IncidentState.Executing, report.State);
        Assert.Contains(IncidentState.Executing, states);
        Assert.Empty(world.Effects);
        await world.Service().ResumeRecoveryAsync("app", "dba", default);
        world.Observer.OnWritten = null;
        Assert.Equal(IncidentState.Probation, (await world.Service().ResumeAsync(report.Id, world.Cluster, null, null, default)).State);
    }

    [Theory]
    [InlineData(FailurePolicy.Stop)]
    [InlineData(FailurePolicy.Escalate)]
    [InlineData(FailurePolicy.Compensate)]
    public async Task A_failed_incident_leaves_no_restored_file_beside_the_database(FailurePolicy policy)
    {
        using var world = new World();
        world.Runbook = world.Runbook with { Steps = [.. world.Runbook.Steps.Take(2), world.Runbook.Steps[2] with { OnFailure = policy }] };
        world.Fail = what => what == "swap" ? new DbRecoveryException(ErrorIds.DatabaseBusy, ErrorKind.Busy, "locked") : null;
        var report = await world.RecoverAsync();
        Assert.Equal(IncidentState.Failed, report.State);
        Assert.Equal(StepState.Compensated, report.Steps.Single(s => s.Id == "restore").State);
        Assert.Contains(report.Steps, s => s.Id == "escalate.tell");
        Assert.Equal([world.Database], Directory.GetFiles(Path.GetDirectoryName(world.Database)!));
    }

    [Theory]
    [InlineData(FailurePolicy.Stop)]
    [InlineData(FailurePolicy.Compensate)]
    public async Task A_swap_that_failed_after_the_exchange_keeps_the_old_database(FailurePolicy policy)
    {
        using var world = new World();
        world.Runbook = world.Runbook with { Steps = [.. world.Runbook.Steps.Take(2), world.Runbook.Steps[2] with { OnFailure = policy }] };
        var old = await File.ReadAllTextAsync(world.Database);
        var staged = "";
        world.DuringSwap = _ =>
        {
            staged = Assert.Single(Directory.GetFiles(Path.GetDirectoryName(world.Database)!, "*.dbrecovery-*"));
            File.Move(world.Database, staged + "x");
            File.Move(staged, world.Database);
            File.Move(staged + "x", staged);
            throw new DbRecoveryException(ErrorIds.RestoreFailed, ErrorKind.Failed, "the old file cannot be moved away");
        };
        Assert.Equal(IncidentState.Failed, (await world.RecoverAsync()).State);
        Assert.Equal(old, await File.ReadAllTextAsync(staged));
    }

    [Theory]
    [InlineData(10, IncidentState.Probation)]
    [InlineData(70, IncidentState.Failed)]
    [InlineData(-70, IncidentState.Probation)]
    public async Task The_whole_time_goes_on_while_nobody_drives_the_incident(int minutes, IncidentState expected)
    {
        using var world = new World();
        world.Runbook = world.Runbook with { Limits = new RunbookLimits { TotalTimeout = TimeSpan.FromHours(1) } };
        world.Observer.OnWritten = kind =>
        {
            if (kind == JournalKind.StepResult)
                throw new Died();
        };
        await Assert.ThrowsAsync<Died>(() => world.RecoverAsync());
        world.Observer.OnWritten = null;
        world.Clock.By = TimeSpan.FromMinutes(minutes);
        var report = await world.Service().ResumeAsync("latest", world.Cluster, null, null, default);
        Assert.Equal(expected, report.State);
        Assert.Equal(expected == IncidentState.Failed ? [] : ["restore", "swap"], world.Effects);
    }

    [Fact]
    public async Task A_state_folder_that_cannot_be_used_is_an_error_with_an_id_and_nothing_is_done()
    {
        using var world = new World();
        await File.WriteAllTextAsync(world.State, "a file where the folder should be");
        await Assert.ThrowsAsync<DbRecoveryException>(() => world.RecoverAsync());
        await Assert.ThrowsAsync<DbRecoveryException>(() => world.Service().SuspendAsync("app", "r", null, "dba", default));
        await Assert.ThrowsAsync<DbRecoveryException>(() => world.Service().AcknowledgeAsync("app", "dba", default));
        Assert.Empty(world.Effects);
    }

    [Fact]
    public async Task A_file_is_not_restored_from_the_backup_of_another_one()
    {
        using var world = new World();
        world.Cluster = world.Cluster with { Nodes = [world.Cluster.Nodes[0], new NodeDefinition { Name = "n2", Path = world.Database }] };
        Assert.Empty((await world.Service().PlanAsync(world.Request(), default)).Blocked);
        world.Seen = r => r with { Faults = [.. r.Faults.Select(f => f with { Node = "n2" })], Observations = [r.Observations[0] with { Node = "n2" }] };
        Assert.NotEmpty((await world.Service().PlanAsync(world.Request() with { Fault = world.Fault() with { Node = "n2" } }, default)).Blocked);
    }

    [Fact]
    public async Task Evidence_is_never_open_to_others()
    {
        using var world = new World();
        var modes = new List<UnixFileMode>();
        var copying = new Direct<OperationProgress>(_ =>
        {
            if (OperatingSystem.IsWindows() || !Directory.Exists(world.State))
                return;
            foreach (var file in Directory.GetFiles(world.State, "app.db", SearchOption.AllDirectories))
                modes.Add(File.GetUnixFileMode(file));
        });
        await world.Service().RecoverAsync(world.Request(), null, copying, default);
        Assert.True(OperatingSystem.IsWindows() || modes.Count > 0);
        Assert.All(modes, m => Assert.Equal((UnixFileMode)0, m & ~(UnixFileMode.UserRead | UnixFileMode.UserWrite)));
    }

    public static TheoryData<string> Blindness => ["not observed", "unknown"];

    [Theory]
    [MemberData(nameof(Blindness))]
    public async Task A_fault_that_nobody_could_look_for_is_not_gone(string how)
    {
        using var world = new World();
        world.Runbook = world.Runbook with { Verify = [new RunbookCheck { At = new(1, 1), Check = VerifyChecks.FaultGone, Within = TimeSpan.FromMilliseconds(50) }] };
        world.Seen = r => !world.Effects.Contains("swap") ? r : how == "unknown"
            ? r with { Nodes = [new NodeHealth { Node = "n1", Address = "", Status = HealthStatus.Unknown, Role = NodeRole.Unknown, Checks = [] }] }
            : r with { Observations = [r.Observations[0] with { Reachability = Reachability.TimedOut }] };
        var report = await world.RecoverAsync();
        Assert.Equal(IncidentState.Failed, report.State);
        Assert.False(Assert.Single(report.Verification).Passed);
    }

    [Fact]
    public async Task An_incident_of_another_node_is_not_taken_for_this_ones()
    {
        using var world = new World { ProvedUnwritten = false };
        var first = await world.RecoverAsync();
        Assert.Equal(IncidentState.AwaitingApproval, first.State);
        world.Cluster = world.Cluster with { Nodes = [world.Cluster.Nodes[0], new NodeDefinition { Name = "n2", Path = world.Database }] };
        world.Seen = r => r with { Faults = [.. r.Faults.Select(f => f with { Node = "n2" })], Observations = [r.Observations[0] with { Node = "n2" }] };
        var second = await world.Service().RecoverAsync(world.Request() with { Fault = world.Fault() with { Node = "n2" } }, null, null, default);
        Assert.NotEqual(first.Id, second.Id);
        Assert.Equal((IncidentState.Suppressed, "n2"), (second.State, second.Node));
    }

    [Fact]
    public async Task A_fault_that_is_gone_is_left_alone()
    {
        using var world = new World();
        var request = world.Request();
        await File.WriteAllTextAsync(world.Database, "a\n");
        Assert.Equal(IncidentState.Cancelled, (await world.Service().RecoverAsync(request, null, null, default)).State);
    }

    [Fact]
    public async Task Cancelling_in_the_swap_lets_it_end_and_the_rest_is_resumed()
    {
        using var world = new World();
        using var cancel = new CancellationTokenSource();
        world.DuringSwap = _ => cancel.CancelAsync();
        var report = await world.RecoverAsync(token: cancel.Token);
        Assert.Equal(StepState.Applied, report.Steps.Single(s => s.Id == "swap").State);
        Assert.Equal(IncidentState.Verifying, report.State);
        Assert.Equal(IncidentState.Probation, (await world.Service().ResumeAsync(report.Id, world.Cluster, null, null, default)).State);
    }

    [Fact]
    public async Task Cancelling_before_the_first_change_of_the_swap_leaves_it_to_be_done()
    {
        using var world = new World();
        using var cancel = new CancellationTokenSource();
        world.DuringSwap = async token =>
        {
            await cancel.CancelAsync();
            await Task.Delay(Timeout.InfiniteTimeSpan, token);
        };
        var report = await world.RecoverAsync(token: cancel.Token);
        Assert.Equal(IncidentState.Executing, report.State);
        Assert.StartsWith("BAD", await File.ReadAllTextAsync(world.Database), StringComparison.Ordinal);
        world.DuringSwap = null;
        Assert.Equal(IncidentState.Probation, (await world.Service().ResumeAsync(report.Id, world.Cluster, null, null, default)).State);
        Assert.Single(world.Effects, e => e == "restore");
    }

    [Fact]
    public async Task A_step_past_its_deadline_that_took_effect_is_confirmed_by_a_look()
    {
        using var world = new World();
        world.Clock.Held = TimeSpan.FromMinutes(3);
        world.Runbook = world.Runbook with { Steps = [.. world.Runbook.Steps.Select(s => s.Id == "swap" ? s with { Timeout = World.Text("3m") } : s)] };
        world.AfterSwap = token =>
        {
            world.Clock.EndHeld();
            return Task.Delay(Timeout.InfiniteTimeSpan, token);
        };
        var report = await world.RecoverAsync();
        Assert.Equal(IncidentState.Probation, report.State);
        Assert.Equal(StepState.Confirmed, report.Steps.Single(s => s.Id == "swap").State);
    }

    [Fact]
    public async Task Asking_again_with_the_loss_accepted_takes_the_place_of_the_incident_that_waits()
    {
        using var world = new World { ProvedUnwritten = false };
        var waiting = await world.RecoverAsync();
        Assert.Equal(waiting.Id, (await world.RecoverAsync()).Id);
        Assert.Equal(IncidentState.Probation, (await world.RecoverAsync(long.MaxValue)).State);
        Assert.Equal(IncidentState.Superseded, world.Service().Get(waiting.Id).State);
    }

    [Fact]
    public async Task A_runbook_that_changed_does_not_finish_what_another_version_began()
    {
        using var world = new World { Observer = new Observer { DieAfter = 7 } };
        await Assert.ThrowsAsync<Died>(() => world.RecoverAsync());
        world.Observer = new Observer();
        world.Runbook = world.Runbook with { ContentHash = "other" };
        Assert.Equal(ErrorIds.RunbookNotFound, (await Assert.ThrowsAsync<DbRecoveryException>(() => world.Service().ResumeAsync("latest", world.Cluster, null, null, default))).Id);
        await world.Service().AcknowledgeAsync("app", "dba", default);
        Assert.Equal(IncidentState.Cancelled, world.Service().Get("latest").State);
    }

    [Fact]
    public async Task A_missing_database_is_restored_and_its_rows_are_said_to_be_unknown()
    {
        using var world = new World { ProvedUnwritten = false };
        File.Delete(world.Database);
        var report = await world.RecoverAsync(long.MaxValue);
        Assert.Equal(IncidentState.Probation, report.State);
        Assert.Null(Assert.Single(report.Loss!.Tables).RowsReadable);
    }

    [Fact]
    public async Task A_failing_step_is_retried_and_then_follows_its_policy()
    {
        using var world = new World();
        var left = 2;
        world.Fail = what => what == "restore" && left-- > 0 ? new DbRecoveryException(ErrorIds.RestoreFailed, ErrorKind.Failed, "no") : null;
        world.Runbook = world.Runbook with { Steps = [.. world.Runbook.Steps.Select(s => s with { Retry = new RetryPolicy(3, TimeSpan.FromMilliseconds(1), true) })] };
        var report = await world.RecoverAsync();
        Assert.Equal(IncidentState.Probation, report.State);
        Assert.Equal(3, report.Steps.Single(s => s.Id == "restore").Attempts);
    }

    [Fact]
    public async Task What_nobody_can_tell_halts_until_a_person_closes_it()
    {
        using var world = new World();
        world.Runbook = world.Runbook with
        {
            Steps = [World.Step("run", "run-command", with: ("command", new ListValue(new(1, 1), [World.Text("sleep"), World.Text("30")]))) with { Timeout = World.Text("100ms") }],
        };
        var report = await world.RecoverAsync();
        Assert.Equal(IncidentState.AmbiguousHalt, report.State);
        Assert.Equal(StepState.Unknown, report.Steps.Single(s => s.Id == "run").State);
        Assert.Equal(IncidentState.AmbiguousHalt, (await world.Service().ResumeAsync(report.Id, world.Cluster, null, null, default)).State);
        Assert.Equal(IncidentState.Suppressed, (await world.RecoverAsync()).State);
        await world.Service().AcknowledgeAsync("app", "dba", default);
        Assert.Equal(IncidentState.Cancelled, world.Service().Get(report.Id).State);
    }

    [Fact]
    public async Task A_check_that_never_holds_fails_the_incident()
    {
        using var world = new World { Fail = what => what == "sql" ? new DbRecoveryException(ErrorIds.DatabaseBusy, ErrorKind.Busy, "held") : null };
        world.Runbook = world.Runbook with { Verify = [.. world.Runbook.Verify.Select(c => c with { Within = TimeSpan.FromMilliseconds(50) })] };
        var report = await world.RecoverAsync();
        Assert.Equal(IncidentState.Failed, report.State);
        Assert.Contains(report.Verification, c => c.Name == VerifyChecks.Writable && !c.Passed);
    }

    [Theory]
    [InlineData("nothing")]
    [InlineData("")]
    public void An_unknown_incident_is_not_found(string id)
    {
        using var world = new World();
        Assert.Equal(ErrorIds.IncidentNotFound, Assert.Throws<DbRecoveryException>(() => world.Service().Get(id)).Id);
    }

    private sealed class Direct<T>(Action<T> action) : IProgress<T>
    {
        public void Report(T value) => action(value);
    }
}
