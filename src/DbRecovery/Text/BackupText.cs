namespace DbRecovery.Shells;

/// <summary>Backups as text for people.</summary>
internal static class BackupText
{
    /// <summary>What the newest of the backups of each node is without, a sentence each; nothing where all is there.</summary>
    public static IEnumerable<string> Missing(IEnumerable<BackupInfo> backups) => backups.GroupBy(b => (b.Cluster, b.Node))
        .Select(g => g.MaxBy(b => b.StartedAt)!).Where(b => b.MissingFiles.Count > 0)
        .Select(b => $"backup {b.Id} of '{b.Cluster}' is without {Counted.Of(b.MissingFiles.Count, "file that belongs", "files that belong")} to the database: {string.Join(", ", b.MissingFiles)}");
}
