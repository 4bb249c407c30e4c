using System.Globalization;
using DbRecovery.Sqlite.Files;

namespace DbRecovery.Sqlite.Format;

/// <summary>
/// What a backup remembers of the live files, so that a later observation can tell whether SQLite wrote since.
/// It proves the negative only: where it cannot prove that nothing was written, the answer is "unknown", never "written".
/// </summary>
internal static class BackupState
{
    internal const string JournalMode = "journalMode";
    internal const string ChangeCounter = "changeCounter";
    internal const string WalSalt = "walSalt";
    internal const string WalFrames = "walFrames";
    /// <summary>The running check sum in the last of those frames: it covers every frame before it.</summary>
    internal const string WalCheck = "walCheck";
    internal const string FileSize = "fileSize";
    internal const string FileModified = "fileModified";
    internal const string FileChanged = "fileChanged";
    internal const string FileId = "fileId";
    internal const string PageCount = "pageCount";

    /// <summary>
    /// Takes down the state of a database. A backup calls it before it begins to read and again when its snapshot stands, and
    /// keeps <see cref="Agreed"/>.
    /// </summary>
    /// <param name="path">The database.</param>
    /// <param name="header">Its header as the file has it.</param>
    /// <param name="cancellationToken">Cancels.</param>
    internal static IReadOnlyDictionary<string, string> Capture(string path, SqliteHeader header, CancellationToken cancellationToken = default)
    {
        var state = new Dictionary<string, string>
        {
            [JournalMode] = header.IsWal ? "wal" : "rollback",
            [ChangeCounter] = header.ChangeCounter.ToString(CultureInfo.InvariantCulture),
        };
        if (header.PageCount is { } pages)
            state[PageCount] = pages.ToString(CultureInfo.InvariantCulture);
        if (header.IsWal)
        {
            var wal = WalFile.TryRead(path, withPages: false, cancellationToken);
            state[WalSalt] = wal?.Salt ?? "";
            state[WalFrames] = (wal?.CommittedFrames ?? 0).ToString(CultureInfo.InvariantCulture);
        }
        if (FileStatus.Of(path) is { } file)
        {
            state[FileSize] = file.Size.ToString(CultureInfo.InvariantCulture);
            state[FileModified] = file.ModifiedTicks.ToString(CultureInfo.InvariantCulture);
            state[FileChanged] = file.ChangedTicks.ToString(CultureInfo.InvariantCulture);
            state[FileId] = file.Inode.ToString(CultureInfo.InvariantCulture);
        }
        return state;
    }

    /// <summary>What both states say: a writer between them leaves nothing to compare with, which is the honest answer.</summary>
    internal static IReadOnlyDictionary<string, string> Agreed(IReadOnlyDictionary<string, string> before, IReadOnlyDictionary<string, string> after) =>
        after.Where(pair => before.TryGetValue(pair.Key, out var value) && value == pair.Value).ToDictionary();

    /// <summary>Whether SQLite certainly wrote nothing between the two states; null with the reason where that is not proved.</summary>
    /// <param name="then">The state at the backup.</param>
    /// <param name="now">The state now.</param>
    /// <param name="because">What the answer rests on.</param>
    internal static bool? Compare(IReadOnlyDictionary<string, string> then, IReadOnlyDictionary<string, string> now, out string because)
    {
        if (Same(then, now, JournalMode) != true)
            return Unknown("the journal mode is not what it was at the backup, or the backup did not note it", out because);
        // an older file put into the place of this one may reach the same counter by other changes
        if (Same(then, now, FileId) != true)
            return Unknown("the file is not the one that was backed up", out because);
        if (Same(then, now, ChangeCounter) is not { } sameCounter)
            return Unknown("the backup did not note the change counter: it was taken while a transaction ended", out because);
        if (!sameCounter)
        {
            because = "the change counter differs";
            return false;
        }
        if (now[JournalMode] != "wal")
        {
            because = "the change counter is the same, and in rollback mode every transaction raises it";
            return true;
        }
        return CompareWal(then, now, out because);
    }

    private static bool? CompareWal(IReadOnlyDictionary<string, string> then, IReadOnlyDictionary<string, string> now, out string because)
    {
        var sameSalt = Same(then, now, WalSalt);
        if (now.GetValueOrDefault(WalSalt) is { Length: > 0 } && sameSalt == true)
        {
            var sameFrames = Same(then, now, WalFrames);
            because = sameFrames switch
            {
                true => "the WAL has the same salts and the same number of committed frames",
                false => "the WAL has other committed frames",
                null => "the backup did not note the WAL's frames: it was taken while a transaction ended",
            };
            return sameFrames;
        }
        // in WAL mode a transaction that leaves page 1 alone leaves the change counter alone, and closing removes the WAL:
        // only an untouched file proves anything
        if (sameSalt == true && Same(then, now, FileSize) == true && Same(then, now, FileModified) == true && Same(then, now, FileChanged) == true)
        {
            because = "there was no WAL and is none, and the file was not touched since";
            return true;
        }
        return Unknown("in WAL mode, without the WAL of the backup, nothing proves that no transaction ran since", out because);
    }

    private static bool? Unknown(string why, out string because)
    {
        because = why;
        return null;
    }

    private static bool? Same(IReadOnlyDictionary<string, string> then, IReadOnlyDictionary<string, string> now, string key) =>
        then.TryGetValue(key, out var a) && now.TryGetValue(key, out var b) ? a == b : null;
}
