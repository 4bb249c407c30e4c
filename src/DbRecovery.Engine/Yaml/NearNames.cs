namespace DbRecovery.Engine.Yaml;

/// <summary>Finds what somebody may have meant.</summary>
public static class NearNames
{
    // the comparison costs the product of the lengths and is made with every candidate: a file made to be slow must not succeed
    private const int LongestName = 100, MostCandidates = 300;

    /// <summary>The candidate nearest to a name; null where none is near.</summary>
    public static string? Nearest(string name, IEnumerable<string> candidates)
    {
        if (name.Length > LongestName)
            return null;
        // every third letter may be wrong; more is another word
        var bound = Math.Max(1, name.Length / 3);
        return candidates
            .Take(MostCandidates)
            .Where(c => Math.Abs(c.Length - name.Length) <= bound)
            .Select(c => (Name: c, Distance: Distance(name, c)))
            .Where(c => c.Distance <= bound)
            .OrderBy(c => c.Distance).ThenBy(c => c.Name, StringComparer.Ordinal)
            .Select(c => c.Name)
            .FirstOrDefault();
    }

    /// <summary>"Did you mean 'x'?", or the list of what there is.</summary>
    public static string Suggest(string name, IReadOnlyCollection<string> candidates) =>
        Nearest(name, candidates) is { } near ? $"Did you mean '{near}'?"
        : candidates.Count == 0 ? "There are none."
        : $"There are: {string.Join(", ", candidates.Order(StringComparer.Ordinal).Take(30))}.";

    // Damerau-Levenshtein (optimal string alignment), without regard to case
    private static int Distance(string a, string b)
    {
        var (before, last, row) = (new int[b.Length + 1], Enumerable.Range(0, b.Length + 1).ToArray(), new int[b.Length + 1]);
        for (var i = 1; i <= a.Length; i++)
        {
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var cost = char.ToLowerInvariant(a[i - 1]) == char.ToLowerInvariant(b[j - 1]) ? 0 : 1;
                row[j] = Math.Min(Math.Min(row[j - 1], last[j]) + 1, last[j - 1] + cost);
                if (i > 1 && j > 1 && char.ToLowerInvariant(a[i - 1]) == char.ToLowerInvariant(b[j - 2]) && char.ToLowerInvariant(a[i - 2]) == char.ToLowerInvariant(b[j - 1]))
                    row[j] = Math.Min(row[j], before[j - 2] + 1);
            }
            (before, last, row) = (last, row, before);
        }
        return last[b.Length];
    }
}
