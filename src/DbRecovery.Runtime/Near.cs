namespace DbRecovery.Runtime;

/// <summary>Finds the name that was probably meant.</summary>
internal static class Near
{
    /// <summary>A sentence that suggests the nearest name, with a space before it; empty where none is near.</summary>
    public static string Suggest(string given, IEnumerable<string> names) => names
        .Select(n => (Name: n, Distance: Distance(given.ToLowerInvariant(), n.ToLowerInvariant())))
        .Where(n => n.Distance <= Math.Max(1, Math.Max(given.Length, n.Name.Length) / 3))
        .OrderBy(n => n.Distance).ThenBy(n => n.Name, StringComparer.Ordinal).Select(n => n.Name).FirstOrDefault() is { } near
            ? $" Did you mean '{near}'?" : "";

    private static int Distance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var above = row[j];
                row[j] = Math.Min(Math.Min(above, row[j - 1]) + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1));
                diagonal = above;
            }
        }
        return row[b.Length];
    }
}
