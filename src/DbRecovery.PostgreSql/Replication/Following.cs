using DbRecovery.PostgreSql.Connections;
using DbRecovery.PostgreSql.Control;
using Npgsql;

namespace DbRecovery.PostgreSql.Replication;

/// <summary>Leads replicas to their upstream, and gets them going again.</summary>
internal sealed class Following(ReplicationSessions sessions, ISecretResolver secrets, INodeCommands commands)
{
    private const string TooManySlots = "53400";
    private const string OutOfLimits = "55000";

    private const string Receiver = """
        SELECT pg_is_in_recovery(), CASE WHEN pg_is_in_recovery() THEN pg_is_wal_replay_paused() END, w.pid, w.status, w.sender_host, w.sender_port
        FROM (SELECT) one LEFT JOIN pg_stat_wal_receiver w ON true
        """;

    internal NodeOperation Follow(ClusterDefinition cluster, NodeDefinition node, NodeDefinition upstream)
    {
        if (node.Name == upstream.Name)
            throw new DbRecoveryException(ErrorIds.WrongNode, ErrorKind.InvalidInput, $"'{node.Name}' cannot follow itself", target: node.Name);
        return new NodeOperation(Acts(cluster, node, upstream), (timeout, _, token) => sessions.RunAsync(
            ServerLogin.Of(cluster, node), $"leading it to '{upstream.Name}'", changes: true, timeout, (c, t) => FollowAsync(c, cluster, node, upstream, timeout, t), token));
    }

    internal NodeOperation EnsureSlots(ClusterDefinition cluster, NodeDefinition primary, IReadOnlyList<NodeDefinition> replicas) => new(
        [.. replicas.Select(r => new PlannedAct(ActKind.Sql, primary.Name, SlotStatements.Create(r.SlotName)))],
        async (timeout, _, token) =>
        {
            if (replicas.Count > 0)
            {
                await sessions.RunAsync(ServerLogin.Of(cluster, primary), "making replication slots", changes: true, timeout, async (c, t) =>
                {
                    foreach (var replica in replicas)
                        await ReplicationSessions.ExecuteAsync(c, SlotStatements.Create(replica.SlotName), t).ConfigureAwait(false);
                    return true;
                }, token).ConfigureAwait(false);
            }
            return new OperationOutcome($"'{primary.Name}' has the slots of {(replicas.Count == 0 ? "no replica" : string.Join(", ", replicas.Select(r => $"'{r.Name}'")))}.");
        });

    internal NodeOperation DropSlot(ClusterDefinition cluster, NodeDefinition node, string slot) => new(
        [new(ActKind.Sql, node.Name, SlotStatements.Drop(slot), Destructive: true)],
        async (timeout, _, token) =>
        {
            await sessions.RunAsync(ServerLogin.Of(cluster, node), $"dropping the slot '{slot}'", changes: true, timeout, async (c, t) =>
            {
                await ReplicationSessions.ExecuteAsync(c, SlotStatements.Drop(slot), t).ConfigureAwait(false);
                return true;
            }, token).ConfigureAwait(false);
            return new OperationOutcome($"'{node.Name}' has no slot '{slot}'.");
        });

    /// <summary>What is in the way of a stream is looked for in the order in which it would be met, and only that is planned.</summary>
    internal async Task<NodeOperation> ResumeAsync(ClusterDefinition cluster, NodeDefinition node, NodeDefinition upstream, TimeSpan time, CancellationToken cancellationToken)
    {
        var slot = node.SlotName;
        var (paused, receives) = await sessions.RunAsync(ServerLogin.Of(cluster, node), "looking at its replay", changes: false, time, async (c, t) =>
            await ReplicationSessions.RowAsync(c, Receiver, t).ConfigureAwait(false) is [true, var isPaused, var pid, var status, var host, var port]
                ? (isPaused is true, pid is not null && status is null or "streaming" && !IsAnother(cluster, upstream, host as string, port as int?))
                : throw NotAReplica(node), cancellationToken).ConfigureAwait(false);
        var (listed, lost) = await sessions.RunAsync(ServerLogin.Of(cluster, upstream), "looking at its replicas", changes: false, time, async (c, t) =>
        {
            var row = (await ReplicationSessions.RowAsync(c, """
                SELECT EXISTS (SELECT FROM pg_stat_replication WHERE application_name = $1 AND state IS DISTINCT FROM 'backup'),
                       EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = $2 AND wal_status = 'lost' AND NOT active)
                """, t, node.Name, slot).ConfigureAwait(false))!;
            return (row[0] is true, row[1] is true);
        }, cancellationToken).ConfigureAwait(false);
        var parts = new List<NodeOperation>();
        if (lost)
            parts.Add(DropSlot(cluster, upstream, slot));
        // an upstream goes on listing one that left without a word, and a replica may be listed and receive from a third node
        if (!receives || !listed || lost)
            parts.Add(Follow(cluster, node, upstream));
        if (paused)
            parts.Add(Resume(cluster, node));
        return new NodeOperation([.. parts.SelectMany(p => p.Acts)], async (timeout, progress, token) =>
        {
            var deadline = new Deadline(sessions.Clock, timeout);
            var done = new List<string>();
            foreach (var part in parts)
                done.Add((await part.RunAsync(deadline.Left, progress, token).ConfigureAwait(false)).Summary);
            return new OperationOutcome(done.Count == 0 ? $"'{node.Name}' streams from '{upstream.Name}' and replays: there is nothing to mend." : string.Join(" ", done));
        });
    }

    /// <summary>
    /// Whether a receiver's address is certainly that of a third node. One that the inventory does not have may be the upstream's own on a network that
    /// only the servers use: then it counts that the upstream lists the replica.
    /// </summary>
    private static bool IsAnother(ClusterDefinition cluster, NodeDefinition upstream, string? host, int? port)
    {
        return !IsAt(upstream) && cluster.Nodes.Any(IsAt);

        bool IsAt(NodeDefinition node) => ServerLogin.Of(cluster, node) is var login && login.Port == port && string.Equals(login.Host, host, StringComparison.OrdinalIgnoreCase);
    }

    private NodeOperation Resume(ClusterDefinition cluster, NodeDefinition node) => new(
        [new(ActKind.Sql, node.Name, "SELECT pg_wal_replay_resume()")],
        async (timeout, _, token) =>
        {
            await sessions.RunAsync(ServerLogin.Of(cluster, node), "resuming its replay", changes: true, timeout, async (c, t) =>
            {
                await ReplicationSessions.ExecuteAsync(c, "SELECT pg_wal_replay_resume()", t).ConfigureAwait(false);
                return true;
            }, token).ConfigureAwait(false);
            return new OperationOutcome($"'{node.Name}' replays again.");
        });

    private List<PlannedAct> Acts(ClusterDefinition cluster, NodeDefinition node, NodeDefinition upstream)
    {
        var (file, named) = (new PasswordFile(commands, cluster, node), PasswordOf(cluster) is not null);
        var values = UpstreamText.Of(cluster, node, upstream, null, named ? "***" : null);
        if (named && file.IsPossible)
        {
            values.Remove("password");
            values["passfile"] = file.Path;
        }
        return
        [
            new(ActKind.Sql, upstream.Name, SlotStatements.Create(node.SlotName)),
            .. named && file.IsPossible ? [file.Act] : Array.Empty<PlannedAct>(),
            new(ActKind.Sql, node.Name, $"{SettingChange.Statement("primary_conninfo", UpstreamText.Write(values))} -- and what its present text says beside that"),
            new(ActKind.Sql, node.Name, SettingChange.Statement("primary_slot_name", node.SlotName)),
            new(ActKind.Sql, node.Name, SettingChange.Reload),
        ];
    }

    private const string SystemId = "SELECT system_identifier::text FROM pg_control_system()";

    private async Task<OperationOutcome> FollowAsync(NpgsqlConnection connection, ClusterDefinition cluster, NodeDefinition node, NodeDefinition upstream, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var now = (await ReplicationSessions.RowAsync(connection,
            $"SELECT pg_is_in_recovery(), ({SystemId}), (SELECT setting FROM pg_settings WHERE name = 'primary_conninfo')", cancellationToken).ConfigureAwait(false))!;
        if (now[0] is not true)
            throw NotAReplica(node);
        // the slot is there before the replica is led to it: one that finds none waits for seconds until it tries again
        var noSlot = await MakeSlotAsync(cluster, node, upstream, (string)now[1]!, timeout, cancellationToken).ConfigureAwait(false);
        var values = UpstreamText.Of(cluster, node, upstream, now[2] as string, await PasswordAsync(cluster, cancellationToken).ConfigureAwait(false));
        var exposed = await HideAsync(cluster, node, values, timeout, cancellationToken).ConfigureAwait(false);
        await SettingChange.ApplyAsync(connection, sessions.Clock,
            [SettingChange.Statement("primary_conninfo", UpstreamText.Write(values)), SettingChange.Statement("primary_slot_name", noSlot is null ? node.SlotName : "")], cancellationToken).ConfigureAwait(false);
        return new OperationOutcome($"'{node.Name}' follows '{upstream.Name}'{(noSlot is null ? "" : $", without a slot: {noSlot}")}.{exposed}");
    }

    /// <summary>
    /// Moves a password out of the connection text. Where that cannot be had, the replica is led all the same, for data is at stake without it;
    /// that its server then writes the password to its log is told.
    /// </summary>
    private async Task<string> HideAsync(ClusterDefinition cluster, NodeDefinition node, Dictionary<string, string> values, TimeSpan timeout, CancellationToken cancellationToken)
    {
        if (!values.TryGetValue("password", out var password))
            return "";
        var file = new PasswordFile(commands, cluster, node);
        var because = "the inventory gives no 'control' with its 'dataDir'";
        try
        {
            if (file.IsPossible)
            {
                await file.WriteAsync(values["user"], password, timeout / 2, cancellationToken).ConfigureAwait(false);
                values.Remove("password");
                values["passfile"] = file.Path;
                return "";
            }
        }
        catch (DbRecoveryException e)
        {
            because = e.Message;
        }
        return $" Its password is in primary_conninfo, which the server writes to its log when it changes: no password file could be written ({because}).";
    }

    /// <summary>Makes the replica's slot. Gives why there is none where the upstream is at its limit: a replica that follows without one is better than none.</summary>
    private Task<string?> MakeSlotAsync(ClusterDefinition cluster, NodeDefinition node, NodeDefinition upstream, string system, TimeSpan timeout, CancellationToken cancellationToken) =>
        sessions.RunKeptAsync(cluster, upstream, $"making the slot of '{node.Name}'", changes: true, timeout, async (c, t) =>
        {
            var there = (string)(await ReplicationSessions.RowAsync(c, SystemId, t).ConfigureAwait(false))![0]!;
            if (there != system)
            {
                throw new DbRecoveryException(ErrorIds.WrongNode, ErrorKind.Refused,
                    $"'{node.Name}' (system {system}) and '{upstream.Name}' (system {there}) hold the data of different clusters", "Correct the inventory.", node.Name);
            }
            try
            {
                await ReplicationSessions.ExecuteAsync(c, SlotStatements.Create(node.SlotName), t).ConfigureAwait(false);
                return null;
            }
            catch (PostgresException e) when (e.SqlState is TooManySlots or OutOfLimits)
            {
                return e.MessageText;
            }
        }, cancellationToken);

    private static SecretReference? PasswordOf(ClusterDefinition cluster) => cluster.Auth?.Replication is { } replication ? replication.Password : cluster.Auth?.Password;

    private async Task<string?> PasswordAsync(ClusterDefinition cluster, CancellationToken cancellationToken) =>
        PasswordOf(cluster) is { } reference ? (await secrets.ResolveAsync(reference, cancellationToken).ConfigureAwait(false)).Reveal() : null;

    private static DbRecoveryException NotAReplica(NodeDefinition node) =>
        new(ErrorIds.WrongNode, ErrorKind.Refused, $"'{node.Name}' is no replica now", "A former primary is brought back by rejoining it.", node.Name);
}
