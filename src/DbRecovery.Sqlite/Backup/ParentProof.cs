using System.Globalization;
using DbRecovery.Sqlite.Format;

namespace DbRecovery.Sqlite.Backup;

/// <summary>What certainly did not change since an earlier backup: all pages up to <see cref="Unchanged"/> that are not in <see cref="Pages"/>.</summary>
/// <param name="Pages">The pages that may have changed.</param>
/// <param name="Unchanged">The last page of which anything is known; later ones must be read.</param>
internal sealed record ParentProof(SortedSet<uint> Pages, uint Unchanged)
{
    /// <summary>How long before the backup a file must have been touched last for its times to say that it was not touched since.</summary>
    private static readonly TimeSpan Settled = TimeSpan.FromMilliseconds(100);
    /// <summary>The same where the file system seems to count in seconds.</summary>
    private static readonly TimeSpan SettledCoarsely = TimeSpan.FromSeconds(3);

    /// <summary>Whether nothing at all changed.</summary>
    internal bool Nothing(uint pageCount) => Pages.Count == 0 && Unchanged == pageCount;

    /// <summary>
    /// Proves what SQLite cannot have written since a backup was taken; null where nothing is proved, and every page must be read.
    /// </summary>
    /// <remarks>
    /// In rollback mode every transaction raises the change counter, and writes the file, which changes its times: the same counter, size
    /// and times of the same inode mean that no byte of it was written. The counter alone would not do: after a power cut a transaction may be
    /// rolled back, and another one bring the counter to the same value.
    /// <para>In WAL mode the snapshot is the file under the log's frames. Where the log has the salts of the backup's, it did not begin anew,
    /// and where the running check sum in the backup's last frame is the same, all frames up to it are the backup's: the sum covers them all.
    /// Then only pages in later frames can differ, as long as the file under them was not touched either. A checkpoint touches it and changes
    /// no page as it is read, but so does whoever copies another file over it and leaves the log: after either it is read. Where the backup
    /// saw no log, the file was all there was; untouched by size and times it still is what it was, under the frames that the log
    /// has now. A log in between would have been checkpointed into the file before it was removed.</para>
    /// <para>A database that shrank and grew again has pages in its end that no frame need hold. They are read.</para>
    /// </remarks>
    /// <param name="parent">The backup.</param>
    /// <param name="snapshot">The pinned database.</param>
    /// <param name="now">Its state, taken while it was pinned.</param>
    /// <param name="parentPages">Pages of the backup's file.</param>
    internal static ParentProof? Find(BackupSourceInfo parent, Snapshot snapshot, IReadOnlyDictionary<string, string> now, uint parentPages)
    {
        var then = parent.State;
        if (!Same(then, now, BackupState.JournalMode) || !Same(then, now, BackupState.FileId))
            return null;
        var untouched = Untouched(then, now) && IsSettled(parent);
        if (!snapshot.IsWal)
        {
            return now[BackupState.JournalMode] != "wal" && Same(then, now, BackupState.ChangeCounter) && untouched && parentPages == snapshot.PageCount
                ? new ParentProof([], parentPages)
                : null;
        }
        if (now[BackupState.JournalMode] != "wal" || !Untouched(then, now))
            return null;
        var hadNoLog = then.GetValueOrDefault(BackupState.WalSalt) == "" && untouched;
        if (snapshot.Log is not { } log)
            return hadNoLog && now.GetValueOrDefault(BackupState.WalSalt) == "" && parentPages == snapshot.PageCount ? new ParentProof([], parentPages) : null;
        if (hadNoLog)
            return After(snapshot, 0, parentPages);
        return then.GetValueOrDefault(BackupState.WalSalt) == log.Salt
            && uint.TryParse(then.GetValueOrDefault(BackupState.WalFrames), NumberStyles.None, CultureInfo.InvariantCulture, out var frames) && frames <= log.Frames
            && then.TryGetValue(BackupState.WalCheck, out var check) && snapshot.CheckOf(frames) == check
            ? After(snapshot, frames, parentPages)
            : null;
    }

    private static ParentProof? After(Snapshot snapshot, uint frames, uint parentPages) =>
        snapshot.PagesAfter(frames) is { } found ? new ParentProof(found.Pages, Math.Min(Math.Min(parentPages, found.Smallest), snapshot.PageCount)) : null;

    private static bool Untouched(IReadOnlyDictionary<string, string> then, IReadOnlyDictionary<string, string> now) =>
        Same(then, now, BackupState.FileSize) && Same(then, now, BackupState.FileModified) && Same(then, now, BackupState.FileChanged);

    // file systems count in ticks of milliseconds: a write in the same tick as the last one before the backup would not show
    private static bool IsSettled(BackupSourceInfo parent) =>
        long.TryParse(parent.State.GetValueOrDefault(BackupState.FileChanged), NumberStyles.None, CultureInfo.InvariantCulture, out var ticks)
        && parent.DataAsOf.UtcTicks - ticks > (ticks % TimeSpan.TicksPerSecond == 0 ? SettledCoarsely : Settled).Ticks;

    private static bool Same(IReadOnlyDictionary<string, string> then, IReadOnlyDictionary<string, string> now, string key) =>
        then.TryGetValue(key, out var a) && now.TryGetValue(key, out var b) && a == b;
}
