using System.Text;

namespace DbRecovery.Engine.Health;

/// <summary>Reads <c>synchronous_standby_names</c>; see https://www.postgresql.org/docs/current/runtime-config-replication.html.</summary>
internal static class SynchronousNames
{
    /// <summary>The names that a primary lists, connected or not; for <c>*</c> those that are connected. Empty where replication is asynchronous.</summary>
    public static IReadOnlyList<string> Of(NodeObservation primary)
    {
        if (primary.Facts.Text(PostgreSqlFacts.SyncNames) is not { Length: > 0 } setting)
            return [];
        var names = Parse(setting);
        return names.Contains("*", StringComparer.Ordinal)
            ? [.. names.Where(n => n != "*").Union(primary.Downstreams.Select(d => d.Name), StringComparer.Ordinal)]
            : names;
    }

    /// <summary>The names of the setting: a plain list, or the one in the brackets of <c>ANY n (...)</c>, <c>FIRST n (...)</c> or <c>n (...)</c>.</summary>
    public static IReadOnlyList<string> Parse(string setting)
    {
        var names = new List<string>();
        var name = new StringBuilder();
        var (quoted, wasQuoted) = (false, false);
        foreach (var c in setting + ",")
        {
            if (c == '"')
            {
                // two in a row inside of quotes are one that is meant
                if (!quoted && wasQuoted)
                    name.Append(c);
                (quoted, wasQuoted) = (!quoted, true);
            }
            else if (quoted)
                name.Append(c);
            else if (c == '(')
                Reset();
            else if (c is ',' or ')')
            {
                if (name.Length > 0)
                    names.Add(wasQuoted ? name.ToString() : name.ToString().ToLowerInvariant());
                Reset();
            }
            else if (!char.IsWhiteSpace(c))
                name.Append(c);
        }
        return names;

        void Reset()
        {
            name.Clear();
            wasQuoted = false;
        }
    }
}
