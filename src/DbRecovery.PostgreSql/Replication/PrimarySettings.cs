using DbRecovery.PostgreSql.Connections;
using Npgsql;

namespace DbRecovery.PostgreSql.Replication;

/// <summary>What a primary lets through: which replicas it waits for, and whether it takes writes.</summary>
internal sealed class PrimarySettings(ReplicationSessions sessions)
{
    private const string SyncNames = "synchronous_standby_names";
    private const string ReadOnlyName = "default_transaction_read_only";

    private static readonly TimeSpan Settling = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(10);

    // a superuser's session, which is a superuser's to end, comes last: its error leaves no other one open
    private const string EndWriters = """
        SELECT count(*) FROM (SELECT pg_terminate_backend(pid) FROM (SELECT a.pid FROM pg_stat_activity AS a LEFT JOIN pg_roles AS r ON r.oid = a.usesysid
          WHERE a.backend_type = 'client backend' AND a.pid <> pg_backend_pid() AND NOT (a.application_name = 'dbrecovery' AND a.usename = current_user)
          ORDER BY r.rolsuper) AS theirs) AS ended
        """;

    internal NodeOperation SetSynchronous(ClusterDefinition cluster, NodeDefinition primary, IReadOnlyList<NodeDefinition> replicas, int required)
    {
        if (required < 0 || required > replicas.Count)
        {
            throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput,
                $"{required} of {replicas.Count} replicas cannot be waited for: no transaction would ever be acknowledged", target: primary.Name);
        }
        var value = required == 0 ? "" : $"ANY {required} ({string.Join(", ", replicas.Select(r => SqlText.Identifier(r.Name)))})";
        var statement = SettingChange.Statement(SyncNames, value);
        return new NodeOperation([new(ActKind.Sql, primary.Name, statement), new(ActKind.Sql, primary.Name, SettingChange.Reload)], async (timeout, _, token) =>
        {
            // neither statement commits a transaction, so that none waits for a replica
            await sessions.RunAsync(ServerLogin.Of(cluster, primary), "setting the synchronous replicas", changes: true, timeout, async (c, t) =>
            {
                await SettingChange.ApplyAsync(c, sessions.Clock, [statement], t).ConfigureAwait(false);
                await CheckAsync(c, primary, SyncNames, value, t).ConfigureAwait(false);
                return true;
            }, token).ConfigureAwait(false);
            return new OperationOutcome(required == 0 ? $"'{primary.Name}' waits for no replica." : $"'{primary.Name}' waits for {required} of {string.Join(", ", replicas.Select(r => $"'{r.Name}'"))}.");
        });
    }

    internal NodeOperation SetReadOnly(ClusterDefinition cluster, NodeDefinition node, bool readOnly)
    {
        var statement = SettingChange.Statement(ReadOnlyName, readOnly ? "on" : null);
        PlannedAct[] acts = [new(ActKind.Sql, node.Name, statement), new(ActKind.Sql, node.Name, SettingChange.Reload)];
        return new NodeOperation(readOnly ? [.. acts, new(ActKind.Sql, node.Name, EndWriters, Destructive: true)] : acts, async (timeout, _, token) =>
        {
            var ended = await sessions.RunAsync(ServerLogin.Of(cluster, node), readOnly ? "refusing writes" : "allowing writes", changes: true, timeout, async (c, t) =>
            {
                await SettingChange.ApplyAsync(c, sessions.Clock, [statement], t).ConfigureAwait(false);
                await CheckAsync(c, node, ReadOnlyName, readOnly ? "on" : "off", t).ConfigureAwait(false);
                return readOnly ? (long)(await ReplicationSessions.RowAsync(c, EndWriters, t).ConfigureAwait(false))![0]! : 0;
            }, token).ConfigureAwait(false);
            return new OperationOutcome(readOnly ? $"'{node.Name}' refuses writes by default; {ended} sessions ended." : $"'{node.Name}' takes writes by default.",
                new Dictionary<string, FactValue> { ["ended"] = ended });
        });
    }

    /// <summary>A setting of the command line, of a role or of a database is stronger than ALTER SYSTEM. What another change loaded a moment ago may still be without this one.</summary>
    private async Task CheckAsync(NpgsqlConnection connection, NodeDefinition node, string setting, string value, CancellationToken cancellationToken)
    {
        for (var began = sessions.Clock.GetTimestamp(); ;)
        {
            var row = (await ReplicationSessions.RowAsync(connection, "SELECT setting, source FROM pg_settings WHERE name = $1", cancellationToken, setting).ConfigureAwait(false))!;
            if ((string)row[0]! == value)
                return;
            if (sessions.Clock.GetElapsedTime(began) > Settling)
            {
                throw new DbRecoveryException(ErrorIds.StepFailed, ErrorKind.Failed, $"{setting} of '{node.Name}' is '{row[0]}' still, by its {row[1]}",
                    "Look at postgresql.conf, at the server's command line, and at what the role and the database have set.", node.Name);
            }
            await Task.Delay(Pause, sessions.Clock, cancellationToken).ConfigureAwait(false);
        }
    }
}
