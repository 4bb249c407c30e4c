using System.Globalization;
using DbRecovery.Sqlite.Files;
using DbRecovery.Sqlite.Format;
using DbRecovery.Sqlite.Native;
using DbRecovery.Sqlite.Observation;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace DbRecovery.Sqlite.Backup;

/// <summary>Reads a database in use, as it is at one moment, into a backup.</summary>
internal sealed class SqliteBackupSource(TimeProvider clock, TimeSpan? lockTimeout = null) : IBackupSource
{
    private readonly KnownPages _known = new();

    /// <summary>The name of the database file in a backup.</summary>
    internal const string FileName = "database";

    private const int MaxProblems = 100;
    private readonly TimeSpan _lockTimeout = lockTimeout ?? TimeSpan.FromSeconds(30);
    private static readonly string[] SettingNames = ["application_id", "user_version", "schema_version", "encoding", "auto_vacuum", "page_size", "journal_mode", "default_cache_size"];

    public ValueTask<string?> IdentifyAsync(NodeDefinition node, CancellationToken cancellationToken) => ValueTask.FromResult<string?>(SystemIdOf(Check(node)));

    public async Task<BackupSourceInfo> ReadAsync(ClusterDefinition cluster, NodeDefinition node, IBackupSink sink, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var path = Check(node);
        try
        {
            return await ReadAsync(cluster, path, sink, progress, cancellationToken).ConfigureAwait(false);
        }
        catch (SqliteException e) when (e.SqliteExtendedErrorCode is raw.SQLITE_READONLY_ROLLBACK or raw.SQLITE_READONLY_RECOVERY)
        {
            throw new DbRecoveryException(ErrorIds.BackupFailed, ErrorKind.Refused, $"{path} was left in the middle of a transaction by a crash, and a backup does not recover it", "Recover it first (the fault sqlite.recovery-needed), or open it once with its application.", path, e);
        }
        catch (SqliteException e) when (e.SqliteErrorCode is raw.SQLITE_BUSY && FileUsers.WriterNames(path) is { Count: > 0 } holders)
        {
            throw new DbRecoveryException(ErrorIds.DatabaseBusy, ErrorKind.Busy, $"{path} could not be read within {_lockTimeout.TotalSeconds:0.#} s: the lock is held by {string.Join(", ", holders)}", "Let that process end its transaction, then try again.", path, e);
        }
        catch (SqliteException e)
        {
            throw SqliteConnections.ToError(e, path, "reading it for a backup");
        }
    }

    private async Task<BackupSourceInfo> ReadAsync(ClusterDefinition cluster, string path, IBackupSink sink, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var activity = $"Backing up {cluster.Name}";
        using var snapshot = Snapshot.Open(path);
        var before = Capture(path, snapshot, cancellationToken);
        await snapshot.PinAsync(_lockTimeout, clock, cancellationToken).ConfigureAwait(false);
        var after = Capture(path, snapshot, cancellationToken);
        var info = Describe(snapshot, SystemIdOf(path), State(before, after, snapshot));
        var parent = sink.Parent;
        var pages = PagesOf(parent, snapshot.PageSize);
        var proof = parent is null || pages is null ? null : ParentProof.Find(parent.Source, snapshot, info.State, pages.Value);
        var known = parent is null ? null : _known.Take(path, parent.Source.State);
        if (proof?.Nothing(snapshot.PageCount) == true)
        {
            await ReuseAsync(sink, Entry(path, snapshot), cancellationToken).ConfigureAwait(false);
            _known.Keep(path, info.State, known);
            return info with { Objects = parent!.Source.Objects };
        }
        var source = new SourceRead(snapshot, ObjectCatalog.ReadSchema(snapshot.Connection), activity, progress);
        await SqliteDescription.WriteAsync(sink, info.Settings, source.Schema, cancellationToken).ConfigureAwait(false);
        return await ReadPagesAsync(path, source, sink, info, known is null ? null : proof, known, cancellationToken).ConfigureAwait(false);
    }

    private async Task<BackupSourceInfo> ReadPagesAsync(string path, SourceRead source, IBackupSink sink, BackupSourceInfo info, ParentProof? proof, PageIndex? known, CancellationToken cancellationToken)
    {
        var snapshot = source.Snapshot;
        var index = proof is null ? new PageIndex(snapshot.PageSize - snapshot.ReadFileHeader()[20]) : known!;
        var writer = await sink.BeginAsync(Entry(path, snapshot), cancellationToken).ConfigureAwait(false);
        await using var ownedUntilRead = writer.ConfigureAwait(false);
        var problems = new List<string>();
        foreach (var (first, count, read) in Stretches(proof, snapshot.PageCount))
        {
            if (read)
                await source.StreamAsync(writer, index, problems, first, count, cancellationToken).ConfigureAwait(false);
            else
                await writer.ReuseAsync((long)count * snapshot.PageSize, cancellationToken).ConfigureAwait(false);
        }
        snapshot.Dispose(); // writers need wait no longer; what follows works on what was read
        var hashes = await writer.CompleteAsync(cancellationToken).ConfigureAwait(false);
        index.EndAt(snapshot.PageCount);
        var objects = ObjectCatalog.Describe(source.Schema, index, hashes, FileName, problems);
        if (problems.Count == 0)
            _known.Keep(path, info.State, index);
        return info with { Objects = objects, Problems = problems.Count > MaxProblems ? [.. problems.Take(MaxProblems), $"and {problems.Count - MaxProblems} more"] : problems };
    }

    /// <summary>The pages in order, in stretches that are read or known to be the parent's.</summary>
    private static IEnumerable<(uint First, uint Count, bool Read)> Stretches(ParentProof? proof, uint pageCount)
    {
        if (proof is null)
        {
            yield return (1, pageCount, true);
            yield break;
        }
        uint next = 1;
        foreach (var page in proof.Pages.Where(p => p >= 1 && p <= proof.Unchanged))
        {
            if (page > next)
                yield return (next, page - next, false);
            yield return (page, 1, true);
            next = page + 1;
        }
        if (next <= proof.Unchanged)
            yield return (next, proof.Unchanged + 1 - next, false);
        if (proof.Unchanged < pageCount)
            yield return (proof.Unchanged + 1, pageCount - proof.Unchanged, true);
    }

    private static async Task ReuseAsync(IBackupSink sink, BackupEntry entry, CancellationToken cancellationToken)
    {
        foreach (var reused in sink.Parent!.Entries.Where(e => e.Part == BackupEntryPart.Description).Append(entry))
        {
            var writer = await sink.BeginAsync(reused, cancellationToken).ConfigureAwait(false);
            await using var open = writer.ConfigureAwait(false);
            await writer.ReuseAsync(reused.ExpectedSize ?? 0, cancellationToken).ConfigureAwait(false);
            await writer.CompleteAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private static uint? PagesOf(IBackupContent? parent, int pageSize) =>
        parent?.Entries.FirstOrDefault(e => e.Path == FileName) is { ExpectedSize: { } size } entry && entry.PageSize == pageSize && size % pageSize == 0 ? (uint)(size / pageSize) : null;

    private BackupSourceInfo Describe(Snapshot snapshot, string systemId, IReadOnlyDictionary<string, string> state)
    {
        var header = SqliteHeader.TryParse(snapshot.ReadFileHeader());
        var settings = SettingNames.ToDictionary(n => n, n => snapshot.Execute("PRAGMA " + n));
        if (header is not null)
            settings["reserved_bytes"] = header.ReservedBytes.ToString(CultureInfo.InvariantCulture);
        return new BackupSourceInfo
        {
            EngineVersion = raw.sqlite3_libversion().utf8_to_string(),
            SystemId = systemId,
            Position = header is null ? null : new LogPosition("change-counter", header.ChangeCounter.ToString(CultureInfo.InvariantCulture), systemId, header.ChangeCounter),
            DataAsOf = snapshot.TakenAt,
            State = state,
            Settings = settings,
        };
    }

    private static IReadOnlyDictionary<string, string> Capture(string path, Snapshot snapshot, CancellationToken cancellationToken) =>
        SqliteHeader.TryParse(snapshot.ReadFileHeader()) is { } header ? BackupState.Capture(path, header, cancellationToken) : new Dictionary<string, string>();

    private static Dictionary<string, string> State(IReadOnlyDictionary<string, string> before, IReadOnlyDictionary<string, string> after, Snapshot snapshot)
    {
        var state = BackupState.Agreed(before, after).ToDictionary();
        state[BackupState.PageCount] = snapshot.PageCount.ToString(CultureInfo.InvariantCulture);
        if (snapshot.Log is { } log)
        {
            // the snapshot knows exactly where it stands, whatever was written meanwhile
            state[BackupState.WalFrames] = log.Frames.ToString(CultureInfo.InvariantCulture);
            state[BackupState.WalSalt] = log.Salt;
            if (snapshot.CheckOf(log.Frames) is { } check)
                state[BackupState.WalCheck] = check;
        }
        return state;
    }

    private static BackupEntry Entry(string path, Snapshot snapshot)
    {
        var owner = FileStatus.Of(path)?.Owner;
        return new BackupEntry
        {
            Path = FileName,
            ExpectedSize = (long)snapshot.PageCount * snapshot.PageSize,
            PageSize = snapshot.PageSize,
            Mode = owner?.Mode & 0x1ff,
            Owner = owner?.User.ToString(CultureInfo.InvariantCulture),
            Group = owner?.Group.ToString(CultureInfo.InvariantCulture),
            ModifiedAt = new DateTimeOffset(File.GetLastWriteTimeUtc(path), TimeSpan.Zero),
        };
    }

    /// <summary>The origin of a database's data: its file.</summary>
    internal static string SystemIdOf(string path) =>
        FileFacts.SystemId(FileStatus.Of(path))
            ?? Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(Path.GetFullPath(path))))[..16];

    /// <summary>A node's file; an error in words where there is none that could be a database.</summary>
    internal static string Check(NodeDefinition node)
    {
        var path = DatabasePath.Of(node);
        if (Directory.Exists(path))
            throw new DbRecoveryException(ErrorIds.NotADatabase, ErrorKind.InvalidInput, $"{path} is a folder", "Give the path of the database file.", path);
        if (!File.Exists(path))
            throw new DbRecoveryException(ErrorIds.DatabaseNotFound, ErrorKind.NotFound, $"{path} does not exist", "Check the path; if the file was lost, restore it from a backup.", path);
        if (new FileInfo(path).Length == 0)
            throw new DbRecoveryException(ErrorIds.NotADatabase, ErrorKind.CorruptData, $"{path} is empty", "There is nothing to back up; if it held data, restore it from a backup.", path);
        return path;
    }
}
