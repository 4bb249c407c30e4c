using DbRecovery.Sqlite.Observation;

namespace DbRecovery.Sqlite.Swap;

/// <summary>Names the processes that keep others from a database.</summary>
internal static class LockHolderNames
{
    /// <summary>The holders of a lock above SHARED other than this process, as <c>pid 123 (name)</c>; empty where the system does not tell.</summary>
    internal static IReadOnlyList<string> Of(string path) =>
        [.. FileUsers.ReadLocks(path)
            .Where(l => l.Strength > LockStrength.Shared && l.Process != Environment.ProcessId)
            .Select(l => FileUsers.Describe(l.Process))
            .Distinct()];
}
