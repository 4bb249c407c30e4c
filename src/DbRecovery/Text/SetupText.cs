using System.Text;

namespace DbRecovery.Shells;

/// <summary>What a cluster still needs, as SQL that a person can read and run.</summary>
internal static class SetupText
{
    /// <summary>The statements of what is missing or recommended, node by node, each with what it is for.</summary>
    public static string Sql(IEnumerable<SetupItem> items)
    {
        var text = new StringBuilder();
        string? node = null;
        foreach (var item in items.Where(i => i.Statements.Count > 0 && i.State is SetupState.Missing or SetupState.Recommended))
        {
            if (item.Node != node)
                text.Append($"{(node is null ? "" : "\n")}-- on {item.Node}\n");
            node = item.Node;
            text.Append($"-- {Line(item.What)}{(item.State == SetupState.Recommended ? " (recommended)" : "")}{(item.NeedsRestart ? " (holds after a restart)" : "")}\n");
            foreach (var statement in item.Statements)
                text.Append(statement.TrimEnd().TrimEnd(';')).Append(";\n");
        }
        return text.Length == 0 ? "-- nothing is missing" : text.ToString().TrimEnd('\n');
    }

    // a comment ends with its line: what stood on the next one would be run
    private static string Line(string text) => text.ReplaceLineEndings(" ");
}
