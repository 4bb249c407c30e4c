namespace DbRecovery;

/// <summary>What a path in a backup is.</summary>
public enum BackupEntryType
{
    /// <summary>A file with content.</summary>
    File,
    /// <summary>A folder.</summary>
    Directory,
    /// <summary>A symbolic link.</summary>
    SymbolicLink,
}

/// <summary>What part of a backup a path is, which decides when it is restored.</summary>
public enum BackupEntryPart
{
    /// <summary>The database itself: what its engine restores.</summary>
    Data,
    /// <summary>A description for people, such as the schema as SQL: never restored, only read.</summary>
    Description,
    /// <summary>A file beside the database, such as its application's configuration: restored on request.</summary>
    File,
}

/// <summary>A path that a provider puts into a backup, known before its content.</summary>
public sealed record BackupEntry
{
    /// <summary>The path inside the backup, with forward slashes.</summary>
    public required string Path { get; init; }
    /// <summary>What it is.</summary>
    public BackupEntryType Type { get; init; } = BackupEntryType.File;
    /// <summary>What part of the backup it is.</summary>
    public BackupEntryPart Part { get; init; }
    /// <summary>The absolute path that a file beside the database had; null for everything else.</summary>
    public string? OriginalPath { get; init; }
    /// <summary>The size where it is known beforehand; a hint for progress.</summary>
    public long? ExpectedSize { get; init; }
    /// <summary>The engine's page size, which is the unit of change; 0 for a file without pages.</summary>
    public int PageSize { get; init; }
    /// <summary>The Unix mode bits.</summary>
    public int? Mode { get; init; }
    /// <summary>The owner's name or number.</summary>
    public string? Owner { get; init; }
    /// <summary>The group's name or number.</summary>
    public string? Group { get; init; }
    /// <summary>The target of a symbolic link.</summary>
    public string? LinkTarget { get; init; }
    /// <summary>The time of the last change (UTC).</summary>
    public DateTimeOffset? ModifiedAt { get; init; }
}

/// <summary>An object inside a database, so that a backup can say what it holds and a restore can be checked.</summary>
public sealed record DataObject
{
    /// <summary>The name, as in the inventory's <c>expects</c>.</summary>
    public required string Name { get; init; }
    /// <summary>What it is: <c>table</c>, <c>index</c>, <c>virtual-table</c>, <c>sequence</c>.</summary>
    public required string Type { get; init; }
    /// <summary>The table that an index belongs to.</summary>
    public string? Table { get; init; }
    /// <summary>The number of rows or entries.</summary>
    public long? Rows { get; init; }
    /// <summary>The file in the backup that holds it.</summary>
    public string? File { get; init; }
    /// <summary>Pages that it takes.</summary>
    public long? Pages { get; init; }
    /// <summary>A check sum of its content: the algorithm's name, a colon and hex digits.</summary>
    public string? Checksum { get; init; }
}

/// <summary>What a provider says of the data after it has given all of it.</summary>
public sealed record BackupSourceInfo
{
    /// <summary>The engine's exact version.</summary>
    public required string EngineVersion { get; init; }
    /// <summary>The origin of the data.</summary>
    public required string SystemId { get; init; }
    /// <summary>The position at which the data is consistent.</summary>
    public LogPosition? Position { get; init; }
    /// <summary>The moment at which the data is consistent (UTC).</summary>
    public required DateTimeOffset DataAsOf { get; init; }
    /// <summary>What the provider will want to know when it compares a live database with this backup, such as the change counter.</summary>
    public IReadOnlyDictionary<string, string> State { get; init; } = new Dictionary<string, string>();
    /// <summary>Settings that belong to the database.</summary>
    public IReadOnlyDictionary<string, string> Settings { get; init; } = new Dictionary<string, string>();
    /// <summary>What the database holds.</summary>
    public IReadOnlyList<DataObject> Objects { get; init; } = [];
    /// <summary>Damage seen while reading; any makes the backup <see cref="BackupStatus.Suspect"/>.</summary>
    public IReadOnlyList<string> Problems { get; init; } = [];
}

/// <summary>
/// The hashes of a file's pages in order: SHA-256 cut to 16 bytes. They find changes and silent damage; the content itself
/// is guarded by the whole hash of its blob.
/// </summary>
public sealed class PageHashList
{
    /// <summary>Bytes of a page hash.</summary>
    public const int HashSize = 16;

    private readonly ReadOnlyMemory<byte> _hashes;

    /// <summary>Wraps hashes laid end to end.</summary>
    public PageHashList(int pageSize, ReadOnlyMemory<byte> hashes)
    {
        if (hashes.Length % HashSize != 0)
            throw new ArgumentException($"the length must be a multiple of {HashSize}", nameof(hashes));
        PageSize = pageSize;
        _hashes = hashes;
    }

    /// <summary>The page size in bytes. The last page may be shorter.</summary>
    public int PageSize { get; }

    /// <summary>The number of pages.</summary>
    public int Count => _hashes.Length / HashSize;

    /// <summary>The hash of a page, counted from 0.</summary>
    public ReadOnlySpan<byte> this[int page] => _hashes.Span.Slice(page * HashSize, HashSize);

    /// <summary>All hashes end to end.</summary>
    public ReadOnlyMemory<byte> Bytes => _hashes;

    /// <summary>The hash of one page's content.</summary>
    public static void Hash(ReadOnlySpan<byte> page, Span<byte> destination)
    {
        Span<byte> full = stackalloc byte[32];
        System.Security.Cryptography.SHA256.HashData(page, full);
        full[..HashSize].CopyTo(destination);
    }
}

/// <summary>A backup as a provider sees it when it compares, restores or checks: what it said, and the page hashes on request.</summary>
public interface IBackupContent
{
    /// <summary>The backup.</summary>
    BackupInfo Info { get; }
    /// <summary>What the provider said when it was taken.</summary>
    BackupSourceInfo Source { get; }
    /// <summary>The paths in it.</summary>
    IReadOnlyList<BackupEntry> Entries { get; }
    /// <summary>The page hashes of a file; null where the file has no pages or the hashes are gone (they can be rebuilt).</summary>
    Task<PageHashList?> ReadPageHashesAsync(string path, CancellationToken cancellationToken);
    /// <summary>Opens a file for reading at any place; what is read is decoded and checked, and only the blobs that hold it are read.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.ObjectNotFound"/>: no such file in the backup; <see cref="ErrorIds.RepositoryCorrupt"/> while reading.</exception>
    Task<IBackupFileReader> OpenFileAsync(string path, CancellationToken cancellationToken);
}

/// <summary>A file of a backup, read in parts without restoring the whole. Safe for several readers at once.</summary>
public interface IBackupFileReader : IDisposable
{
    /// <summary>Bytes.</summary>
    long Length { get; }

    /// <summary>Reads; fewer bytes than asked for only at the end.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.RepositoryCorrupt"/> names pack, backup and file.</exception>
    int Read(long offset, Span<byte> destination);
}
