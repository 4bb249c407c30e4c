using System.Text;

namespace DbRecovery.Shells;

/// <summary>Plans and incidents as text for people, the same in both shells.</summary>
internal static class PlanText
{
    private const int LongestValue = 240;

    /// <summary>A plan, act by act, wrapped to a width.</summary>
    public static string Describe(RecoveryPlan plan, int width = TextLayout.DefaultWidth)
    {
        var text = new StringBuilder();
        void Line(string heading, string value) => text.Append(TextLayout.Hang(heading, value, width)).Append('\n');

        if (IsAsked(plan.Fault))
            Line("", $"{plan.Fault.Summary}, with runbook {plan.Runbook} {plan.RunbookVersion}");
        else
        {
            Line("", $"Recover '{plan.Cluster}' from {plan.Fault.Id} with runbook {plan.Runbook} {plan.RunbookVersion}");
            Line("  fault: ", plan.Fault.Summary);
        }
        var number = 0;
        var scripts = new List<PlannedAct>();
        foreach (var step in plan.Steps)
        {
            Line($"  {++number}. ", $"{step.Id} ({step.Action}){(step.Destructive ? " [destructive]" : "")}");
            if (step.SkippedBecause is { } because)
                Line("     skipped: ", because);
            else
                foreach (var act in step.Acts)
                    Line($"     {act.Kind.ToString().ToLowerInvariant(),-7} ", $"{act.Target}: {Shown(act, scripts)}{(act.Destructive ? " [destructive]" : "")}");
        }
        for (var i = 0; i < scripts.Count; i++)
        {
            // as it is run, line by line: wrapped, it could not be copied
            Line($"  script {i + 1} ", $"on {scripts[i].Target}:");
            text.Append("    ").Append(scripts[i].Detail.ReplaceLineEndings("\n    ")).Append('\n');
        }
        Line("  loss: ", plan.Loss?.Statement ?? "nothing");
        // the statement stands in the line above; some reasons quote it
        string[] said = plan.Loss is null ? [] : [plan.Loss.Statement];
        foreach (var reason in plan.ApprovalReasons)
            Line("  needs an approval: ", TextLayout.Without(reason, said));
        foreach (var reason in plan.Blocked)
            Line("  blocked: ", reason);
        return text.ToString().TrimEnd('\n');
    }

    /// <summary>An act in its step: what has several lines is named there, and stands whole below the steps.</summary>
    private static string Shown(PlannedAct act, List<PlannedAct> scripts)
    {
        if (!act.Detail.Contains('\n'))
            return act.Purpose is { } purpose ? $"{purpose}: {act.Detail}" : act.Detail;
        var at = scripts.FindIndex(s => s.Target == act.Target && s.Detail == act.Detail);
        if (at < 0)
        {
            at = scripts.Count;
            scripts.Add(act);
        }
        return $"{act.Purpose ?? act.Detail[..act.Detail.IndexOf('\n')].TrimEnd()} (script {at + 1} below)";
    }

    /// <summary>Whether what stands where a fault would stand is something that a person asked for.</summary>
    public static bool IsAsked(Fault fault) => fault.Id.StartsWith("planned.", StringComparison.Ordinal);

    /// <summary>What a fault is and how that is known: each piece of evidence with its value, and what was ruled out.</summary>
    public static IEnumerable<(string Heading, string Text)> Grounds(Fault fault)
    {
        foreach (var evidence in fault.Evidence)
        {
            var value = evidence.Value is null ? "could not be read" : TextLayout.Cut(evidence.Value.ToString() ?? "", LongestValue);
            yield return ("seen", $"{evidence.Fact} = {value}{(evidence.Threshold is null ? "" : $" (must be: {evidence.Threshold})")} on {evidence.Node}: {evidence.Shows}");
        }
        foreach (var other in fault.RuledOut)
            yield return ("not", other);
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
            yield return $"{table.Table}: {before} {Counted.Noun(table.RowsReadable ?? 0, "row")} before, {table.RowsAfter?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "unknown"} after{(table.Note is null ? "" : "; " + table.Note)}";
        }
    }

    /// <summary>A step in a line.</summary>
    public static string Line(IncidentStep step) =>
        $"{step.Id} ({step.Action}): {step.State}{(step.StartedAt is { } a && step.EndedAt is { } b ? " in " + SizeText.Duration(b - a) : "")}{(step.Result is null ? "" : " - " + step.Result)}";
}
