using DbRecovery.Sqlite.Files;

namespace DbRecovery.Sqlite.Swap;

/// <summary>
/// Connections that are open on a database in WAL mode but have not read from it.
/// </summary>
/// <remarks>
/// SQLite opens -wal and -shm by name, at the first read. A connection that opened the old file and reads only after the swap would
/// therefore lay the new file's log over the old file's pages, and its commits would go into the new database. The fence in the old -shm
/// does not reach it, since it has none. So a swap waits for it to read or to go, and refuses where it does neither.
/// A process in which another connection has read is safe: connections of a process share their -shm by inode.
/// </remarks>
internal static class UnreadConnections
{
    /// <summary>The time between two looks.</summary>
    internal static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(50);

    /// <summary>The other processes that have the file open without its -shm; none where the system does not tell.</summary>
    internal static IReadOnlyList<int> Of(string path) =>
        !OperatingSystem.IsLinux() ? [] : [.. FileUsers.Openers(path).Where(o => !o.SharedMemory && o.Process != Environment.ProcessId).Select(o => o.Process)];

    /// <summary>Says that a swap would be unsafe.</summary>
    internal static DbRecoveryException Refuse(string path, IReadOnlyList<int> processes) => new(ErrorIds.DatabaseBusy, ErrorKind.Busy,
        $"{path} is open, but was not read yet, by {string.Join(", ", processes.Select(FileUsers.Describe))}: after a swap it would mix the old file with the new one's log",
        "Stop that process, or let it read the database once; then try again. Nothing was changed.", path);
}
