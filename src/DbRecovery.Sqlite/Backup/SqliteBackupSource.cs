using System.Globalization;
using DbRecovery.Sqlite.Files;
using DbRecovery.Sqlite.Format;
using DbRecovery.Sqlite.Native;
using DbRecovery.Sqlite.Observation;
using DbRecovery.Sqlite.Swap;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace DbRecovery.Sqlite.Backup;

/// <summary>Reads a database in use, as it is at one moment, into a backup.</summary>
internal sealed class SqliteBackupSource(TimeProvider clock, TimeSpan? lockTimeout = null) : IBackupSource
{
    /// <summary>The name of the database file in a backup.</summary>
    internal const string FileName = "database";

    private const int ChunkBytes = 1 << 20;
    private const int MaxProblems = 100;
    private readonly TimeSpan _lockTimeout = lockTimeout ?? TimeSpan.FromSeconds(30);
    private static readonly string[] SettingNames = ["application_id", "user_version", "schema_version", "encoding", "auto_vacuum", "page_size", "journal_mode"];

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
        var systemId = SystemIdOf(path);
        var problems = new List<string>();
        BackupSourceInfo info;
        IReadOnlyList<SchemaRow> schema;
        PageIndex index;
        PageHashList hashes;
        IBackupFileWriter writer;
        using (var snapshot = Snapshot.Open(path))
        {
            var before = Capture(path, snapshot, cancellationToken);
            await snapshot.PinAsync(_lockTimeout, clock, cancellationToken).ConfigureAwait(false);
            var after = Capture(path, snapshot, cancellationToken);
            info = Describe(snapshot, systemId, State(before, after, snapshot));
            schema = ObjectCatalog.ReadSchema(snapshot.Connection);
            var reserved = snapshot.ReadFileHeader()[20];
            index = new PageIndex(snapshot.PageSize - reserved);
            writer = await sink.BeginAsync(Entry(path, snapshot), cancellationToken).ConfigureAwait(false);
            await using var ownedUntilRead = writer.ConfigureAwait(false);
            await StreamAsync(snapshot, writer, index, problems, $"Backing up {cluster.Name}", progress, cancellationToken).ConfigureAwait(false);
            snapshot.Dispose(); // writers need wait no longer; what follows works on what was read
            hashes = await writer.CompleteAsync(cancellationToken).ConfigureAwait(false);
        }
        var objects = ObjectCatalog.Describe(schema, index, hashes, FileName, problems);
        return info with { Objects = objects, Problems = problems.Count > MaxProblems ? [.. problems.Take(MaxProblems), $"and {problems.Count - MaxProblems} more"] : problems };
    }

    private static async Task StreamAsync(Snapshot snapshot, IBackupFileWriter writer, PageIndex index, List<string> problems, string activity, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var perChunk = Math.Max(1, ChunkBytes / snapshot.PageSize);
        var total = (long)snapshot.PageCount * snapshot.PageSize;
        var (current, next) = (new byte[perChunk * snapshot.PageSize], new byte[perChunk * snapshot.PageSize]);
        var writing = Task.CompletedTask;
        try
        {
            for (long page = 1; page <= snapshot.PageCount; page += perChunk)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var count = (int)Math.Min(perChunk, snapshot.PageCount - page + 1);
                var bytes = current.AsMemory(0, count * snapshot.PageSize);
                if (!snapshot.Read((uint)page, bytes.Span))
                    problems.Add($"the file ends before page {page + count - 1}; what is missing was read as zeros");
                for (var i = 0; i < count; i++)
                    index.Add((uint)(page + i), bytes.Span.Slice(i * snapshot.PageSize, snapshot.PageSize));
                // the sink compresses and stores one chunk while the next is read
                await writing.ConfigureAwait(false);
                writing = writer.WriteAsync(bytes, cancellationToken).AsTask();
                (current, next) = (next, current);
                progress?.Report(new OperationProgress(activity, FileName, (page - 1 + count) * snapshot.PageSize, total));
            }
        }
        finally
        {
            await writing.ConfigureAwait(false);
        }
    }

    private BackupSourceInfo Describe(Snapshot snapshot, string systemId, IReadOnlyDictionary<string, string> state)
    {
        var header = SqliteHeader.TryParse(snapshot.ReadFileHeader());
        var settings = SettingNames.ToDictionary(n => n, n => snapshot.Execute("PRAGMA " + n));
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

    private static string Check(NodeDefinition node)
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
