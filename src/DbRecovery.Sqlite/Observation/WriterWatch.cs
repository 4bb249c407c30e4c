using System.Buffers.Binary;
using DbRecovery.Sqlite.Files;
using DbRecovery.Sqlite.Format;
using DbRecovery.Sqlite.Native;

namespace DbRecovery.Sqlite.Observation;

/// <summary>
/// Tells a writer that holds its lock and does not come to an end from one that writes and commits. It watches instead of trying:
/// to try for the lock would keep the application from it.
/// </summary>
internal sealed class WriterWatch(string path, IDatabaseImage file, TimeProvider time)
{
    private static readonly TimeSpan QuickWindow = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Window = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(20);

    /// <summary>Whether the same process held a writer's lock all the time without a commit; null where it cannot be told.</summary>
    internal bool? IsBlocked(FileUsers users, ObservationLevel level, CancellationToken cancellationToken)
    {
        if (!users.Known)
            return null;
        var suspects = Writers(FileUsers.ReadLocks(path)).ToHashSet();
        if (suspects.Count == 0)
            return false;
        var began = time.GetTimestamp();
        var commits = Commits(cancellationToken);
        while (time.GetElapsedTime(began) < (level == ObservationLevel.Quick ? QuickWindow : Window))
        {
            cancellationToken.WaitHandle.WaitOne(Interval);
            cancellationToken.ThrowIfCancellationRequested();
            suspects.IntersectWith(Writers(FileUsers.ReadLocks(path)));
            if (suspects.Count == 0)
                return false;
        }
        return Commits(cancellationToken) == commits;
    }

    private static IEnumerable<int> Writers(IEnumerable<HeldLock> locks) =>
        locks.Where(l => l.Strength >= LockStrength.Reserved).Select(l => l.Process);

    // the change counter counts commits in rollback mode, the committed frames in WAL mode
    private string Commits(CancellationToken cancellationToken)
    {
        var counter = new byte[4];
        file.Read(24, counter);
        var wal = WalFile.TryRead(path, withPages: false, cancellationToken);
        return $"{BinaryPrimitives.ReadUInt32BigEndian(counter)} {wal?.Salt} {wal?.CommittedFrames}";
    }
}
