using System.Diagnostics.CodeAnalysis;
using DbRecovery.Sqlite.Backup;
using DbRecovery.Sqlite.Drills;
using DbRecovery.Sqlite.Inspection;
using DbRecovery.Sqlite.Maintenance;
using DbRecovery.Sqlite.Native;
using DbRecovery.Sqlite.Observation;
using DbRecovery.Sqlite.Restore;
using DbRecovery.Sqlite.Salvage;
using DbRecovery.Sqlite.Rows;
using DbRecovery.Sqlite.Sql;
using DbRecovery.Sqlite.Swap;

namespace DbRecovery.Sqlite;

/// <summary>SQLite, through the system's library.</summary>
public sealed class SqliteProvider : IDatabaseProvider
{
    private readonly object[] _capabilities;

    /// <summary>Makes the provider and loads the system's SQLite.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.LibraryMissing"/>: no SQLite library is installed.</exception>
    public SqliteProvider() : this(TimeProvider.System)
    {
    }

    /// <summary>Makes the provider over a clock.</summary>
    /// <param name="time">The clock.</param>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.LibraryMissing"/>: no SQLite library is installed.</exception>
    public SqliteProvider(TimeProvider time)
    {
        SqliteLibrary.EnsureLoaded();
        _capabilities =
        [
            new SqliteBackupSource(time),
            new SqliteChangeWatch(),
            new SqliteRestoreTarget(time),
            new SqliteFileSwap(time),
            new SqliteMaintenance(time),
            new SqliteObserver(time),
            new SqliteInspector(),
            new SqliteSalvager(time),
            new BackupObjectMap(),
            new SqliteSession(time),
            new SqliteFaultInjector(),
            new SqliteDrillLedger(time),
            new SqliteRowRestore(),
        ];
    }

    /// <inheritdoc/>
    public string Engine => "sqlite";

    /// <inheritdoc/>
    public string DisplayName => "SQLite";

    /// <inheritdoc/>
    public bool Embedded => true;

    /// <inheritdoc/>
    public IReadOnlyList<FactDefinition> Facts { get; } = [.. FactDefinition.Of(typeof(SqliteFacts))];

    /// <inheritdoc/>
    public bool TryGet<T>([NotNullWhen(true)] out T? capability) where T : class
    {
        capability = _capabilities.OfType<T>().FirstOrDefault();
        return capability is not null;
    }
}
