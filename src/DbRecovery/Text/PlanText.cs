using System.Text;

namespace DbRecovery.Shells;

/// <summary>Plans and incidents as text for people, the same in both shells.</summary>
internal static class PlanText
{
    /// <summary>A plan, an act a line.</summary>
    public static string Describe(RecoveryPlan plan)
    {
        var text = new StringBuilder();
        text.Append($"Recover '{plan.Cluster}' from {plan.Fault.Id} with runbook {plan.Runbook} {plan.RunbookVersion}").Append('\n');
        text.Append("  fault: ").Append(plan.Fault.Summary).Append('\n');
        var number = 0;
        foreach (var step in plan.Steps)
        {
            text.Append($"  {++number}. {step.Id} ({step.Action})").Append(step.Destructive ? " [destructive]" : "").Append('\n');
            if (step.SkippedBecause is { } because)
            {
                text.Append("     skipped: ").Append(because).Append('\n');
                continue;
            }
            foreach (var act in step.Acts)
                text.Append($"     {act.Kind.ToString().ToLowerInvariant(),-7} {act.Target}: {act.Detail}").Append(act.Destructive ? " [destructive]" : "").Append('\n');
        }
        text.Append("  loss: ").Append(plan.Loss?.Statement ?? "nothing").Append('\n');
        foreach (var reason in plan.ApprovalReasons)
            text.Append("  needs an approval: ").Append(reason).Append('\n');
        foreach (var reason in plan.Blocked)
            text.Append("  blocked: ").Append(reason).Append('\n');
        return text.ToString().TrimEnd('\n');
    }

    /// <summary>What was lost, the whole and table by table.</summary>
    public static IEnumerable<string> Loss(DataLoss? loss)
    {
        if (loss is null)
        {
            yield return "nothing";
            yield break;
        }
        yield return loss.Statement;
        foreach (var table in loss.Tables)
        {
            var before = table.RowsReadable is { } rows ? (table.Complete ? "" : "at least ") + rows : "unknown";
            yield return $"{table.Table}: {before} rows before, {table.RowsAfter?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "unknown"} after{(table.Note is null ? "" : "; " + table.Note)}";
        }
    }

    /// <summary>A line of a timeline.</summary>
    public static string Line(TimelineEntry entry) =>
        $"{entry.At.UtcDateTime:HH:mm:ss.fff}  {entry.State,-16} {(entry.Step is null ? "" : entry.Step + ": ")}{entry.Event}";

    /// <summary>A step in a line.</summary>
    public static string Line(IncidentStep step) =>
        $"{step.Id} ({step.Action}): {step.State}{(step.StartedAt is { } a && step.EndedAt is { } b ? " in " + SizeText.Duration(b - a) : "")}{(step.Result is null ? "" : " - " + step.Result)}";
}
