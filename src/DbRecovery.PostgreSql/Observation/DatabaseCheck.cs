using System.Globalization;
using DbRecovery.PostgreSql.Connections;
using DbRecovery.PostgreSql.Sql;
using Npgsql;

namespace DbRecovery.PostgreSql.Observation;

/// <summary>
/// What only needs looking at now and then, in one database: indexes and constraints that are not valid, sequences behind their keys, and, in
/// a deep look, what amcheck finds. Each part is bounded, and one that fails leaves the others.
/// </summary>
/// <param name="level">How deep.</param>
/// <param name="login">Where.</param>
/// <param name="session">The session there.</param>
internal sealed class DatabaseCheck(ObservationLevel level, ServerLogin login, RenewedSession session)
{
    private const int MostSequences = 500;
    private const int SequencesAtOnce = 50;

    // many tables are locked at once against being altered: it gives way long before the server looks for a deadlock, which could end the other
    private const string LimitsForMany = "set statement_timeout = '200ms'; set lock_timeout = '50ms'";
    private const string LimitsForOne = "set statement_timeout = '2s'; set lock_timeout = '2s'";

    private const string Indexes = """
        select n.nspname || '.' || i.relname from pg_index x join pg_class i on i.oid = x.indexrelid join pg_namespace n on n.oid = i.relnamespace
        where not x.indisvalid and i.relkind = 'i' and i.relpersistence <> 't' and not exists (select from pg_stat_progress_create_index p where p.index_relid = x.indexrelid)
        order by 1 limit 100
        """;

    private const string Constraints = """
        select n.nspname || '.' || t.relname || '.' || c.conname from pg_constraint c join pg_class t on t.oid = c.conrelid join pg_namespace n on n.oid = t.relnamespace
        where not c.convalidated and c.contype in ('c', 'f', 'n') and t.relpersistence <> 't' order by 1 limit 100
        """;

    // only keys that an index begins with: the greatest is then one look
    private const string Sequences = """
        select sn.nspname || '.' || s.relname, tn.nspname, t.relname, a.attname, q.seqincrement, coalesce(pg_sequence_last_value(s.oid), q.seqstart - q.seqincrement),
          has_table_privilege(t.oid, 'select') and has_sequence_privilege(s.oid, 'select, usage') and has_schema_privilege(tn.oid, 'usage')
        from pg_sequence q join pg_class s on s.oid = q.seqrelid join pg_namespace sn on sn.oid = s.relnamespace
        join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = s.oid and d.refclassid = 'pg_class'::regclass and d.refobjsubid > 0 and d.deptype in ('a', 'i')
        join pg_class t on t.oid = d.refobjid join pg_namespace tn on tn.oid = t.relnamespace
        join pg_attribute a on a.attrelid = t.oid and a.attnum = d.refobjsubid
        where not q.seqcycle and s.relpersistence <> 't' and a.atttypid in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
          and exists (select from pg_index x where x.indrelid = t.oid and x.indkey[0] = a.attnum and x.indisvalid and x.indpred is null)
        order by 1 limit
        """;

    // too slow, locked, or gone since
    private static readonly string[] OfOne = [PostgreSqlErrors.QueryCanceled, "55P03", "40P01", "42P01", "42703", "42501"];

    /// <summary>The database.</summary>
    internal string Database => login.Database;

    /// <summary>What was found.</summary>
    internal DatabaseFindings Found { get; } = new();

    /// <summary>What could not be done; one reason for all parts is said once.</summary>
    internal List<ObservedError> Errors { get; } = [];

    /// <summary>Whether amcheck looked at it; null where it was not asked to.</summary>
    internal bool? Amchecked { get; private set; }

    /// <summary>Checks.</summary>
    /// <param name="primary">Whether the server is a primary: a standby's catalogue is the primary's.</param>
    /// <param name="cancellationToken">Cancels.</param>
    internal async Task RunAsync(bool primary, CancellationToken cancellationToken)
    {
        if (primary)
        {
            await PartAsync(PostgreSqlFacts.InvalidIndexes, () => session.RunAsync((c, token) => ListAsync(c, PostgreSqlFacts.InvalidIndexes, Indexes, token), cancellationToken)).ConfigureAwait(false);
            await PartAsync(PostgreSqlFacts.InvalidConstraints, () => session.RunAsync((c, token) => ListAsync(c, PostgreSqlFacts.InvalidConstraints, Constraints, token), cancellationToken)).ConfigureAwait(false);
            await PartAsync(PostgreSqlFacts.SequencesBehind, () => session.RunAsync(SequencesAsync, cancellationToken)).ConfigureAwait(false);
        }
        if (level == ObservationLevel.Deep)
            await PartAsync(PostgreSqlFacts.CorruptObjects, () => AmcheckAsync(cancellationToken)).ConfigureAwait(false);
    }

    private async Task PartAsync(FactDefinition fact, Func<Task> part)
    {
        try
        {
            await part().ConfigureAwait(false);
        }
        catch (Exception e) when (e is NpgsqlException or ServerSilentException or NoSessionException or InvalidOperationException or InvalidCastException)
        {
            var error = ConnectionFailure.Of(e).Observed($"checking the database '{Database}'");
            if (!Errors.Contains(error))
                Errors.Add(error);
            Found.Unseen(fact, $"database '{Database}': {error.Message}");
        }
    }

    private async Task<bool> ListAsync(NpgsqlConnection connection, FactDefinition fact, string sql, CancellationToken cancellationToken)
    {
        foreach (var name in await connection.RowsAsync(sql, r => r.GetString(0), session.Again, cancellationToken).ConfigureAwait(false))
            Found.Add(fact, $"{Database}: {name}");
        Found.Checked(fact);
        return true;
    }

    private async Task<bool> SequencesAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        var sequences = await connection.RowsAsync(string.Create(CultureInfo.InvariantCulture, $"{Sequences} {MostSequences}"), r => new Sequence(
            r.GetString(0), r.GetString(1), r.GetString(2), r.GetString(3), r.GetInt64(4), r.GetInt64(5), r.GetBoolean(6)), session.Again, cancellationToken).ConfigureAwait(false);
        var visible = sequences.Where(s => s.Visible).ToList();
        if (visible.Count > 0)
        {
            try
            {
                foreach (var some in visible.Chunk(SequencesAtOnce))
                    await CompareAsync(connection, some, cancellationToken).ConfigureAwait(false);
            }
            finally
            {
                // others use the session after this
                if (connection.State is System.Data.ConnectionState.Open)
                    await connection.ExecuteAsync("reset statement_timeout; reset lock_timeout", cancellationToken).ConfigureAwait(false);
            }
        }
        if (sequences.Count > 0 && visible.Count == 0)
            Found.Unseen(PostgreSqlFacts.SequencesBehind, $"database '{Database}': the user '{login.User}' may read none of the tables: GRANT pg_read_all_data TO {SqlText.Identifier(login.User)}; (from PostgreSQL 14)");
        else
            Found.Checked(PostgreSqlFacts.SequencesBehind);
        return true;
    }

    private async Task CompareAsync(NpgsqlConnection connection, Sequence[] sequences, CancellationToken cancellationToken)
    {
        await connection.ExecuteAsync(LimitsForMany, cancellationToken).ConfigureAwait(false);
        try
        {
            var keys = await connection.RowsAsync($"select array[{string.Join(", ", sequences.Select(s => $"({s.Edge})"))}]", r => r.GetFieldValue<long?[]>(0), cancellationToken).ConfigureAwait(false);
            foreach (var (sequence, key) in sequences.Zip(keys[0]))
                Compare(sequence, key);
            return;
        }
        catch (PostgresException e) when (OfOne.Contains(e.SqlState))
        {
            // one of them keeps all from being seen: each by itself
        }
        await connection.ExecuteAsync(LimitsForOne, cancellationToken).ConfigureAwait(false);
        foreach (var sequence in sequences)
        {
            try
            {
                Compare(sequence, (long?)await connection.ScalarAsync(sequence.Edge, cancellationToken).ConfigureAwait(false));
            }
            catch (PostgresException e) when (OfOne.Contains(e.SqlState))
            {
                Found.Unseen(PostgreSqlFacts.SequencesBehind, $"database '{Database}', {sequence.Schema}.{sequence.Table}: {e.MessageText}");
            }
        }
    }

    private void Compare(Sequence sequence, long? key)
    {
        if (key > sequence.Last && sequence.Increment > 0 || key < sequence.Last && sequence.Increment < 0)
            Found.Add(PostgreSqlFacts.SequencesBehind, string.Create(CultureInfo.InvariantCulture, $"{Database}: {sequence.Name} {sequence.Last} {(sequence.Increment > 0 ? '<' : '>')} {key}"));
    }

    private async Task AmcheckAsync(CancellationToken cancellationToken)
    {
        var amcheck = await session.RunAsync(Amcheck.OfAsync, cancellationToken).ConfigureAwait(false);
        if (amcheck is not { MayCheckIndexes: true })
        {
            Amchecked = false;
            Found.Unseen(PostgreSqlFacts.CorruptObjects, amcheck is null
                ? $"database '{Database}' has no extension amcheck: CREATE EXTENSION amcheck;"
                : $"database '{Database}': the user '{login.User}' may not use amcheck: GRANT EXECUTE ON FUNCTION bt_index_check(regclass), verify_heapam TO {SqlText.Identifier(login.User)};");
            return;
        }
        Amchecked = true;
        if (amcheck.MayCheckTables)
        {
            foreach (var table in await session.RunAsync(amcheck.TablesAsync, cancellationToken).ConfigureAwait(false))
            {
                foreach (var message in await session.RunAsync((c, token) => amcheck.CheckTableAsync(c, table, token), cancellationToken).ConfigureAwait(false))
                    Found.Add(PostgreSqlFacts.CorruptObjects, $"{Database}: {table.Schema}.{table.Name}: {message}");
            }
        }
        foreach (var index in await session.RunAsync(amcheck.IndexesAsync, cancellationToken).ConfigureAwait(false))
        {
            if (await session.RunAsync((c, token) => amcheck.CheckIndexAsync(c, index, token), cancellationToken).ConfigureAwait(false) is { } damage)
                Found.Add(PostgreSqlFacts.CorruptObjects, $"{Database}: {index.Schema}.{index.Name}: {damage}");
        }
        Found.Checked(PostgreSqlFacts.CorruptObjects);
    }

    private sealed record Sequence(string Name, string Schema, string Table, string Column, long Increment, long Last, bool Visible)
    {
        /// <summary>Asks for the key that the sequence must be beyond.</summary>
        public string Edge => $"select {(Increment > 0 ? "max" : "min")}({SqlText.Identifier(Column)})::int8 from {SqlText.Identifier(Schema)}.{SqlText.Identifier(Table)}";
    }
}
