namespace DbRecovery.Engine.Health;

/// <summary>Whether what a server stores is what was written, as far as a look tells.</summary>
internal static class PageDamage
{
    private static readonly string[] s_codes = ["XX001", "XX002"];

    /// <summary>The error in which the server itself says that what it read is damaged; null for none.</summary>
    public static ObservedError? Error(NodeObservation node) => node.Errors.FirstOrDefault(e => s_codes.Contains(e.Code));

    /// <summary>Whether pages failed their checksum, a check found damage, or the server says so.</summary>
    public static bool IsSeen(NodeObservation node) =>
        node.Facts.Int(PostgreSqlFacts.ChecksumFailures) > 0 || node.Facts.List(PostgreSqlFacts.CorruptObjects) is { Count: > 0 } || Error(node) is not null;

    /// <summary>The same; null where damage would not be told: there are no checksums, and nothing was checked.</summary>
    public static bool? IsKnown(NodeObservation node) => IsSeen(node) ? true
        : node.Facts.Int(PostgreSqlFacts.ChecksumFailures) is not null || node.Facts.List(PostgreSqlFacts.CorruptObjects) is not null ? false : null;
}
