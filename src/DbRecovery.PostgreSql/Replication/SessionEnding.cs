using System.Globalization;
using DbRecovery.PostgreSql.Connections;
using Npgsql;

namespace DbRecovery.PostgreSql.Replication;

/// <summary>Ends sessions of applications.</summary>
internal sealed class SessionEnding(ReplicationSessions sessions)
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(5);

    // a session is its process and the time when it began: a process id alone comes back
    private const string Those = """
        SELECT a.pid, extract(epoch FROM a.backend_start)::text, coalesce(a.usename, '?')::text, coalesce(a.datname, '?')::text, a.application_name, coalesce(a.state, '?'),
               extract(epoch FROM clock_timestamp() - coalesce(a.state_change, a.backend_start))::float8
        FROM pg_stat_activity AS a
        WHERE a.backend_type = 'client backend' AND a.pid <> pg_backend_pid() AND NOT (a.application_name = 'dbrecovery' AND a.usename = current_user)
          AND clock_timestamp() - coalesce(a.state_change, a.backend_start) >= make_interval(secs => $1)
        """;

    private const string Roots = """
         AND a.pid IN (SELECT unnest(pg_blocking_pids(w.pid)) FROM pg_stat_activity AS w WHERE w.wait_event_type = 'Lock')
          AND cardinality(pg_blocking_pids(a.pid)) = 0
        """;

    private const string Idle = " AND a.state IN ('idle in transaction', 'idle in transaction (aborted)')";

    private const string End = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND extract(epoch FROM backend_start)::text = $2";

    private sealed record Session(int Pid, string Began, string Shown);

    internal async Task<NodeOperation> EndAsync(ClusterDefinition cluster, NodeDefinition node, SessionSelection selection, TimeSpan olderThan, TimeSpan time, CancellationToken cancellationToken)
    {
        var sql = Those + selection switch { SessionSelection.RootBlockers => Roots, SessionSelection.IdleInTransaction => Idle, _ => "" } + " ORDER BY a.pid";
        var login = ServerLogin.Of(cluster, node);
        var found = await sessions.RunAsync(login, "looking at its sessions", changes: false, time, (c, t) => ReplicationSessions.RowsAsync(c, sql, t, olderThan.TotalSeconds), cancellationToken).ConfigureAwait(false);
        // neither its address nor its statement: a statement may hold what is nobody's business
        var all = found.Select(r => new Session((int)r[0]!, (string)r[1]!, string.Create(CultureInfo.InvariantCulture, $"process {r[0]}, user {r[2]}, database {r[3]}, application '{r[4]}', {r[5]} for {r[6]:0} s"))).ToArray();
        return new NodeOperation([.. all.Select(s => new PlannedAct(ActKind.Sql, node.Name, $"SELECT pg_terminate_backend({s.Pid}) -- {s.Shown}", Destructive: true))], async (timeout, _, token) =>
        {
            var ended = all.Length == 0 ? 0 : await sessions.RunAsync(login, "ending sessions", changes: true, timeout, (c, t) => EndAsync(c, all, t), token).ConfigureAwait(false);
            return new OperationOutcome($"{ended} of {all.Length} sessions ended on '{node.Name}'.", new Dictionary<string, FactValue> { ["ended"] = ended });
        });
    }

    private async Task<long> EndAsync(NpgsqlConnection connection, Session[] all, CancellationToken cancellationToken)
    {
        var asked = new List<Session>();
        PostgresException? refused = null;
        foreach (var session in all)
        {
            try
            {
                if (await ReplicationSessions.RowAsync(connection, End, cancellationToken, session.Pid, session.Began).ConfigureAwait(false) is [true])
                    asked.Add(session);
            }
            catch (PostgresException e) when (e.SqlState == PostgreSqlErrors.InsufficientPrivilege)
            {
                // a superuser's session is a superuser's to end; the others are still ended
                refused = e;
            }
        }
        foreach (var session in asked)
        {
            while (await ReplicationSessions.RowAsync(connection, "SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND extract(epoch FROM backend_start)::text = $2", cancellationToken, session.Pid, session.Began).ConfigureAwait(false) is not null)
                await Task.Delay(Pause, sessions.Clock, cancellationToken).ConfigureAwait(false);
        }
        return asked.Count == 0 && refused is not null ? throw refused : asked.Count;
    }
}
