using System.Globalization;
using DbRecovery.PostgreSql.Connections;
using Npgsql;

namespace DbRecovery.PostgreSql.Replication;

/// <summary>Writes of DbRecovery's own on a primary: the row that proves that it takes writes, and the takeover epoch.</summary>
internal sealed class WriteProof(ReplicationSessions sessions)
{
    /// <summary>The schema that is DbRecovery's own.</summary>
    internal const string Schema = "dbrecovery";

    private const string MakeCanary = "CREATE TABLE IF NOT EXISTS dbrecovery.canary (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp())";
    private const string MakeEpoch = "CREATE TABLE IF NOT EXISTS dbrecovery.epoch (epoch bigint PRIMARY KEY, primary_node text NOT NULL, at timestamptz NOT NULL, incident text)";

    // old rows go a few at a time, and never wait for one that another canary's transaction holds
    private const string Canary = """
        WITH gone AS (DELETE FROM dbrecovery.canary WHERE id IN (SELECT id FROM dbrecovery.canary WHERE at < now() - interval '10 minutes' ORDER BY id LIMIT 50 FOR UPDATE SKIP LOCKED))
        INSERT INTO dbrecovery.canary DEFAULT VALUES
        RETURNING id, (SELECT coalesce(host(inet_server_addr()), 'local')), (SELECT inet_server_port()), (SELECT system_identifier::text FROM pg_control_system())
        """;

    // 'dbrecove' as a number
    private const long MakingLock = 0x6462_7265_636f_7665;

    private static readonly string[] Missing = ["42P01", "3F000"];

    internal async Task<string> CanaryAsync(ServerLogin login, bool synchronous, TimeSpan timeout, CancellationToken cancellationToken)
    {
        return await sessions.RunAsync(login, "trying a write", changes: true, timeout, async (c, t) =>
        {
            try
            {
                return await CanaryAsync(c, login, synchronous, t).ConfigureAwait(false);
            }
            catch (PostgresException e) when (Missing.Contains(e.SqlState))
            {
                await ReplicationSessions.ExecuteAsync(c, "ROLLBACK", t).ConfigureAwait(false);
                await MakeAsync(c, MakeCanary, t).ConfigureAwait(false);
                return await CanaryAsync(c, login, synchronous, t).ConfigureAwait(false);
            }
        }, cancellationToken).ConfigureAwait(false);
    }

    internal Task<FencingEpoch?> ReadEpochAsync(ClusterDefinition cluster, NodeDefinition node, TimeSpan timeout, CancellationToken cancellationToken) =>
        sessions.RunKeptAsync(cluster, node, "reading the takeover epoch", changes: false, timeout, ReadEpochAsync, cancellationToken);

    internal NodeOperation WriteEpoch(ClusterDefinition cluster, NodeDefinition primary, FencingEpoch epoch)
    {
        var values = string.Create(CultureInfo.InvariantCulture,
            $"({epoch.Epoch}, {SqlText.Literal(epoch.Primary)}, {SqlText.Literal(epoch.At.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss.ffffff+00", CultureInfo.InvariantCulture))}, {(epoch.Incident is null ? "NULL" : SqlText.Literal(epoch.Incident))})");
        var insert = $"INSERT INTO dbrecovery.epoch (epoch, primary_node, at, incident) VALUES {values}";
        return new NodeOperation(
            [new(ActKind.Sql, primary.Name, $"CREATE SCHEMA IF NOT EXISTS {Schema}; {MakeEpoch}"), new(ActKind.Sql, primary.Name, insert)],
            async (timeout, _, token) =>
            {
                await sessions.RunAsync(ServerLogin.Of(cluster, primary), "writing the takeover epoch", changes: true, timeout, async (c, t) =>
                {
                    if (await ReplicationSessions.RowAsync(c, "SELECT to_regclass('dbrecovery.epoch') IS NOT NULL", t).ConfigureAwait(false) is not [true])
                        await MakeAsync(c, MakeEpoch, t).ConfigureAwait(false);
                    await WriteAsync(c, primary, epoch, insert, t).ConfigureAwait(false);
                    return true;
                }, token).ConfigureAwait(false);
                return new OperationOutcome($"'{primary.Name}' holds the takeover epoch {epoch.Epoch}.");
            });
    }

    private static async Task<FencingEpoch?> ReadEpochAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        // asked first, so that no log fills with the error of a table that is not there
        if (await ReplicationSessions.RowAsync(connection, "SELECT to_regclass('dbrecovery.epoch') IS NOT NULL", cancellationToken).ConfigureAwait(false) is not [true])
            return null;
        var row = await ReplicationSessions.RowAsync(connection, "SELECT epoch, primary_node, at, incident FROM dbrecovery.epoch ORDER BY epoch DESC LIMIT 1", cancellationToken).ConfigureAwait(false);
        return row is null ? null : new FencingEpoch((long)row[0]!, (string)row[1]!, new DateTimeOffset((DateTime)row[2]!, TimeSpan.Zero), (string?)row[3]);
    }

    /// <summary>
    /// One transaction, which waits for no replica: the number must be there before anything relies on it. A node whose default is read-only
    /// is written all the same: this is not an application's.
    /// </summary>
    private static async Task WriteAsync(NpgsqlConnection connection, NodeDefinition primary, FencingEpoch epoch, string insert, CancellationToken cancellationToken)
    {
        await ReplicationSessions.ExecuteAsync(connection, "BEGIN READ WRITE", cancellationToken).ConfigureAwait(false);
        await ReplicationSessions.ExecuteAsync(connection, "SET LOCAL synchronous_commit = local", cancellationToken).ConfigureAwait(false);
        // two that take over at once must see each other
        await ReplicationSessions.ExecuteAsync(connection, "LOCK TABLE dbrecovery.epoch IN EXCLUSIVE MODE", cancellationToken).ConfigureAwait(false);
        var there = await ReadEpochAsync(connection, cancellationToken).ConfigureAwait(false);
        if (there is not null && (there.Epoch > epoch.Epoch || there.Epoch == epoch.Epoch && there.Primary != epoch.Primary))
        {
            await ReplicationSessions.ExecuteAsync(connection, "ROLLBACK", cancellationToken).ConfigureAwait(false);
            throw new DbRecoveryException(ErrorIds.LeaseLost, ErrorKind.Refused,
                $"'{primary.Name}' holds the takeover epoch {there.Epoch} of '{there.Primary}', and {epoch.Epoch} of '{epoch.Primary}' was to be written: somebody else has taken over since",
                "Look at who is primary before anything else is done.", primary.Name);
        }
        if (there?.Epoch != epoch.Epoch)
            await ReplicationSessions.ExecuteAsync(connection, insert, cancellationToken).ConfigureAwait(false);
        await ReplicationSessions.ExecuteAsync(connection, "COMMIT", cancellationToken).ConfigureAwait(false);
    }

    /// <summary>In one exchange: a pooler may lead the next one to another server.</summary>
    private static async Task<string> CanaryAsync(NpgsqlConnection connection, ServerLogin login, bool synchronous, CancellationToken cancellationToken)
    {
        var batch = new NpgsqlBatch(connection)
        {
            BatchCommands = { new("BEGIN"), new($"SET LOCAL synchronous_commit = {(synchronous ? "on" : "local")}"), new(Canary), new("COMMIT") },
        };
        await using var closing = batch.ConfigureAwait(false);
        var reader = await batch.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        long id;
        string taker;
        await using (reader.ConfigureAwait(false))
        {
            if (!await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
                throw new DbRecoveryException(ErrorIds.StepFailed, ErrorKind.Failed, $"the row that was written on {login.Address} was not given back", target: login.Address);
            var address = reader.GetString(1);
            id = reader.GetInt64(0);
            taker = $"{(address.Contains(':') ? $"[{address}]" : address)}{(reader.IsDBNull(2) ? "" : $":{reader.GetInt32(2)}")}, system {reader.GetString(3)}";
            while (await reader.NextResultAsync(cancellationToken).ConfigureAwait(false))
            {
                // the commit's own answer is the last
            }
        }
        return await ReplicationSessions.RowAsync(connection, "SELECT 1 FROM dbrecovery.canary WHERE id = $1", cancellationToken, id).ConfigureAwait(false) is null
            ? throw new DbRecoveryException(ErrorIds.StepFailed, ErrorKind.Failed, $"the row that was written on {login.Address} cannot be read there", target: login.Address)
            : taker;
    }

    private static async Task MakeAsync(NpgsqlConnection connection, string table, CancellationToken cancellationToken)
    {
        await ReplicationSessions.ExecuteAsync(connection, "BEGIN READ WRITE", cancellationToken).ConfigureAwait(false);
        await ReplicationSessions.ExecuteAsync(connection, "SET LOCAL synchronous_commit = local", cancellationToken).ConfigureAwait(false);
        // two that make the same at once would fail in the catalogue, IF NOT EXISTS or not
        await ReplicationSessions.ExecuteAsync(connection, $"SELECT pg_advisory_xact_lock({MakingLock})", cancellationToken).ConfigureAwait(false);
        // asked first: IF NOT EXISTS wants the right to create even where there is nothing to be created
        if (await ReplicationSessions.RowAsync(connection, "SELECT to_regnamespace('dbrecovery') IS NOT NULL", cancellationToken).ConfigureAwait(false) is not [true])
            await ReplicationSessions.ExecuteAsync(connection, $"CREATE SCHEMA IF NOT EXISTS {Schema}", cancellationToken).ConfigureAwait(false);
        await ReplicationSessions.ExecuteAsync(connection, table, cancellationToken).ConfigureAwait(false);
        await ReplicationSessions.ExecuteAsync(connection, "COMMIT", cancellationToken).ConfigureAwait(false);
    }
}
