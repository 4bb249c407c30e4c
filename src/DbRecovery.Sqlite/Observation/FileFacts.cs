using System.Globalization;
using DbRecovery.Sqlite.Files;
using DbRecovery.Sqlite.Format;

namespace DbRecovery.Sqlite.Observation;

/// <summary>What can be said of a database's file and folder before it is opened.</summary>
internal static class FileFacts
{
    /// <summary>Records folder, file, rights and space. Gives the file's status, or null where there is no regular file.</summary>
    internal static FileStatus? Record(string path, FactSet facts)
    {
        var folder = Path.GetDirectoryName(path) ?? "/";
        facts.Set(SqliteFacts.FolderExists, Directory.Exists(folder));
        facts.Set(SqliteFacts.FolderWritable, Directory.Exists(folder) && FileAccessRights.CanWriteFolder(folder));
        RecordSpace(folder, facts);
        var status = FileStatus.Of(path);
        facts.Set(SqliteFacts.FileExists, status is not null);
        facts.Set(SqliteFacts.FileKind, status?.Type switch { null => "none", FileType.File => "file", FileType.Folder => "folder", _ => "device" });
        facts.Set(SqliteFacts.FileSystemReadOnly, FileAccessRights.IsReadOnlyFileSystem(status is null ? folder : path));
        if (status is null)
            facts.Set(SqliteFacts.Header, "missing");
        if (status is not { Type: FileType.File })
            return null;
        facts.Set(SqliteFacts.FileReadable, FileAccessRights.CanRead(path));
        facts.Set(SqliteFacts.FileWritable, FileAccessRights.CanWrite(path));
        facts.Set(SqliteFacts.FileSize, status.Size);
        var walSize = FileStatus.Of(WalFile.PathOf(path))?.Size ?? 0;
        facts.Set(SqliteFacts.WalSize, walSize);
        facts.Set(CommonFacts.DataSize, status.Size + walSize);
        return status;
    }

    /// <summary>What identifies the file: its device and inode.</summary>
    internal static string? SystemId(FileStatus? status) =>
        status is { Inode: > 0 } ? string.Create(CultureInfo.InvariantCulture, $"{status.Device}:{status.Inode}") : null;

    /// <summary>Records who uses the database.</summary>
    internal static void RecordUsers(FileUsers users, FactSet facts)
    {
        if (!users.Known)
        {
            const string Why = "this system does not say who holds a file";
            facts.SetUnknown(SqliteFacts.Lock, Why);
            facts.SetUnknown(SqliteFacts.LockHolders, Why);
            facts.SetUnknown(SqliteFacts.OpenBy, Why);
            return;
        }
        facts.Set(SqliteFacts.Lock, FileUsers.Name(users.Strongest));
        facts.Set(SqliteFacts.LockHolders, FactValue.OfList(users.Locks.Where(l => l.Process != Environment.ProcessId)
            .Select(l => $"{FileUsers.Describe(l.Process)}: {FileUsers.Name(l.Strength)}")));
        facts.Set(SqliteFacts.OpenBy, FactValue.OfList(users.OpenBy.Where(p => p != Environment.ProcessId).Select(FileUsers.Describe)));
    }

    private static void RecordSpace(string folder, FactSet facts)
    {
        var existing = folder;
        while (!Directory.Exists(existing) && Path.GetDirectoryName(existing) is { } parent)
            existing = parent;
        try
        {
            var drive = new DriveInfo(existing);
            facts.Set(CommonFacts.DiskFree, drive.AvailableFreeSpace);
            facts.Set(CommonFacts.DiskSize, drive.TotalSize);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            facts.SetUnknown(CommonFacts.DiskFree, e.Message);
            facts.SetUnknown(CommonFacts.DiskSize, e.Message);
        }
    }
}
