using DbRecovery.Sqlite.Files;
using DbRecovery.Sqlite.Native;

namespace DbRecovery.Sqlite.Swap;

/// <summary>One act of a swap and how it is done.</summary>
/// <param name="Act">What the plan shows.</param>
/// <param name="Do">Does it; null for what the lock itself does.</param>
/// <param name="Undo">Takes it back, where a later step fails before the new file is in place.</param>
internal sealed record SwapStep(PlannedAct Act, Action<SqliteFileLock?>? Do, Action<SqliteFileLock?>? Undo = null);

/// <summary>
/// The acts of a swap, worked out from what is on disk. Made once to be shown and once more, under the lock, to be done.
/// </summary>
/// <remarks>
/// The order makes every interruption safe to repeat. The old file first gets a second name in the folder where it is kept, then its
/// journals go there, then one rename(2) puts the new file at the path. So the path is never missing; before the rename the old file is
/// still there and is recognised by its identity; after it the new file's old name is gone. (An exchange of the two names could not be
/// told from its opposite after a crash.) The folder of the new file stays on the same file system, so a rename is all it takes.
/// </remarks>
internal sealed class SwapPlan
{
    internal static readonly string[] JournalSuffixes = ["-wal", "-shm", "-journal"];

    private readonly string _path;
    private readonly string _newFile;
    private readonly string _keepFolder;

    internal SwapPlan(string path, string newFile, string keepFolder) => (_path, _newFile, _keepFolder) = (path, newFile, keepFolder);

    /// <summary>Where the old file will be.</summary>
    internal string KeptPath => Path.Combine(_keepFolder, Path.GetFileName(_path));

    /// <summary>Whether an earlier run, cut off, has already put the new file at the path.</summary>
    internal bool AlreadyDone => !File.Exists(_newFile) && File.Exists(_path) && File.Exists(KeptPath) && !SameFile(_path, KeptPath);

    /// <summary>Whether the new file is at the path: from then on nothing is taken back.</summary>
    internal bool Exchanged { get; private set; }

    /// <summary>Takes the locks within a time, and makes sure that no process is about to mix the old file with the new one's log.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.DatabaseBusy"/>; nothing was changed.</exception>
    internal async Task<SqliteFileLock> LockAsync(TimeSpan timeout, TimeProvider clock, CancellationToken cancellationToken)
    {
        var start = clock.GetTimestamp();
        while (true)
        {
            var left = timeout - clock.GetElapsedTime(start);
            var held = await SqliteFileLock.TakeAsync(_path, left > TimeSpan.Zero ? left : TimeSpan.Zero, clock, cancellationToken).ConfigureAwait(false);
            IReadOnlyList<int> unread;
            try
            {
                unread = (JournalModeBytes.OfLive(_path, held) ?? JournalModeBytes.Of(_newFile)) == JournalModeBytes.Wal ? UnreadConnections.Of(_path) : [];
            }
            catch
            {
                held.Dispose();
                throw;
            }
            if (unread.Count == 0)
                return held;
            // such a connection cannot read, and so come out of danger, while the file is locked
            held.Dispose();
            if (clock.GetElapsedTime(start) >= timeout)
                throw UnreadConnections.Refuse(_path, unread);
            await Task.Delay(UnreadConnections.Poll, clock, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Carries the steps out; a failure before the new file is in place takes back what was done.</summary>
    internal void Run(SqliteFileLock? held)
    {
        var done = new Stack<SwapStep>();
        try
        {
            foreach (var step in Steps(held))
            {
                step.Do?.Invoke(held);
                done.Push(step);
            }
        }
        catch when (!Exchanged)
        {
            foreach (var step in done)
                step.Undo?.Invoke(held);
            throw;
        }
    }

    /// <summary>The acts in order.</summary>
    internal IReadOnlyList<SwapStep> Steps(SqliteFileLock? held = null)
    {
        var steps = new List<SwapStep>();
        var hasOld = File.Exists(_path);
        if (hasOld)
            steps.Add(new(new(ActKind.Modify, _path, "lock out writers and new connections (RESERVED and PENDING" + (File.Exists(_path + "-shm") ? ", WAL write, checkpoint and recovery locks)" : ")")), null));
        if (!Directory.Exists(_keepFolder))
            steps.Add(new(new(ActKind.Create, _keepFolder, "create the folder that keeps the old files"), _ => CreateKeepFolder()));
        if (hasOld)
        {
            AddLikeness(steps, held);
            if (!SameFile(_path, KeptPath))
                steps.Add(new(new(ActKind.Create, KeptPath, $"keep the old file: a second name (hard link) of {_path}, or a copy where the file system has no links"), Keep, _ => File.Delete(KeptPath)));
        }
        // before the rename: cut off in between, connections fail, which is better than their writing into a file that nobody reads
        if (hasOld && File.Exists(_path + "-shm"))
            steps.Add(new(new(ActKind.Modify, _path + "-shm", "mark the shared memory so that connections on the old file fail at their next transaction"), l => l!.FenceWalConnections(), l => l!.LiftFence()));
        else if (File.Exists(_path + "-shm") && OperatingSystem.IsLinux())
            steps.Add(new(new(ActKind.Modify, _path + "-shm", "mark the shared memory so that connections on the deleted file fail at their next transaction"), null));
        foreach (var suffix in JournalSuffixes.Where(s => File.Exists(_path + s)))
        {
            var (from, kept) = (_path + suffix, FreeName(KeptPath + suffix));
            steps.Add(new(new(ActKind.Move, from, $"move to {kept}"), _ => File.Move(from, kept), _ => File.Move(kept, from)));
        }
        steps.Add(new(new(ActKind.Replace, _path, $"rename {_newFile} to {_path} in one step, after syncing it and the folders"), _ => Exchange()));
        return steps;
    }

    private void AddLikeness(List<SwapStep> steps, SqliteFileLock? held)
    {
        // an application that set WAL mode once, when it made the database, expects to find it
        if (JournalModeBytes.OfLive(_path, held) is { } mode && JournalModeBytes.Of(_newFile) is { } now && now != mode)
            steps.Add(new(new(ActKind.Modify, _newFile, $"put it into the old file's journal mode ({(mode == 2 ? "WAL" : "rollback journal")})"), _ => JournalModeBytes.Set(_newFile, mode), _ => JournalModeBytes.Set(_newFile, now)));
        if (FileStatus.Of(_path)?.Owner is { } old && FileStatus.Of(_newFile)?.Owner is { } fresh && old != fresh)
            steps.Add(new(new(ActKind.Modify, _newFile, $"give it the old file's owner and mode ({old.User}:{old.Group}, {Convert.ToString(old.Mode, 8)})"), _ => PosixFile.Give(_newFile, old)));
    }

    private void CreateKeepFolder()
    {
        Directory.CreateDirectory(_keepFolder);
        PosixFile.Sync(Path.GetDirectoryName(_keepFolder)!);
    }

    private void Keep(SqliteFileLock? held)
    {
        // a copy made by a run that was cut off is as good as a new one
        if (File.Exists(KeptPath) && held is not null && IsCopy(held.File))
            return;
        if (File.Exists(KeptPath))
            throw new DbRecoveryException(ErrorIds.TargetExists, ErrorKind.Refused, $"{KeptPath} exists and is another file than {_path}", "Choose an empty folder to keep the old file in.", KeptPath);
        if (OperatingSystem.IsWindows() || !PosixFile.TryLink(_path, KeptPath))
            Copy(held!);
    }

    // read through the file object: a descriptor of our own would, when closed, take this process's locks away
    internal void Copy(SqliteFileLock held)
    {
        var partial = KeptPath + ".partial";
        using (var copy = new FileStream(partial, FileMode.Create, FileAccess.Write))
        {
            var size = held.File.Size();
            var buffer = new byte[1 << 20];
            for (long at = 0; at < size; at += buffer.Length)
            {
                var part = buffer.AsSpan(0, (int)Math.Min(buffer.Length, size - at));
                held.File.Read(part, at);
                copy.Write(part);
            }
            copy.Flush(flushToDisk: true);
        }
        File.Move(partial, KeptPath);
    }

    private bool IsCopy(SqliteFile old)
    {
        using var kept = File.OpenHandle(KeptPath);
        var size = old.Size();
        if (RandomAccess.GetLength(kept) != size)
            return false;
        var (a, b) = (new byte[1 << 20], new byte[1 << 20]);
        for (long at = 0; at < size; at += a.Length)
        {
            var length = (int)Math.Min(a.Length, size - at);
            old.Read(a.AsSpan(0, length), at);
            if (RandomAccess.Read(kept, b.AsSpan(0, length), at) != length || !a.AsSpan(0, length).SequenceEqual(b.AsSpan(0, length)))
                return false;
        }
        return true;
    }

    private void Exchange()
    {
        // what is kept must be on disk before the path changes, else a power failure could lose both
        PosixFile.Sync(_newFile);
        foreach (var kept in new[] { KeptPath + "-wal", KeptPath + "-journal" }.Where(File.Exists))
            PosixFile.Sync(kept);
        PosixFile.Sync(_keepFolder);
        File.Move(_newFile, _path, overwrite: true);
        Exchanged = true;
        PosixFile.Sync(Path.GetDirectoryName(_path)!);
        var from = Path.GetDirectoryName(_newFile)!;
        if (from != Path.GetDirectoryName(_path))
            PosixFile.Sync(from);
    }

    // a run that was cut off may have kept a journal already, and the application may have begun another since
    private static string FreeName(string name)
    {
        var candidate = name;
        for (var i = 1; File.Exists(candidate); i++)
            candidate = $"{name}.{i}";
        return candidate;
    }

    private static bool SameFile(string a, string b) =>
        FileStatus.Of(a) is { } one && FileStatus.Of(b) is { } other && one.IsSameFile(other);
}
