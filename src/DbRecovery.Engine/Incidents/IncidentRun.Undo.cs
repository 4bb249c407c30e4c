using DbRecovery.Engine.Actions;
using DbRecovery.Engine.Runbooks;

namespace DbRecovery.Engine.Incidents;

// What follows a failure: steps are undone, people are told.
internal sealed partial class IncidentRun
{
    private async Task CompensateAsync(CancellationToken cancellationToken)
    {
        await UndoAsync(static action => action.CanCompensate, cancellationToken).ConfigureAwait(false);
        var failed = _history.Steps.LastOrDefault(s => s.State == StepState.Failed);
        Record(JournalKind.Failing, failed is null ? "A step failed; what was done is undone." : $"The step '{failed.Id}' failed, and what was done is undone: {failed.Result}");
    }

    /// <summary>Undoes steps from the last to the first, up to one that took effect for good: what came before it may be what is in use now, or hold what was.</summary>
    private async Task UndoAsync(Func<RecoveryAction, bool> wanted, CancellationToken cancellationToken)
    {
        foreach (var step in _history.Steps.Reverse().Where(s => s.Plan is not null && s.State is not StepState.Compensated).ToList())
        {
            var action = _services.Actions.Get(step.Action);
            if (!action.CanCompensate && step.Plan!.Acts.Any(a => a.Destructive) && await TookEffectAsync(step, action, cancellationToken).ConfigureAwait(false))
                return;
            if (step.State is StepState.Applied or StepState.Confirmed && wanted(action))
                await UndoAsync(step, action, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task UndoAsync(StepProgress step, RecoveryAction action, CancellationToken cancellationToken)
    {
        Record(JournalKind.UndoIntent, $"Undoing the step '{step.Id}'.", new JournalData { Action = step.Action }, step: step.Id);
        try
        {
            var result = await action.CompensateAsync(Acting(action.Descriptor.DefaultTimeout), step.Plan!, cancellationToken).ConfigureAwait(false);
            RecordStep(step.Id, action, StepState.Compensated, result.Summary);
        }
        catch (Exception e) when (e is DbRecoveryException { Id: not (ErrorIds.LeaseLost or ErrorIds.JournalCorrupt or ErrorIds.Unexpected) } or IOException or UnauthorizedAccessException && !_journal.IsBroken)
        {
            Record(JournalKind.Decided, $"The step '{step.Id}' could not be undone: {e.Message}", step: step.Id);
        }
    }

    // a step that failed may have failed after its effect: the look at the world decides, and what it cannot tell counts as an effect
    private async Task<bool> TookEffectAsync(StepProgress step, RecoveryAction action, CancellationToken cancellationToken)
    {
        if (step.State is StepState.Applied or StepState.Confirmed)
            return true;
        try
        {
            var seen = await action.ReconcileAsync(Acting(action.Descriptor.DefaultTimeout), step.Plan!, cancellationToken).ConfigureAwait(false);
            return seen.Outcome != ReconcileOutcome.NotDone;
        }
        catch (Exception e) when (e is DbRecoveryException or IOException or UnauthorizedAccessException)
        {
            return true;
        }
    }

    private async Task EscalateAsync(bool onlyNotify, CancellationToken cancellationToken)
    {
        for (var i = 0; i < _runbook.Escalate.Count; i++)
        {
            var step = _runbook.Escalate[i];
            var id = $"escalate.{(string.IsNullOrEmpty(step.Id) ? (i + 1).ToString(System.Globalization.CultureInfo.InvariantCulture) : step.Id)}";
            if ((onlyNotify && step.Action != "notify") || _history.Step(id) is { IsSettled: true })
                continue;
            await RunStepAsync(step, id, FailurePolicy.Continue, cancellationToken).ConfigureAwait(false);
        }
    }
}
