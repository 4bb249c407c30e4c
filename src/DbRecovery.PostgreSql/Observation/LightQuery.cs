using System.Collections.Concurrent;
using System.Text;
using DbRecovery.PostgreSql.Connections;
using Npgsql;

namespace DbRecovery.PostgreSql.Observation;

/// <summary>
/// The one light query of a round: everything that a decision about replication needs, in one exchange with the server.
/// It is put together for the server's version and the role's rights, and prepared when a session is used again.
/// </summary>
internal sealed class LightQuery
{
    // one look at the sessions and at the role: a promotion between two looks would mix the two
    private const string With = """
        with r as materialized (select pg_is_in_recovery() as rec),
        a as materialized (select
          count(*) filter (where backend_type = 'client backend') as used,
          max(extract(epoch from clock_timestamp() - xact_start)) filter (where backend_type = 'client backend' and pid <> pg_backend_pid()) as longest,
          max(extract(epoch from clock_timestamp() - state_change)) filter (where state like 'idle in transaction%') as idle,
          count(*) filter (where state like 'idle in transaction%') as idlers,
          count(*) filter (where wait_event = 'SyncRep') as syncwait,
          max(extract(epoch from clock_timestamp() - query_start)) filter (where wait_event = 'SyncRep') as synclongest,
          max(extract(epoch from clock_timestamp() - query_start)) filter (where lower(wait_event) in ('walsync', 'walwrite')) as logwait,
          count(*) filter (where wait_event_type = 'Lock') as blocked,
          max(extract(epoch from clock_timestamp() - query_start)) filter (where wait_event_type = 'Lock') as blockedlongest
          from pg_stat_get_activity(null)),
        d as materialized (select sum(numbackends) as backends, sum(conflicts) as conflicts, sum(checksum_failures) as failures from pg_stat_database),
        x as materialized (select datname, age(datfrozenxid) as age from pg_database order by age(datfrozenxid) desc, datname limit 1),
        w as materialized (select * from pg_stat_wal_receiver),
        p as materialized (select count(*) as n, max(extract(epoch from clock_timestamp() - prepared)) as oldest from pg_prepared_xacts)
        """;

    private const string From = " from r left join a on true left join d on true left join x on true left join w on true left join p on true left join pg_stat_archiver v on true";

    private const string Downstreams = """
        select application_name, host(client_addr), state, sync_state, (sent_lsn - '0/0')::int8, (flush_lsn - '0/0')::int8, (replay_lsn - '0/0')::int8,
          extract(epoch from replay_lag)::float8
        from pg_stat_replication order by application_name, pid
        """;

    private const string Slots = """
        select slot_name, slot_type, active, wal_status, (restart_lsn - '0/0')::int8
        from pg_replication_slots where not temporary order by slot_name
        """;

    private static readonly ConcurrentDictionary<(int Major, bool Stats, bool Settings, bool WalFolder), (string Sql, IReadOnlyList<LightColumn> Columns)> Texts = new();

    private readonly IReadOnlyList<LightColumn> _columns;
    private readonly NpgsqlBatch _batch;
    private int _uses;

    /// <summary>Makes the query for a session.</summary>
    internal LightQuery(NpgsqlConnection connection, ServerProfile profile, long since)
    {
        Since = since;
        Profile = profile;
        (var sql, _columns) = Texts.GetOrAdd((profile.Major, profile.Stats, profile.Settings, profile.WalFolder), _ => Build(profile));
        _batch = new NpgsqlBatch(connection) { BatchCommands = { new(sql), new(Downstreams), new(Slots) } };
    }

    /// <summary>The server that the session leads to.</summary>
    internal ServerProfile Profile { get; }

    /// <summary>What the session knows of the server's timelines.</summary>
    internal TimelineForks Forks { get; } = new();

    /// <summary>When it was made, by the clock's timestamps.</summary>
    internal long Since { get; }

    /// <summary>Asks.</summary>
    internal async Task<LightReading> ReadAsync(CancellationToken cancellationToken)
    {
        // a single look need not pay for the preparation
        if (++_uses == 2)
            await _batch.PrepareAsync(cancellationToken).ConfigureAwait(false);
        var reading = new LightReading { Profile = Profile };
        var reader = await _batch.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using (reader.ConfigureAwait(false))
        {
            await reader.ReadAsync(cancellationToken).ConfigureAwait(false);
            ReadColumns(reader, reading);
            await reader.NextResultAsync(cancellationToken).ConfigureAwait(false);
            while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
                reading.Downstreams.Add(ReadDownstream(reader, reading));
            await reader.NextResultAsync(cancellationToken).ConfigureAwait(false);
            while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
                reading.Slots.Add(ReadSlot(reader, reading));
        }
        return reading;
    }

    /// <summary>Asks each part by itself, after the whole was refused: what can be seen is seen, and what cannot says why.</summary>
    internal async Task<LightReading> ReadPartsAsync(RenewedSession session, CancellationToken cancellationToken)
    {
        var reading = new LightReading { Profile = Profile };
        foreach (var column in _columns)
        {
            await PartAsync(With + "\nselect " + column.Sql + From, r =>
            {
                column.Read(reading, r, 0);
                return true;
            }, column.Name, because => column.Fails(reading, because)).ConfigureAwait(false);
        }
        reading.Downstreams.AddRange(await PartAsync(Downstreams, r => ReadDownstream(r, reading), "reading the replicas").ConfigureAwait(false));
        reading.Slots.AddRange(await PartAsync(Slots, r => ReadSlot(r, reading), "reading the slots").ConfigureAwait(false));
        return reading;

        async Task<List<T>> PartAsync<T>(string sql, Func<NpgsqlDataReader, T> row, string during, Action<string>? fails = null)
        {
            try
            {
                return await session.RunAsync((c, token) => c.RowsAsync(sql, row, token), cancellationToken).ConfigureAwait(false);
            }
            catch (PostgresException e)
            {
                fails?.Invoke(e.MessageText);
                if (reading.Errors.All(known => known.Code != e.SqlState || known.Message != e.MessageText))
                    reading.Errors.Add(new ObservedError(e.SqlState, e.MessageText, during));
                return [];
            }
        }
    }

    private static (string Sql, IReadOnlyList<LightColumn> Columns) Build(ServerProfile profile)
    {
        var columns = LightColumns.For(profile);
        var sql = new StringBuilder(With).Append("\nselect ").AppendJoin(",\n  ", columns.Select(c => c.Sql)).Append(From);
        return (sql.ToString(), columns);
    }

    private void ReadColumns(NpgsqlDataReader reader, LightReading reading)
    {
        for (var i = 0; i < _columns.Count; i++)
            _columns[i].Read(reading, reader, i);
    }

    private static DownstreamObservation ReadDownstream(NpgsqlDataReader reader, LightReading reading) => new()
    {
        Name = reader.Text(0) ?? "",
        Address = reader.Text(1),
        // null where the role may not see it
        State = reader.Text(2) ?? "unknown",
        SyncState = reader.Text(3) ?? "unknown",
        Sent = reading.Position(reader.Int(4)),
        Flushed = reading.Position(reader.Int(5)),
        Applied = reading.Position(reader.Int(6)),
        ReplayLag = reader.Number(7) is { } seconds ? TimeSpan.FromSeconds(seconds) : null,
    };

    private static SlotObservation ReadSlot(NpgsqlDataReader reader, LightReading reading)
    {
        var restart = reader.Int(4);
        return new SlotObservation
        {
            Name = reader.GetString(0),
            Type = reader.GetString(1),
            Active = reader.GetBoolean(2),
            WalStatus = reader.Text(3),
            Restart = reading.Position(restart),
            HeldBytes = restart is { } held && reading.LogEnd is { } end ? Math.Max(0, end - held) : null,
        };
    }
}
