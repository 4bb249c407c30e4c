using System.Collections.Concurrent;
using System.IO;

namespace DbRecovery.PostgreSql.Observation;

/// <summary>
/// Free space where the data is on this machine, without a program. A file system that hangs holds one thread, and later looks wait for that
/// one's answer.
/// </summary>
internal sealed class LocalDisk(TimeProvider clock)
{
    private readonly ConcurrentDictionary<string, Task<(long Free, long Size)?>> _asked = new(StringComparer.Ordinal);

    /// <summary>Asks the file system of a folder; null where it cannot be told from here.</summary>
    /// <exception cref="TimeoutException">It did not answer in time.</exception>
    internal Task<(long Free, long Size)?> AskAsync(string folder, TimeSpan timeout, CancellationToken cancellationToken) =>
        _asked.AddOrUpdate(folder, Ask, (key, before) => before.IsCompleted ? Ask(key) : before).WaitAsync(timeout, clock, cancellationToken);

    // a thread of its own: the pool's are not there to hang
    private static Task<(long Free, long Size)?> Ask(string folder) =>
        Task.Factory.StartNew(() => Look(folder), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private static (long Free, long Size)? Look(string folder)
    {
        try
        {
            if (!Path.IsPathFullyQualified(folder))
                return null;
            var drive = new DriveInfo(folder);
            // of these the runtime takes the size of a transfer for that of a block
            return drive.DriveFormat.StartsWith("fuse", StringComparison.Ordinal) ? null : (drive.AvailableFreeSpace, drive.TotalSize);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            // that user may see it who owns it
            return null;
        }
    }
}
