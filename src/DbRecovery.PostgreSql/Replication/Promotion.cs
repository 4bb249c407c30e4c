using System.Globalization;
using DbRecovery.PostgreSql.Connections;
using DbRecovery.PostgreSql.Control;
using Npgsql;

namespace DbRecovery.PostgreSql.Replication;

/// <summary>Makes a replica the primary.</summary>
internal sealed class Promotion(ReplicationSessions sessions)
{
    // pg_promote(true) looks every 100 ms itself; a promotion takes 15 to 30
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(1);

    private const string Ask = "SELECT pg_is_in_recovery(), CASE WHEN pg_is_in_recovery() THEN pg_promote(false) END";
    // all that was received is replayed first, and the replay waits for queries: as long as max_standby_streaming_delay says (-1: for ever), promotion or not
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);
    // pg_blocking_pids() knows of nobody who blocks the startup process; it waits for locks of whole relations only
    private const string EndBlockers = """
        SELECT count(*) FROM (SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity AS s, pg_stat_activity AS a
          WHERE s.backend_type = 'startup' AND a.backend_type = 'client backend' AND a.pid <> pg_backend_pid() AND NOT (a.application_name = 'dbrecovery' AND a.usename = current_user)
            AND (a.pid IN (SELECT h.pid FROM pg_locks AS w JOIN pg_locks AS h USING (locktype, database, relation) WHERE w.pid = s.pid AND NOT w.granted AND h.granted)
              OR (s.wait_event IN ('RecoveryConflictSnapshot', 'RecoveryConflictTablespace', 'BufferPin') AND a.backend_xmin IS NOT NULL))) AS ended
        """;

    private const string Look = """
        SELECT CASE WHEN NOT pg_is_in_recovery() THEN pg_walfile_name(pg_current_wal_lsn()) END, CASE WHEN NOT pg_is_in_recovery() THEN pg_current_wal_lsn() - '0/0' END::int8
        """;

    // a slot whose log is gone, and from PostgreSQL 17 one that was not synchronised in time (temporary), is of no use
    private const string Left = """
        SELECT ARRAY(SELECT slot_name::text FROM pg_replication_slots WHERE slot_type = 'logical' AND NOT temporary AND wal_status IS DISTINCT FROM 'lost' ORDER BY 1),
               ARRAY(SELECT quote_literal(gid) || ' (' || database || ')' FROM pg_prepared_xacts ORDER BY prepared),
               ARRAY(SELECT subname::text FROM pg_subscription WHERE subenabled ORDER BY 1)
        """;

    internal Task<PromotionFindings> LookAfterAsync(ClusterDefinition cluster, NodeDefinition node, TimeSpan timeout, CancellationToken cancellationToken) =>
        sessions.RunAsync(ServerLogin.Of(cluster, node), "looking at what the promotion leaves", changes: false, timeout, async (c, t) =>
            await ReplicationSessions.RowAsync(c, Left, t).ConfigureAwait(false) is [string[] slots, string[] prepared, string[] subscriptions]
                ? new PromotionFindings(slots, prepared, subscriptions)
                : throw new DbRecoveryException(ErrorIds.StepFailed, ErrorKind.Failed, $"'{node.Name}' did not say what the promotion leaves", target: node.Name), cancellationToken);

    internal NodeOperation Promote(ClusterDefinition cluster, NodeDefinition node) => new(
        [
            new(ActKind.Sql, node.Name, "SELECT pg_promote(false)"), new(ActKind.Wait, node.Name, "until pg_is_in_recovery() is false"),
            new(ActKind.Sql, node.Name, $"{EndBlockers} -- while it is not after {Patience.TotalSeconds:0} s: queries that hold back the replay of what it received"),
        ],
        async (timeout, _, token) =>
        {
            var deadline = new Deadline(sessions.Clock, timeout);
            var (timeline, position, ended) = await sessions.RunKeptAsync(cluster, node, "promoting", changes: true, timeout, (c, t) => PromoteAsync(c, cluster, node, deadline, t), token).ConfigureAwait(false);
            return new OperationOutcome($"'{node.Name}' is the primary, on timeline {timeline} from {position}.",
                new Dictionary<string, FactValue> { ["timeline"] = timeline, ["position"] = position, ["ended"] = ended });
        });

    internal NodeOperation AfterPromotion(ClusterDefinition cluster, NodeDefinition node) => new(
        [new(ActKind.Sql, node.Name, "CHECKPOINT")],
        async (timeout, _, token) =>
        {
            await sessions.RunAsync(ServerLogin.Of(cluster, node), "writing a checkpoint", changes: false, timeout, async (c, t) =>
            {
                await CheckpointAsync(c, t).ConfigureAwait(false);
                return true;
            }, token).ConfigureAwait(false);
            return new OperationOutcome($"'{node.Name}' wrote a checkpoint: its control file has the new timeline.");
        });

    // before 15 only superusers may ask for one by its name, but a backup begins with one, and the right to begin a backup can be granted
    private static async Task CheckpointAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        try
        {
            await ReplicationSessions.ExecuteAsync(connection, "CHECKPOINT", cancellationToken).ConfigureAwait(false);
        }
        catch (PostgresException e) when (e.SqlState == PostgreSqlErrors.InsufficientPrivilege && connection.PostgreSqlVersion.Major < 15)
        {
            await ReplicationSessions.ExecuteAsync(connection, "SELECT pg_start_backup('dbrecovery', true, false)", cancellationToken).ConfigureAwait(false);
            await ReplicationSessions.ExecuteAsync(connection, "SELECT pg_stop_backup(false, false)", cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task<(long Timeline, string Position, long Ended)> PromoteAsync(NpgsqlConnection connection, ClusterDefinition cluster, NodeDefinition node, Deadline deadline, CancellationToken cancellationToken)
    {
        var asked = (await ReplicationSessions.RowAsync(connection, Ask, cancellationToken).ConfigureAwait(false))!;
        if (asked[0] is false)
            throw new DbRecoveryException(ErrorIds.WrongNode, ErrorKind.Refused, $"'{node.Name}' is a primary already: there is nothing to promote", target: node.Name);
        if (asked[1] is not true)
            throw new DbRecoveryException(ErrorIds.StepFailed, ErrorKind.Failed, $"'{node.Name}' could not be asked to become primary: its main process took no signal", "Look at the server's log.", node.Name);
        var (since, ended) = (sessions.Clock.GetTimestamp(), 0L);
        while (true)
        {
            if (await LookAsync(connection, node, cancellationToken).ConfigureAwait(false) is { } promoted)
                return (promoted.Timeline, promoted.Position, ended);
            if (sessions.Clock.GetElapsedTime(since) >= Patience)
            {
                ended += await EndBlockersAsync(connection, cancellationToken).ConfigureAwait(false);
                since = sessions.Clock.GetTimestamp();
            }
            if (deadline.IsOver)
            {
                throw new DbRecoveryException(ErrorIds.OutcomeUnknown, ErrorKind.Timeout, $"'{node.Name}' was asked to become primary and is not yet: it may still",
                    "Look at it again, and at its log.", node.Name);
            }
            await Task.Delay(Pause, sessions.Clock, cancellationToken).ConfigureAwait(false);
        }
    }

    private static async Task<long> EndBlockersAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        try
        {
            return await ReplicationSessions.RowAsync(connection, EndBlockers, cancellationToken).ConfigureAwait(false) is [long ended] ? ended : 0;
        }
        catch (PostgresException)
        {
            // a superuser's session is a superuser's to end: the promotion comes when it is over
            return 0;
        }
    }

    private static async Task<(long Timeline, string Position)?> LookAsync(NpgsqlConnection connection, NodeDefinition node, CancellationToken cancellationToken)
    {
        object?[] row;
        try
        {
            row = (await ReplicationSessions.RowAsync(connection, Look, cancellationToken).ConfigureAwait(false))!;
        }
        catch (PostgresException e)
        {
            // the error is the look's; what was asked for before goes on
            throw new DbRecoveryException(ErrorIds.OutcomeUnknown, ErrorKind.Failed, $"'{node.Name}' was asked to become primary, and could not be looked at then: {e.MessageText}", "Look at it again, and at its log.", node.Name, e);
        }
        // the first eight digits of a segment's name are its timeline; pg_control_checkpoint() says the old one until the next checkpoint
        return row is [string segment, long position] ? (long.Parse(segment.AsSpan(0, 8), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture), SqlText.Lsn(position)) : null;
    }
}
