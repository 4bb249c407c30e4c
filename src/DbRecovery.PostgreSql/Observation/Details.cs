using System.Globalization;
using DbRecovery.PostgreSql.Connections;
using Npgsql;

namespace DbRecovery.PostgreSql.Observation;

/// <summary>What is asked only where the light query shows a reason: who holds others up, and what holds old rows back.</summary>
internal static class Details
{
    // pg_blocking_pids locks the whole lock table for a moment, so it is asked of a bounded number of sessions
    private const string Blockers = """
        with recursive waiting as materialized (
          select pid, pg_blocking_pids(pid) as by from (select pid from pg_stat_activity where wait_event_type = 'Lock' order by query_start limit 200) w),
        chain (pid, root) as (
          select pid, unnest(by) from waiting
          union select c.pid, unnest(w.by) from chain c join waiting w on w.pid = c.root)
        select c.root::int8, a.application_name, a.usename::text, count(distinct c.pid)
        from chain c left join pg_stat_activity a on a.pid = c.root
        where c.root not in (select pid from waiting) group by 1, 2, 3 order by 4 desc, 1 limit 10
        """;

    private const string XminHolder = """
        select what from (
          select 'session ' || pid || ' (' || coalesce(application_name, '') || ', ' || coalesce(usename::text, '') || ')' as what, greatest(age(backend_xmin), age(backend_xid)) as age
            from pg_stat_activity where (backend_xmin is not null or backend_xid is not null) and pid <> pg_backend_pid()
          union all select 'prepared transaction ''' || gid || ''' (' || database || ')', age(transaction) from pg_prepared_xacts
          union all select 'slot ' || slot_name, greatest(age(xmin), age(catalog_xmin)) from pg_replication_slots where xmin is not null or catalog_xmin is not null) h
        order by age desc nulls last limit 1
        """;

    // long before it becomes a fault
    private const long NotedXidAge = 500_000_000;

    /// <summary>Whether there is something to ask.</summary>
    internal static bool AreNeeded(LightReading reading, ObservationLevel level) => reading.Profile.Stats && (HasBlocked(reading) || NeedsXmin(reading, level));

    /// <summary>Asks.</summary>
    internal static async Task<FactSet> ReadAsync(NpgsqlConnection connection, LightReading reading, ObservationLevel level, bool prepared, CancellationToken cancellationToken)
    {
        var facts = new FactSet();
        if (HasBlocked(reading))
        {
            var roots = await connection.RowsAsync(Blockers, r => string.Create(CultureInfo.InvariantCulture, $"{Who(r)}: {r.GetInt64(3)} waiting"), cancellationToken).ConfigureAwait(false);
            facts.Set(PostgreSqlFacts.RootBlockers, FactValue.OfList(roots));
        }
        if (NeedsXmin(reading, level))
            facts.Set(PostgreSqlFacts.XminHolder, (await connection.RowsAsync(XminHolder, r => r.Text(0), prepared, cancellationToken).ConfigureAwait(false)).FirstOrDefault() ?? "");
        return facts;
    }

    private static bool HasBlocked(LightReading reading) => reading.Facts.Int(PostgreSqlFacts.Blocked) > 0;

    private static bool NeedsXmin(LightReading reading, ObservationLevel level) => level != ObservationLevel.Quick || reading.Facts.Int(PostgreSqlFacts.XidAge) > NotedXidAge;

    // 0 is a prepared transaction (manual, pg_blocking_pids)
    private static string Who(NpgsqlDataReader row) => row.GetInt64(0) == 0
        ? "a prepared transaction"
        : string.Create(CultureInfo.InvariantCulture, $"pid {row.GetInt64(0)} ({row.Text(1)}, {row.Text(2)})");
}
