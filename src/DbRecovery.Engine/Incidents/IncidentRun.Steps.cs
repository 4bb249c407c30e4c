using DbRecovery.Engine.Actions;
using DbRecovery.Engine.Runbooks;

namespace DbRecovery.Engine.Incidents;

// The steps: intent, act, result, and what a look at the world says where the result is missing.
internal sealed partial class IncidentRun
{
    private const int LongestHeadline = 300;
    private static readonly TimeSpan LongestDelay = TimeSpan.FromMinutes(5);

    private enum AttemptKind
    {
        Applied,
        Failed,
        Unknown,
        StillRunning,
    }

    private sealed record Attempt(AttemptKind Kind, ActionResult? Result = null, string? Why = null, string? ErrorId = null);

    private async Task RunStepsAsync(CancellationToken cancellationToken)
    {
        foreach (var step in _runbook.Steps)
        {
            if (_history.Step(step.Id) is { IsSettled: true } settled)
            {
                if (settled.State != StepState.Failed || settled.GoesOn == true)
                    continue;
                // the process ended between the failure and what follows from it
                FollowFailure(step.Id, settled.Result!, null, step.OnFailure);
                return;
            }
            await RunStepAsync(step, step.Id, step.OnFailure, cancellationToken).ConfigureAwait(false);
            if (_history.State != IncidentState.Executing || _history.FailingBecause is not null)
                return;
        }
        Record(JournalKind.Verified, "Every step is done; the result is being checked.", trigger: IncidentTrigger.StepsDone);
    }

    private async Task RunStepAsync(RunbookStep step, string id, FailurePolicy onFailure, CancellationToken cancellationToken)
    {
        var action = _services.Actions.Get(step.Action);
        ActionPlan? plan = null;
        var attempt = 1;
        if (_history.Step(id) is { Plan: not null, State: StepState.Intent or StepState.Unknown } before)
        {
            attempt = before.Attempts;
            plan = before.Plan;
            if (before.State == StepState.Intent)
                RecordStep(id, action, StepState.Unknown, "The process ended before the outcome of this step was written.");
            if (await ReconcileAsync(id, action, plan!, cancellationToken).ConfigureAwait(false) != ReconcileOutcome.NotDone)
                return;
        }
        else if (_history.Step(id) is { State: StepState.Failed } failed)
        {
            // as between two attempts of one process: what may still come to pass is not planned anew
            (attempt, plan) = (failed.Attempts + 1, PlansAnew(id, action) ? null : failed.Plan);
        }
        if (!await MayRunAsync(step, id, action, plan, onFailure, cancellationToken).ConfigureAwait(false))
            return;
        plan ??= await PlanNowAsync(step, id, action, onFailure, cancellationToken).ConfigureAwait(false);
        if (plan is not null)
            await AttemptsAsync(step, id, action, plan, attempt, onFailure, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Lease, pause, deadline, condition and guards, each looked at again before the step.</summary>
    private async Task<bool> MayRunAsync(RunbookStep step, string id, RecoveryAction action, ActionPlan? plan, FailurePolicy onFailure, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
            throw new RunInterruptedException("it was cancelled");
        _lease.Ensure();
        if (_store.ReadPause(_cluster.Name, Clock.GetUtcNow()) is { } pause && _history.FailingBecause is null)
            throw new RunInterruptedException($"recovery of the cluster was paused by {pause.By} ({pause.Reason})");
        if (Remaining() <= TimeSpan.Zero && _history.FailingBecause is null)
        {
            RecordFailure(id, action, $"The recovery's whole time ({_runbook.Limits.TotalTimeout}) is over.", ErrorIds.TimedOut, FailurePolicy.Stop);
            return false;
        }
        var destructive = plan?.Acts.Any(a => a.Destructive) ?? action.Descriptor.Destructive;
        try
        {
            if (_facts.Count == 0 || destructive)
                TakeFacts(await LookAsync(cancellationToken).ConfigureAwait(false));
        }
        catch (DbRecoveryException e)
        {
            RecordFailure(id, action, $"Not done: the cluster could not be looked at: {e.Message}", e.Id, onFailure);
            return false;
        }
        if (destructive && GuardsNow() is { Count: > 0 } broken)
        {
            RecordFailure(id, action, $"Not done: {string.Join("; ", broken)}", ErrorIds.GuardFailed, onFailure);
            return false;
        }
        if (destructive && await LosesMoreAsync(cancellationToken).ConfigureAwait(false) is { } lost)
        {
            RecordFailure(id, action, $"Not done: it would lose more than was planned and allowed. {lost}", ErrorIds.DataLossNotAllowed, onFailure);
            return false;
        }
        if (plan is null && step.When is not null && _services.Evaluator.Evaluate(step.When, Values()) is { Result: not true } outcome)
        {
            RecordStep(id, action, StepState.Skipped, $"Not needed{(outcome.Result is null ? ", as far as can be told" : "")}: {outcome.Explanation}");
            return false;
        }
        return true;
    }

    /// <summary>
    /// Whether more would be lost than was planned, because the database was written since, or because a step found more missing than it
    /// had planned with. The steps that planned a loss are asked again, just before what they made takes the database's place.
    /// </summary>
    private async Task<string?> LosesMoreAsync(CancellationToken cancellationToken)
    {
        if (_history.Plan?.Loss is not { Bytes: { } planned })
            return null; // that it cannot be known was agreed to
        var allowed = Math.Max(planned, Math.Max(_history.Opened.AllowDataLossBytes ?? 0, Inputs().MaxDataLossBytes));
        if (!IncidentPlanner.IsAccepted(_history.Loss, allowed))
            return _history.Loss!.Statement;
        // what took its effect for good has lost what it lost
        var counted = _history.Plan.Steps.Where(s => s is { Loss: not null, Destructive: false }).Select(s => s.Id).Intersect(_history.Steps.Where(s => s.State is StepState.Applied or StepState.Confirmed).Select(s => s.Id)).ToHashSet();
        foreach (var step in _runbook.Steps.Where(s => counted.Contains(s.Id)))
        {
            try
            {
                var (action, values) = (_services.Actions.Get(step.Action), Values());
                var again = await action.PlanAsync(Acting(_planner.TimeoutOf(step, action, values)), _services.Evaluator.BindOptions(action, step.With, values), cancellationToken).ConfigureAwait(false);
                if (!IncidentPlanner.IsAccepted(again.Loss, allowed))
                    return again.Loss!.Statement;
            }
            catch (DbRecoveryException e)
            {
                return $"What the step '{step.Id}' loses cannot be found out any more: {e.Message}";
            }
        }
        return null;
    }

    private List<string> GuardsNow() => _planner.EvaluateGuards(Request(), Inputs());

    private EvaluationInputs Inputs() => _planner.Inputs(Request(),
        _history.Steps.Where(s => s.Outputs.Count > 0).ToDictionary(s => s.Id, s => s.Outputs, StringComparer.Ordinal)) with
    {
        PlanLoss = _history.Plan?.Loss,
        PlanDestructive = _history.Plan?.Steps.Any(s => s.Destructive),
    };

    private IValueSource Values() => _services.Evaluator.Values(Inputs());

    private async Task<ActionPlan?> PlanNowAsync(RunbookStep step, string id, RecoveryAction action, FailurePolicy onFailure, CancellationToken cancellationToken)
    {
        try
        {
            var values = Values();
            var timeout = _planner.TimeoutOf(step, action, values);
            var plan = await action.PlanAsync(Acting(timeout), _services.Evaluator.BindOptions(action, step.With, values), cancellationToken).ConfigureAwait(false);
            var allowed = Math.Max(_history.Opened.AllowDataLossBytes ?? 0, Inputs().MaxDataLossBytes);
            var foreseen = _history.Plan?.Steps.FirstOrDefault(s => s.Id == id);
            var planned = foreseen is { AsksLater: false } ? foreseen.Loss : null;
            // what is measured in bytes is no other loss because the last sight of the primary was a moment later; what is not is known by its moment alone
            var asPlanned = plan.Loss is null || (planned is not null && (planned.Bytes is { } bytes ? plan.Loss.Bytes <= bytes : planned.Since == plan.Loss.Since));
            var tooMuch = !asPlanned && !IncidentPlanner.IsAccepted(plan.Loss, allowed);
            string[] reasons = [.. plan.ApprovalBecause is { } risk && (foreseen is { AsksLater: true } || _history.Plan?.ApprovalReasons.Contains(risk) != true) ? [risk] : Array.Empty<string>(),
                .. tooMuch ? new[] { IncidentPlanner.LossReason(plan.Loss!, allowed) } : []];
            if (reasons.Length == 0)
                return plan;
            // what the rest can do without is not worth a person's time, nor the time for which everything else would wait
            if (onFailure == FailurePolicy.Continue)
                RecordFailure(id, action, $"Not done: a person would have to agree. {string.Join("; ", reasons)}", tooMuch ? ErrorIds.DataLossNotAllowed : ErrorIds.ApprovalRequired, onFailure);
            else
                AskMidway(id, plan, reasons);
            return null;
        }
        catch (DbRecoveryException e)
        {
            RecordFailure(id, action, $"Cannot be done as things stand: {e.Message}", e.Id, onFailure);
            return null;
        }
    }

    /// <summary>
    /// The step that comes now needs a person's agreement: what was tried first did not help, or it would lose or risk more than was foreseen. The
    /// incident waits where it stands: nothing is undone, so that a fence holds.
    /// </summary>
    private void AskMidway(string id, ActionPlan now, IReadOnlyList<string> reasons)
    {
        var plan = IncidentPlanner.WithStep(_history.Plan!, id, now, reasons, _history.EvidenceHash!);
        Record(JournalKind.Planned, $"The step '{id}' is planned with what is known now.", new JournalData { Plan = plan });
        AskApproval(plan, IncidentTrigger.ApprovalNeeded, $"A person must agree to the step '{id}'{(_history.Effects is { Length: > 0 } done ? $"; what is done so far holds meanwhile ({done})" : "")}");
    }

    private async Task AttemptsAsync(RunbookStep step, string id, RecoveryAction action, ActionPlan plan, int attempt, FailurePolicy onFailure, CancellationToken cancellationToken)
    {
        var timeout = _planner.TimeoutOf(step, action, Values());
        for (; ; attempt++)
        {
            RequireEdge(id, StepState.Intent);
            Record(JournalKind.StepIntent, $"{action.Descriptor.Name}{(attempt > 1 ? $" (attempt {attempt} of {step.Retry.Attempts})" : "")}: {Headline(plan)}",
                new JournalData { Action = action.Descriptor.Name, Attempt = attempt, StepPlan = JournalPlan.Of(plan) }, step: id);
            var outcome = await AttemptAsync(action, plan, timeout, cancellationToken).ConfigureAwait(false);
            // what was seen before is not how things are now
            _seenAge = Fresh;
            if (outcome.Kind == AttemptKind.Applied)
            {
                RecordStep(id, action, StepState.Applied, outcome.Result!.Summary, outcome.Result);
                return;
            }
            if (outcome.Kind is AttemptKind.Unknown or AttemptKind.StillRunning)
            {
                RecordStep(id, action, StepState.Unknown, outcome.Why!);
                if (outcome.Kind == AttemptKind.StillRunning)
                {
                    await HaltAsync($"The step '{id}' does not stop, so what it does cannot be known.", cancellationToken).ConfigureAwait(false);
                    return;
                }
                // the look at the world is short, and without it nobody knows what a cancelled step left
                if (await ReconcileAsync(id, action, plan, CancellationToken.None).ConfigureAwait(false) != ReconcileOutcome.NotDone)
                    return;
                if (cancellationToken.IsCancellationRequested)
                    throw new RunInterruptedException($"it was cancelled in the step '{id}', which left nothing behind");
            }
            if (attempt >= step.Retry.Attempts || Remaining() <= TimeSpan.Zero)
            {
                RecordFailure(id, action, outcome.Why!, outcome.ErrorId, onFailure);
                return;
            }
            RecordStep(id, action, StepState.Failed, $"{outcome.Why} It is tried again.");
            await Task.Delay(DelayBefore(step.Retry, attempt), Clock, cancellationToken).ConfigureAwait(false);
            // as long as an attempt may still come to pass, nobody else is chosen, whatever came of those after it
            if (PlansAnew(id, action))
            {
                if (await PlanNowAsync(step, id, action, onFailure, cancellationToken).ConfigureAwait(false) is not { } anew)
                    return;
                plan = anew;
            }
        }
    }

    private bool PlansAnew(string id, RecoveryAction action) =>
        action.PlansEachAttempt && !(_history.Step(id) is { WasUnknown: true } && action.MayStillComeToPass(_cluster, _history.Folder));

    // a script is in the plan, whole; the line of a record says what it is about
    private static string Headline(ActionPlan plan)
    {
        var detail = plan.Acts.Count > 0 ? plan.Acts[0].Purpose ?? plan.Acts[0].Detail : "";
        var line = detail.AsSpan(0, detail.IndexOf('\n') is var end and >= 0 ? end : detail.Length);
        return line.Length > LongestHeadline ? $"{line[..LongestHeadline]}..." : line.Length < detail.Length ? $"{line} ..." : line.ToString();
    }

    private async Task<Attempt> AttemptAsync(RecoveryAction action, ActionPlan plan, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var remaining = Remaining();
        using var deadline = new CancellationTokenSource(remaining < timeout && remaining > TimeSpan.Zero ? remaining : timeout, Clock);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        var token = linked.Token;
        var context = Acting(timeout);
        var work = Task.Run(() => action.ExecuteAsync(context, plan, token), CancellationToken.None);
        await Task.WhenAny(work, Task.Delay(Timeout.InfiniteTimeSpan, Clock, token)).ConfigureAwait(false);
        // a step that must not be torn ends first; one that ignores its deadline is not waited for for ever
        if (!work.IsCompleted)
            await Task.WhenAny(work, Task.Delay(action.Grace, Clock, CancellationToken.None)).ConfigureAwait(false);
        if (!work.IsCompleted)
            return new Attempt(AttemptKind.StillRunning, Why: $"It went on for {action.Grace} after its deadline of {timeout}.", ErrorId: ErrorIds.OutcomeUnknown);
        try
        {
            return new Attempt(AttemptKind.Applied, await work.ConfigureAwait(false));
        }
        catch (OperationCanceledException)
        {
            return cancellationToken.IsCancellationRequested
                ? new Attempt(AttemptKind.Unknown, Why: "It was cancelled under way.", ErrorId: ErrorIds.Cancelled)
                : new Attempt(AttemptKind.Unknown, Why: $"It did not end within {timeout}.", ErrorId: ErrorIds.TimedOut);
        }
        catch (DbRecoveryException e) when (e.Id is not (ErrorIds.TimedOut or ErrorIds.OutcomeUnknown or ErrorIds.Unexpected))
        {
            return new Attempt(AttemptKind.Failed, Why: e.Message, ErrorId: e.Id);
        }
        catch (Exception e)
        {
            return new Attempt(AttemptKind.Unknown, Why: $"It broke off: {e.Message}", ErrorId: (e as DbRecoveryException)?.Id ?? ErrorIds.StepFailed);
        }
    }

    private async Task<ReconcileOutcome> ReconcileAsync(string id, RecoveryAction action, ActionPlan plan, CancellationToken cancellationToken)
    {
        Reconciliation seen;
        try
        {
            seen = await action.ReconcileAsync(Acting(action.Descriptor.DefaultTimeout), plan, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            seen = new Reconciliation(ReconcileOutcome.Unknown, $"the look failed: {e.Message}");
        }
        if (seen.Outcome == ReconcileOutcome.Done)
            RecordStep(id, action, StepState.Confirmed, $"It had happened: {seen.Evidence}.", seen.Result);
        else if (seen.Outcome == ReconcileOutcome.Unknown)
            await HaltAsync($"Whether the step '{id}' took effect cannot be known: {seen.Evidence}. A person must look.", cancellationToken).ConfigureAwait(false);
        return seen.Outcome;
    }

    private async Task HaltAsync(string because, CancellationToken cancellationToken)
    {
        // a message that may or may not have left is no reason to stop everything
        if (_history.FailingBecause is not null || _history.State is not (IncidentState.Executing or IncidentState.Compensating))
            return;
        Record(JournalKind.Decided, because, new JournalData { ErrorId = ErrorIds.OutcomeUnknown }, IncidentTrigger.OutcomeUnknown);
        await EscalateAsync(onlyNotify: true, cancellationToken).ConfigureAwait(false);
    }

    private async Task<bool> ReconcileHaltedAsync(CancellationToken cancellationToken)
    {
        var step = _history.Steps.FirstOrDefault(s => s.State == StepState.Unknown && s.Plan is not null);
        if (step is null)
            return false;
        var seen = await _services.Actions.Get(step.Action)
            .ReconcileAsync(Acting(TimeSpan.FromMinutes(1)), step.Plan!, cancellationToken).ConfigureAwait(false);
        if (seen.Outcome == ReconcileOutcome.Unknown)
            return false;
        Record(JournalKind.Decided, $"It can be told now: {seen.Evidence}.", trigger: IncidentTrigger.Reconciled);
        return true;
    }

    /// <summary>What an action that acts, or looks whether it acted, works with.</summary>
    private ActionContext Acting(TimeSpan timeout) => _planner.Context(Request(acting: true), timeout, _progress);

    private void RecordStep(string id, RecoveryAction action, StepState state, string text, ActionResult? result = null, bool? goesOn = null, string? errorId = null)
    {
        RequireEdge(id, state);
        Record(JournalKind.StepResult, text, new JournalData
        {
            Action = action.Descriptor.Name, Step = state, Outputs = result?.Outputs, Loss = result?.Loss, GoesOn = goesOn, ErrorId = errorId,
            Pending = state == StepState.Failed && action.PlansEachAttempt && !PlansAnew(id, action) ? true : null,
        }, step: id);
    }

    private void RequireEdge(string id, StepState to)
    {
        var from = _history.Step(id)?.State ?? StepState.Pending;
        if (!IncidentStateTable.Allows(from, to))
            throw new DbRecoveryException(ErrorIds.Unexpected, ErrorKind.Failed, $"the step '{id}' cannot go on from {from} to {to}");
    }

    private void RecordFailure(string id, RecoveryAction action, string why, string? errorId, FailurePolicy policy)
    {
        RecordStep(id, action, StepState.Failed, why, goesOn: policy == FailurePolicy.Continue, errorId: errorId);
        FollowFailure(id, why, errorId, policy);
    }

    private void FollowFailure(string id, string why, string? errorId, FailurePolicy policy)
    {
        if (policy == FailurePolicy.Continue || _history.State != IncidentState.Executing)
            return;
        if (errorId == ErrorIds.FaultGone)
            Record(JournalKind.Ended, $"Nothing else is done: {why}.", trigger: IncidentTrigger.FaultGone);
        else if (policy == FailurePolicy.Compensate)
            Record(JournalKind.Decided, $"The step '{id}' failed: what was done is undone.", trigger: IncidentTrigger.UndoNeeded);
        else
            Record(JournalKind.Failing, $"The step '{id}' failed: {why}", new JournalData { ErrorId = errorId });
    }

    private static TimeSpan DelayBefore(RetryPolicy retry, int attempt)
    {
        // cut before it is doubled: a long one would be more than a TimeSpan holds
        var delay = retry.Delay < LongestDelay ? retry.Delay : LongestDelay;
        if (retry.Exponential)
            delay *= Math.Pow(2, Math.Min(attempt - 1, 20));
        return delay < LongestDelay ? delay : LongestDelay;
    }
}
