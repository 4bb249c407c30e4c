using System.Globalization;
using System.Runtime.InteropServices;

namespace DbRecovery.Sqlite.Files;

/// <summary>The locks of SQLite, weakest first.</summary>
internal enum LockStrength
{
    None,
    Shared,
    Reserved,
    WalWriter,
    Pending,
    Exclusive,
}

/// <summary>A lock that a process holds.</summary>
/// <param name="Process">Its id; -1 where the kernel does not say.</param>
/// <param name="Strength">How strong it is.</param>
internal sealed record HeldLock(int Process, LockStrength Strength);

/// <summary>A process that has a database file open.</summary>
/// <param name="Process">Its id.</param>
/// <param name="SharedMemory">Whether it has the -shm open, too: then it has read in WAL mode.</param>
internal sealed record FileOpener(int Process, bool SharedMemory);

/// <summary>
/// Who uses a database, seen from outside: /proc/locks against the bytes that SQLite locks, and the descriptors of every process.
/// Nothing is opened, so that no lock of this process can be lost by it.
/// </summary>
internal sealed record FileUsers
{
    private const long PendingByte = 0x40000000, ReservedByte = PendingByte + 1, FirstShared = PendingByte + 2, LastShared = FirstShared + 509;
    private const long WalWriteLock = 120;
    private const string DeletedMark = " (deleted)"; // see proc(5), /proc/pid/fd

    /// <summary>Whether the system lets us see this at all.</summary>
    internal required bool Known { get; init; }
    /// <summary>The locks, strongest of each process.</summary>
    internal IReadOnlyList<HeldLock> Locks { get; init; } = [];
    /// <summary>The processes that have the database open, this one among them if it has.</summary>
    internal IReadOnlyList<int> OpenBy { get; init; } = [];

    /// <summary>The strongest lock of another process.</summary>
    internal LockStrength Strongest => Locks.Where(l => l.Process != Environment.ProcessId).Select(l => l.Strength).DefaultIfEmpty().Max();

    /// <summary>Whether any process, this one too, has it open or locked.</summary>
    internal bool InUse => OpenBy.Count > 0 || Locks.Count > 0;

    /// <summary>Looks.</summary>
    /// <param name="database">The database's real path.</param>
    internal static FileUsers Of(string database)
    {
        if (!OperatingSystem.IsLinux() || !File.Exists("/proc/locks"))
            return new FileUsers { Known = false };
        return new FileUsers { Known = true, Locks = ReadLocks(database), OpenBy = [.. Openers(database).Select(o => o.Process)] };
    }

    /// <summary>Only the locks, which is cheap.</summary>
    internal static IReadOnlyList<HeldLock> ReadLocks(string database)
    {
        var file = FileStatus.Of(database);
        var memory = FileStatus.Of(database + "-shm");
        var strongest = new Dictionary<int, LockStrength>();
        foreach (var line in ReadLines("/proc/locks"))
        {
            if (Parse(line, file, memory) is not { } held)
                continue;
            if (!strongest.TryGetValue(held.Process, out var known) || known < held.Strength)
                strongest[held.Process] = held.Strength;
        }
        return [.. strongest.Select(pair => new HeldLock(pair.Key, pair.Value)).OrderBy(l => l.Process)];
    }

    /// <summary>The other processes that hold a lock above SHARED, as people name them; empty where the system does not tell.</summary>
    internal static IReadOnlyList<string> WriterNames(string database) =>
        [.. ReadLocks(database).Where(l => l.Strength > LockStrength.Shared && l.Process != Environment.ProcessId).Select(l => Describe(l.Process)).Distinct()];

    /// <summary>A process as people name it.</summary>
    internal static string Describe(int process)
    {
        if (process <= 0)
            return "a process that the system does not name";
        var name = ReadLines($"/proc/{process}/comm").FirstOrDefault();
        return name is null ? $"pid {process}" : $"pid {process} ({name})";
    }

    /// <summary>A lock's name in <see cref="SqliteFacts.Lock"/>.</summary>
    internal static string Name(LockStrength strength) => strength == LockStrength.WalWriter ? "wal-writer" : strength.ToString().ToLowerInvariant();

    // "1: POSIX  ADVISORY  WRITE 123 fe:00:4711 1073741824 1073742335"; a waiting lock has "->" as its second word
    internal static HeldLock? Parse(string line, FileStatus? file, FileStatus? memory)
    {
        var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (words.Length < 8 || words[1] is not ("POSIX" or "OFDLCK"))
            return null;
        if (!int.TryParse(words[4], CultureInfo.InvariantCulture, out var process))
            return null;
        var isFile = Matches(words[5], process, file);
        if (!isFile && !Matches(words[5], process, memory))
            return null;
        if (!long.TryParse(words[6], CultureInfo.InvariantCulture, out var from))
            return null;
        var to = words[7] == "EOF" ? long.MaxValue : long.Parse(words[7], CultureInfo.InvariantCulture);
        var strength = isFile ? OnFile(words[3] == "WRITE", from, to) : OnMemory(words[3] == "WRITE", from, to);
        return strength == LockStrength.None ? null : new HeldLock(process, strength);
    }

    private static LockStrength OnFile(bool write, long from, long to)
    {
        bool Covers(long first, long last) => from <= last && to >= first;
        if (write && Covers(FirstShared, LastShared))
            return LockStrength.Exclusive;
        if (write && Covers(PendingByte, PendingByte))
            return LockStrength.Pending;
        if (write && Covers(ReservedByte, ReservedByte))
            return LockStrength.Reserved;
        return Covers(FirstShared, LastShared) ? LockStrength.Shared : LockStrength.None;
    }

    private static LockStrength OnMemory(bool write, long from, long to) =>
        write && from <= WalWriteLock && to >= WalWriteLock ? LockStrength.WalWriter
        : from <= WalWriteLock + 8 && to >= WalWriteLock ? LockStrength.Shared
        : LockStrength.None;

    private static bool Matches(string deviceAndInode, int process, FileStatus? file)
    {
        if (file is null)
            return false;
        var last = deviceAndInode.LastIndexOf(':');
        if (deviceAndInode[(last + 1)..] != file.Inode.ToString(CultureInfo.InvariantCulture))
            return false;
        // btrfs gives each subvolume a device of its own, and /proc/locks names the file system's
        return file.Device is null || deviceAndInode[..last] == file.Device
            || process > 0 && Children($"/proc/{process}/fd").Any(fd => FileStatus.Of(fd) is { } open && open.IsSameFile(file));
    }

    /// <summary>
    /// The processes that have a file open, as far as this user may see. A file is known by its inode: another mount namespace, or a
    /// replacement, gives it another name.
    /// </summary>
    /// <param name="file">The file.</param>
    /// <param name="formerPath">Its path before something else was put there; null where it is still there.</param>
    internal static IReadOnlyList<FileOpener> Openers(string file, string? formerPath = null)
    {
        var path = formerPath ?? file;
        var identity = FileStatus.Of(file);
        var openers = new List<FileOpener>();
        foreach (var process in Children("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(process), CultureInfo.InvariantCulture, out var id))
                continue;
            var links = Children($"/proc/{id}/fd").Select(fd => (Descriptor: fd, Target: LinkTarget(fd))).Where(l => l.Target is not null).ToList();
            if (links.Exists(l => IsOpen(l.Descriptor, l.Target!, file, path, identity, formerPath is not null)))
                openers.Add(new FileOpener(id, links.Exists(l => Path.GetFileName(WithoutMark(l.Target!)).StartsWith(Path.GetFileName(path) + "-shm", StringComparison.Ordinal))));
        }
        return [.. openers.OrderBy(o => o.Process)];
    }

    private static bool IsOpen(string descriptor, string target, string file, string path, FileStatus? identity, bool replaced)
    {
        // a file that was replaced is called deleted, whether or not it is kept under another name
        if (target == path && !replaced || target == path + DeletedMark && (replaced || identity is null))
            return true;
        // only what has the right name is looked at: a status may wait for ever on a file system that is gone
        var name = Path.GetFileName(WithoutMark(target));
        return identity is not null && (name == Path.GetFileName(path) || name == Path.GetFileName(file))
            && FileStatus.Of(descriptor) is { } open && open.IsSameFile(identity);
    }

    private static string WithoutMark(string target) => target.EndsWith(DeletedMark, StringComparison.Ordinal) ? target[..^DeletedMark.Length] : target;

    private static string[] Children(string folder)
    {
        try
        {
            return Directory.GetFileSystemEntries(folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return []; // the process has ended, or belongs to someone else
        }
    }

    private static string[] ReadLines(string path)
    {
        try
        {
            return File.ReadAllLines(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    private static unsafe string? LinkTarget(string link)
    {
        var buffer = stackalloc byte[4096];
        var length = readlink(link, buffer, 4096);
        return length <= 0 ? null : Marshal.PtrToStringUTF8((nint)buffer, (int)length);
    }

    [DllImport("libc")]
    private static extern unsafe nint readlink([MarshalAs(UnmanagedType.LPUTF8Str)] string path, byte* buffer, nint size);
}
