using DbRecovery.Sqlite.Files;
using DbRecovery.Sqlite.Native;
using Microsoft.Data.Sqlite;

namespace DbRecovery.Sqlite.Drills;

/// <summary>Damages a copy of a database in the ways that disks, crashes and people do.</summary>
internal sealed class SqliteFaultInjector : IFaultInjector
{
    private static readonly string[] Replaces = ["restore", "swap-file"];
    private static readonly TimeSpan Busy = TimeSpan.FromSeconds(10);

    /// <inheritdoc/>
    public IReadOnlyList<DrillDamage> Damages { get; } =
    [
        new("header", "The first 100 bytes of the file are overwritten.", "sqlite.corrupt", "sqlite-corrupt-data") { ExpectedActions = Replaces },
        new("data-page", "Pages of tables are overwritten.", "sqlite.corrupt", "sqlite-corrupt-data") { ExpectedActions = Replaces },
        new("index-page", "Pages of an index are overwritten.", "sqlite.corrupt", "sqlite-corrupt-data") { ExpectedActions = Replaces },
        new("index-entries", "An index lacks entries for rows of its table.", "sqlite.corrupt", "sqlite-corrupt-index") { ExpectedActions = ["reindex"] },
        new("truncation", "The file loses its second half.", "sqlite.corrupt", "sqlite-corrupt-data") { ExpectedActions = Replaces },
        new("empty-file", "The file is cut to zero bytes.", "sqlite.corrupt", "sqlite-corrupt-data") { ExpectedActions = Replaces },
        new("missing-file", "The file is deleted.", "sqlite.corrupt", "sqlite-corrupt-data") { ExpectedActions = Replaces },
        new("silent-cell-change", "One byte of a row changes on the disk; every structure check accepts it.", "sqlite.corrupt", "sqlite-corrupt-data") { ExpectedActions = Replaces, Unwritten = true },
        new("dropped-table", "A declared table is dropped by a statement.", "data.missing-object", "data-missing-object") { ExpectedActions = Replaces, AsksPeople = true, NeedsDeclaredTable = true },
        new("hot-journal", "A writer dies in the middle of a transaction.", "sqlite.recovery-needed", "sqlite-recovery-needed") { ExpectedActions = ["checkpoint"] },
        new("full-disk", "A WAL that no checkpoint reached fills the disk.", "disk.full", "disk-full", NeedsRoot: true) { ExpectedActions = ["checkpoint"], SmallDisk = true },
        new("locked", "A transaction holds the write lock and does not end.", "sqlite.busy", "sqlite-busy") { ExpectedActions = ["wait"] },
    ];

    /// <inheritdoc/>
    public async Task<IInflictedDamage> InflictAsync(DrillDamage damage, ClusterDefinition cluster, NodeDefinition node, int seed, CancellationToken cancellationToken)
    {
        var path = InSandbox(node);
        try
        {
            // what SQLite does cannot be awaited
            return await Task.Run(() => Inflict(damage, cluster, path, seed, cancellationToken), cancellationToken).ConfigureAwait(false);
        }
        catch (SqliteException e)
        {
            throw SqliteConnections.ToError(e, path, $"inflicting '{damage.Name}'");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DbRecoveryException(ErrorIds.DrillFailed, ErrorKind.Failed, $"'{damage.Name}' could not be inflicted on '{path}': {e.Message}", target: path, inner: e);
        }
    }

    /// <inheritdoc/>
    public Task<IAsyncDisposable> UseAsync(NodeDefinition node, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var path = InSandbox(node);
        var connection = SqliteConnections.OpenReadWrite(path, Busy);
        try
        {
            // in WAL mode this makes the WAL that an application in use has; page 1 alone is written, and no row
            var version = Sql.Number(connection, "PRAGMA user_version");
            if (Sql.IsWal(connection))
                connection.Run(FormattableString.Invariant($"PRAGMA user_version = {version}"));
            return Task.FromResult<IAsyncDisposable>(connection);
        }
        catch (SqliteException e)
        {
            connection.Dispose();
            throw SqliteConnections.ToError(e, path, "opening the copy as an application does");
        }
    }

    private static IInflictedDamage Inflict(DrillDamage damage, ClusterDefinition cluster, string path, int seed, CancellationToken cancellationToken) => damage.Name switch
    {
        "header" => new Inflicted(PageDamage.Header(path, seed)),
        "data-page" => new Inflicted(PageDamage.Pages(path, "table", seed, cancellationToken)),
        "index-page" => new Inflicted(PageDamage.Pages(path, "index", seed, cancellationToken)),
        "index-entries" => new Inflicted(StatementDamage.LoseIndexEntries(path)),
        "truncation" => new Inflicted(PageDamage.Truncate(path)),
        "empty-file" => new Inflicted(PageDamage.Empty(path)),
        "missing-file" => new Inflicted(PageDamage.Delete(path)),
        "silent-cell-change" => new Inflicted(PageDamage.ChangeSilently(path, seed)),
        "dropped-table" => new Inflicted(StatementDamage.DropTable(path, cluster, seed)),
        "hot-journal" => new Inflicted(CutOffTransaction.Leave(path)),
        "full-disk" => StatementDamage.FillDisk(path, cancellationToken),
        "locked" => HeldWriteLock.Take(path),
        _ => throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"there is no damage '{damage.Name}'", target: damage.Name),
    };

    // a link inside the sandbox may name a file outside of it: what counts is where the file really is
    private static string InSandbox(NodeDefinition node)
    {
        var path = DatabasePath.Of(node);
        if (!File.Exists(path) && Path.GetDirectoryName(path) is { } folder)
            path = Path.Combine(DatabasePath.Of(folder), Path.GetFileName(path));
        DrillSandbox.Require(path);
        return path;
    }
}

/// <summary>A damage, and what must be let go at its end.</summary>
/// <param name="description">What was done.</param>
/// <param name="held">What it holds; null for nothing.</param>
/// <param name="relents">Whether it lets go as soon as a recovery begins.</param>
internal sealed class Inflicted(string description, IDisposable? held = null, bool relents = false) : IInflictedDamage
{
    private int _released;

    public string Description => description;

    public void Relent()
    {
        if (relents)
            Release();
    }

    public ValueTask DisposeAsync()
    {
        Release();
        return ValueTask.CompletedTask;
    }

    private void Release()
    {
        if (Interlocked.Exchange(ref _released, 1) == 0)
            held?.Dispose();
    }
}

/// <summary>Small SQL helpers of a drill.</summary>
internal static class Sql
{
    internal static long Number(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        return command.ExecuteScalar() is long number ? number : 0;
    }

    internal static string? Text(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        return command.ExecuteScalar() as string;
    }

    internal static bool IsWal(SqliteConnection connection) => string.Equals(Text(connection, "PRAGMA journal_mode"), "wal", StringComparison.OrdinalIgnoreCase);

    internal static List<string> Words(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        using var reader = command.ExecuteReader();
        var words = new List<string>();
        while (reader.Read())
            words.Add(reader.GetString(0));
        return words;
    }
}
