using System.Globalization;
using DbRecovery.PostgreSql.Connections;
using Npgsql;

namespace DbRecovery.PostgreSql.Observation;

/// <summary>What takes as long as there are files: sizes of databases and of the log.</summary>
internal static class SlowFacts
{
    /// <summary>Asks.</summary>
    internal static async Task<FactSet> ReadAsync(NpgsqlConnection connection, ServerProfile profile, ServerLogin login, bool prepared, CancellationToken cancellationToken)
    {
        var facts = new FactSet();
        var visible = profile.Stats ? "true" : "has_database_privilege(oid, 'connect')";
        var sizes = await connection.RowsAsync($"select datname, case when {visible} then pg_database_size(oid) end from pg_database order by datname", r => (Name: r.GetString(0), Size: r.Int(1)), prepared, cancellationToken).ConfigureAwait(false);
        facts.Set(PostgreSqlFacts.DatabaseSizes, FactValue.OfList(sizes.Where(s => s.Size is not null).Select(s => string.Create(CultureInfo.InvariantCulture, $"{s.Name}: {s.Size}"))));
        if (sizes.All(s => s.Size is not null))
            facts.Set(CommonFacts.DataSize, sizes.Sum(s => s.Size ?? 0));
        else
            facts.SetUnknown(CommonFacts.DataSize, LightFacts.Lacks("pg_read_all_stats", login));
        if (!profile.WalFolder)
        {
            facts.SetUnknown(PostgreSqlFacts.WalBytes, LightFacts.Lacks("pg_monitor", login));
            facts.SetUnknown(PostgreSqlFacts.OldestWal, LightFacts.Lacks("pg_monitor", login));
            return facts;
        }
        var wal = await connection.RowsAsync("""
            select coalesce(sum(size), 0)::int8, min(right(name, 16)) filter (where name ~ '^[0-9A-F]{24}$'), (select bytes_per_wal_segment::int8 from pg_control_init()) from pg_ls_waldir()
            """, r => (Bytes: r.GetInt64(0), Oldest: r.Text(1), Segment: r.GetInt64(2)), prepared, cancellationToken).ConfigureAwait(false);
        facts.Set(PostgreSqlFacts.WalBytes, wal[0].Bytes);
        if (wal[0].Oldest is { } oldest)
            facts.Set(PostgreSqlFacts.OldestWal, SqlText.Lsn(Start(oldest, wal[0].Segment)));
        else
            facts.SetUnknown(PostgreSqlFacts.OldestWal, "there is no file of the log");
        return facts;
    }

    // a file is named by its timeline, the upper half of its position and the number of the segment in it
    private static long Start(string name, long segment) =>
        (long.Parse(name.AsSpan(0, 8), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture) << 32)
        + long.Parse(name.AsSpan(8), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture) * segment;
}
