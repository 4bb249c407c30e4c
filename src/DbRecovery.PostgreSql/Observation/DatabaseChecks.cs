using System.Globalization;
using DbRecovery.PostgreSql.Connections;
using DbRecovery.PostgreSql.Sql;
using Npgsql;

namespace DbRecovery.PostgreSql.Observation;

/// <summary>
/// What only needs looking at now and then, in each database on a session of its own: indexes and constraints that are not valid, sequences
/// behind their keys, and, in a deep look, what amcheck finds. Each part is bounded, and one that fails leaves the others.
/// </summary>
internal sealed class DatabaseChecks(PostgreSqlConnections connections, Look look, LightReading reading, IProgress<OperationProgress>? progress)
{
    private const int MostDatabases = 200;
    private const int MostSequences = 500;
    private const string SequenceLimit = "2s";

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

    private readonly DatabaseFindings _found = new();
    private readonly List<string> _withoutAmcheck = [];
    private bool _amchecked;

    private bool IsPrimary => reading.InRecovery == false;
    private bool IsDeep => look.Request.Level == ObservationLevel.Deep;

    /// <summary>Checks every database.</summary>
    internal async Task RunAsync(CancellationToken cancellationToken)
    {
        // a standby's catalogue is the primary's; its pages are its own
        if (!IsPrimary && !IsDeep)
            return;
        try
        {
            var names = await connections.UseAsync(look.Link.Login, "listing the databases", look.Remaining(), Databases.ReadAsync, cancellationToken).ConfigureAwait(false);
            for (var i = 0; i < Math.Min(names.Count, MostDatabases); i++)
            {
                progress?.Report(new OperationProgress($"Observing {look.Request.Node.Name}", $"checking the database '{names[i]}'", i, names.Count));
                await CheckAsync(names[i], cancellationToken).ConfigureAwait(false);
            }
            if (names.Count > MostDatabases)
                UnseenAll($"only {MostDatabases} of {names.Count} databases were looked at");
        }
        catch (DbRecoveryException e)
        {
            look.Errors.Add(new ObservedError((e.InnerException as PostgresException)?.SqlState ?? e.Id, e.Message, "checking the databases"));
            UnseenAll(e.Message);
        }
        if (IsPrimary)
            _found.Record(reading.Facts, PostgreSqlFacts.InvalidIndexes, PostgreSqlFacts.InvalidConstraints, PostgreSqlFacts.SequencesBehind);
        if (IsDeep)
        {
            _found.Record(reading.Facts, PostgreSqlFacts.CorruptObjects);
            reading.Facts.Set(PostgreSqlFacts.Amcheck, _withoutAmcheck.Count > 0 ? string.Join(", ", _withoutAmcheck) : _amchecked ? "yes" : "no");
        }
    }

    private async Task CheckAsync(string database, CancellationToken cancellationToken)
    {
        var login = ServerLogin.Of(look.Request.Cluster, look.Request.Node, database);
        var session = new RenewedSession(connections, login, look.Remaining);
        await using (session.ConfigureAwait(false))
        {
            if (IsPrimary)
            {
                await PartAsync(database, PostgreSqlFacts.InvalidIndexes, () => session.RunAsync((c, token) => ListAsync(c, PostgreSqlFacts.InvalidIndexes, Indexes, database, token), cancellationToken)).ConfigureAwait(false);
                await PartAsync(database, PostgreSqlFacts.InvalidConstraints, () => session.RunAsync((c, token) => ListAsync(c, PostgreSqlFacts.InvalidConstraints, Constraints, database, token), cancellationToken)).ConfigureAwait(false);
                await PartAsync(database, PostgreSqlFacts.SequencesBehind, () => session.RunAsync((c, token) => SequencesAsync(c, database, login, token), cancellationToken)).ConfigureAwait(false);
            }
            if (IsDeep)
                await PartAsync(database, PostgreSqlFacts.CorruptObjects, () => AmcheckAsync(session, database, login, cancellationToken)).ConfigureAwait(false);
        }
    }

    private async Task PartAsync(string database, FactDefinition fact, Func<Task> part)
    {
        try
        {
            await part().ConfigureAwait(false);
        }
        catch (Exception e) when (e is NpgsqlException or ServerSilentException or NoSessionException or InvalidOperationException or InvalidCastException)
        {
            var error = ConnectionFailure.Of(e).Observed($"checking the database '{database}'");
            // one reason for all parts is said once
            if (!look.Errors.Contains(error))
                look.Errors.Add(error);
            _found.Unseen(fact, $"database '{database}': {error.Message}");
        }
    }

    private async Task<bool> ListAsync(NpgsqlConnection connection, FactDefinition fact, string sql, string database, CancellationToken cancellationToken)
    {
        foreach (var name in await connection.RowsAsync(sql, r => r.GetString(0), cancellationToken).ConfigureAwait(false))
            _found.Add(fact, $"{database}: {name}");
        _found.Checked(fact);
        return true;
    }

    private async Task<bool> SequencesAsync(NpgsqlConnection connection, string database, ServerLogin login, CancellationToken cancellationToken)
    {
        var sequences = await connection.RowsAsync(string.Create(CultureInfo.InvariantCulture, $"{Sequences} {MostSequences}"), r => new
        {
            Name = r.GetString(0), Schema = r.GetString(1), Table = r.GetString(2), Column = r.GetString(3), Increment = r.GetInt64(4), Last = r.GetInt64(5), Visible = r.GetBoolean(6),
        }, cancellationToken).ConfigureAwait(false);
        await connection.ExecuteAsync($"set statement_timeout = '{SequenceLimit}'", cancellationToken).ConfigureAwait(false);
        foreach (var sequence in sequences.Where(s => s.Visible))
        {
            var edge = sequence.Increment > 0 ? "max" : "min";
            var sql = $"select {edge}({SqlText.Identifier(sequence.Column)})::int8 from {SqlText.Identifier(sequence.Schema)}.{SqlText.Identifier(sequence.Table)}";
            try
            {
                var key = (long?)await connection.ScalarAsync(sql, cancellationToken).ConfigureAwait(false);
                if (key > sequence.Last && sequence.Increment > 0 || key < sequence.Last && sequence.Increment < 0)
                    _found.Add(PostgreSqlFacts.SequencesBehind, string.Create(CultureInfo.InvariantCulture, $"{database}: {sequence.Name} {sequence.Last} {(sequence.Increment > 0 ? '<' : '>')} {key}"));
            }
            catch (PostgresException e) when (e.SqlState is PostgreSqlErrors.QueryCanceled or "55P03" or "42P01" or "42703")
            {
                _found.Unseen(PostgreSqlFacts.SequencesBehind, $"database '{database}', {sequence.Schema}.{sequence.Table}: {e.MessageText}");
            }
        }
        await connection.ExecuteAsync("reset statement_timeout", cancellationToken).ConfigureAwait(false);
        if (sequences.Count > 0 && !sequences.Any(s => s.Visible))
            _found.Unseen(PostgreSqlFacts.SequencesBehind, $"database '{database}': the user '{login.User}' may read none of the tables: GRANT pg_read_all_data TO {SqlText.Identifier(login.User)}; (from PostgreSQL 14)");
        else
            _found.Checked(PostgreSqlFacts.SequencesBehind);
        return true;
    }

    private async Task AmcheckAsync(RenewedSession session, string database, ServerLogin login, CancellationToken cancellationToken)
    {
        var amcheck = await session.RunAsync(Amcheck.OfAsync, cancellationToken).ConfigureAwait(false);
        if (amcheck is not { MayCheckIndexes: true })
        {
            _withoutAmcheck.Add(database);
            _found.Unseen(PostgreSqlFacts.CorruptObjects, amcheck is null
                ? $"database '{database}' has no extension amcheck: CREATE EXTENSION amcheck;"
                : $"database '{database}': the user '{login.User}' may not use amcheck: GRANT EXECUTE ON FUNCTION bt_index_check(regclass), verify_heapam TO {SqlText.Identifier(login.User)};");
            return;
        }
        _amchecked = true;
        if (amcheck.MayCheckTables)
        {
            foreach (var table in await session.RunAsync(amcheck.TablesAsync, cancellationToken).ConfigureAwait(false))
            {
                foreach (var message in await session.RunAsync((c, token) => amcheck.CheckTableAsync(c, table, token), cancellationToken).ConfigureAwait(false))
                    _found.Add(PostgreSqlFacts.CorruptObjects, $"{database}: {table.Schema}.{table.Name}: {message}");
            }
        }
        foreach (var index in await session.RunAsync(amcheck.IndexesAsync, cancellationToken).ConfigureAwait(false))
        {
            if (await session.RunAsync((c, token) => amcheck.CheckIndexAsync(c, index, token), cancellationToken).ConfigureAwait(false) is { } damage)
                _found.Add(PostgreSqlFacts.CorruptObjects, $"{database}: {index.Schema}.{index.Name}: {damage}");
        }
        _found.Checked(PostgreSqlFacts.CorruptObjects);
    }

    private void UnseenAll(string because)
    {
        foreach (var fact in (ReadOnlySpan<FactDefinition>)[PostgreSqlFacts.InvalidIndexes, PostgreSqlFacts.InvalidConstraints, PostgreSqlFacts.SequencesBehind, PostgreSqlFacts.CorruptObjects])
            _found.Unseen(fact, because);
    }
}
