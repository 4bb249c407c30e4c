using DbRecovery.PostgreSql.Connections;
using DbRecovery.PostgreSql.Replicas;
using Npgsql;

namespace DbRecovery.PostgreSql.Setup;

/// <summary>Checks and creates what DbRecovery needs of a cluster: on the primary what lives in the data, on every node its settings.</summary>
internal sealed class ClusterSetup(PostgreSqlConnections connections, ISecretResolver secrets) : IClusterSetup
{
    /// <summary>Stands in a shown statement where the verifier of a password will be. No literal: whoever runs the statement as it is shown must not get a role with a password that everybody can read.</summary>
    internal const string Placeholder = "<the password in quotes, or its SCRAM-SHA-256 verifier>";

    private const string Schema = "dbrecovery";

    private readonly ServerQuery _query = new(connections);

    /// <summary>What a node said of itself; the settings by name.</summary>
    private sealed record Seen(NodeDefinition Node, bool Standby, int Version, IReadOnlyDictionary<string, (string Value, bool Restart, string? Pending)> Settings);

    /// <inheritdoc/>
    public async Task<IReadOnlyList<SetupItem>> CheckAsync(ClusterDefinition cluster, SetupLogin? login, CancellationToken cancellationToken)
    {
        var asked = As(cluster, login);
        var looks = await Task.WhenAll(cluster.Nodes.Select(n => LookAsync(asked, n, cancellationToken))).ConfigureAwait(false);
        var primaries = looks.Where(l => l.Seen is { Standby: false }).Select(l => l.Seen!).ToList();
        if (primaries.Count == 0 && looks.Select(l => l.Error).OfType<DbRecoveryException>().FirstOrDefault() is { } error)
        {
            throw login is null && error.Id == ErrorIds.LoginFailed
                ? new DbRecoveryException(error.Id, error.Kind, error.Message, $"{error.RecommendedAction} Where the role is not there yet, look as a superuser: --user, -Credential.", error.Target, error)
                : error;
        }
        if (primaries is not [var primary])
        {
            throw new DbRecoveryException(ErrorIds.WrongNode, ErrorKind.Refused,
                primaries.Count == 0 ? $"no node of '{cluster.Name}' is a primary" : $"{string.Join(" and ", primaries.Select(p => $"'{p.Node.Name}'"))} of '{cluster.Name}' both take writes: nothing is set up",
                "Look at the topology first.", cluster.Name);
        }
        var items = new List<SetupItem>();
        items.AddRange(await RoleItemsAsync(cluster, asked, primary, cancellationToken).ConfigureAwait(false));
        foreach (var look in looks)
            items.AddRange(look.Seen is { } seen ? SettingItems(cluster, seen) : [Unseen(cluster, look.Node, look.Error!)]);
        return items;
    }

    /// <inheritdoc/>
    public NodeOperation Apply(ClusterDefinition cluster, SetupLogin? login, SetupItem item)
    {
        var node = cluster.Node(item.Node);
        var server = ServerLogin.Of(As(cluster, login), node);
        return new NodeOperation([.. item.Statements.Select(s => new PlannedAct(ActKind.Sql, node.Name, s))], async (timeout, _, token) =>
        {
            if (item.Statements.Count == 0)
                return new OperationOutcome($"{item.Name} on '{node.Name}': there is no statement for it. {item.Found}");
            var verifier = item.Statements.Any(s => s.Contains(Placeholder, StringComparison.Ordinal)) ? await VerifierAsync(cluster, item, token).ConfigureAwait(false) : null;
            foreach (var statement in item.Statements)
                await ExecuteAsync(server, item, verifier is null ? statement : statement.Replace(Placeholder, SqlText.Literal(verifier), StringComparison.Ordinal), timeout, token).ConfigureAwait(false);
            return new OperationOutcome($"{item.Name} on '{node.Name}' is set up.{(item.NeedsRestart ? " It holds when the server was restarted." : "")}");
        });
    }

    private static ClusterDefinition As(ClusterDefinition cluster, SetupLogin? login) =>
        login is null ? cluster : cluster with { Auth = (cluster.Auth ?? new AuthSettings()) with { User = login.User, Password = login.Password } };

    // ALTER SYSTEM may not be in a transaction, so each statement is its own; what another one made meanwhile is as good
    private Task<int> ExecuteAsync(ServerLogin server, SetupItem item, string statement, TimeSpan timeout, CancellationToken cancellationToken) => _query.RunAsync(server, $"setting up {item.Name}", async (connection, token) =>
    {
        // a commit that waits for a synchronous standby that is not there would wait for ever
        foreach (var sql in (string[])["SET synchronous_commit = local", statement])
        {
            var command = new NpgsqlCommand(sql, connection);
            await using (command.ConfigureAwait(false))
            {
                try
                {
                    await command.ExecuteNonQueryAsync(token).ConfigureAwait(false);
                }
                catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.DuplicateObject or PostgresErrorCodes.DuplicateSchema)
                {
                }
            }
        }
        return 0;
    }, timeout, cancellationToken);

    private async Task<string> VerifierAsync(ClusterDefinition cluster, SetupItem item, CancellationToken cancellationToken)
    {
        var reference = item.Name == ReplicationRole ? cluster.Auth?.Replication?.Password : cluster.Auth?.Password;
        return ScramVerifier.Of((await secrets.ResolveAsync(reference ?? throw new DbRecoveryException(ErrorIds.SecretUnavailable, ErrorKind.NotFound,
            $"the inventory names no password for what '{item.Name}' makes", "Name one under 'auth'."), cancellationToken).ConfigureAwait(false)).Reveal());
    }

    private async Task<(NodeDefinition Node, Seen? Seen, DbRecoveryException? Error)> LookAsync(ClusterDefinition cluster, NodeDefinition node, CancellationToken cancellationToken)
    {
        try
        {
            var rows = await _query.RowsAsync(ServerLogin.Of(cluster, node), "looking at the settings", """
                SELECT name, setting, context = 'postmaster', CASE WHEN pending_restart THEN 'a change waits for a restart' END, pg_is_in_recovery(), current_setting('server_version_num')::int / 10000
                FROM pg_settings
                """, cancellationToken).ConfigureAwait(false);
            return (node, new Seen(node, rows[0][4] is true, (int)rows[0][5]!, rows.ToDictionary(r => (string)r[0]!, r => ((string?)r[1] ?? "", r[2] is true, (string?)r[3]), StringComparer.Ordinal)), null);
        }
        catch (DbRecoveryException e)
        {
            return (node, null, e);
        }
    }

    private static SetupItem Unseen(ClusterDefinition cluster, NodeDefinition node, DbRecoveryException error) => new()
    {
        Cluster = cluster.Name, Node = node.Name, Name = "node", What = "the node answers, so that its settings can be looked at", State = SetupState.Unknown,
        Found = error.Message + (error.RecommendedAction is null ? "" : $" {error.RecommendedAction}"),
    };

    private static IEnumerable<SetupItem> SettingItems(ClusterDefinition cluster, Seen node)
    {
        foreach (var need in SettingNeed.Of(cluster, node.Node, !node.Standby, node.Settings.TryGetValue("data_checksums", out var sums) && sums.Value == "on"))
        {
            if (!node.Settings.TryGetValue(need.Name, out var now))
                continue;
            var right = need.IsRight(now.Value);
            yield return new SetupItem
            {
                Cluster = cluster.Name, Node = node.Node.Name, Name = $"setting.{need.Name}", What = need.What,
                State = right ? SetupState.Ok : need.Required ? SetupState.Missing : SetupState.Recommended,
                Found = $"{need.Name} = '{now.Value}'{(now.Pending is null ? "" : $"; {now.Pending}")}",
                // a list of names is one word to ALTER SYSTEM only in its literal form
                Statements = right ? [] : [$"ALTER SYSTEM SET {need.Name} = {SqlText.Literal(need.Value)}", "SELECT pg_reload_conf()"],
                NeedsRestart = !right && now.Restart,
            };
        }
    }

    private const string ReplicationRole = "role.replicator";

    private async Task<IReadOnlyList<SetupItem>> RoleItemsAsync(ClusterDefinition cluster, ClusterDefinition asked, Seen primary, CancellationToken cancellationToken)
    {
        var (server, role) = (ServerLogin.Of(asked, primary.Node), ServerLogin.Of(cluster, primary.Node).User);
        var items = new List<SetupItem>();
        var found = await _query.RowsAsync(server, "looking at the role", "SELECT rolcanlogin, rolsuper FROM pg_roles WHERE rolname = $1", cancellationToken, role).ConfigureAwait(false);
        var exists = found.Count > 0;
        items.Add(Item(cluster, primary, "role", $"the role '{role}', as which DbRecovery logs in", exists && found[0][0] is true, exists ? "it is there" : "there is no such role",
            exists ? $"ALTER ROLE {SqlText.Identifier(role)} LOGIN" : $"CREATE ROLE {SqlText.Identifier(role)} LOGIN{(cluster.Auth?.Password is null ? "" : $" PASSWORD {Placeholder}")}"));
        var needs = RoleNeed.All.Where(n => n.Since <= primary.Version && primary.Version <= n.Until).ToList();
        var has = exists ? (await _query.RowsAsync(server, "looking at the role's rights", $"SELECT {string.Join(", ", needs.Select(n => n.Has))}", cancellationToken, role).ConfigureAwait(false))[0] : null;
        items.AddRange(needs.Select((need, i) => Item(cluster, primary, need.Name, need.What, has?[i] is true, null, need.Grant.Replace("{role}", SqlText.Identifier(role), StringComparison.Ordinal), need.Recommended)));
        if (primary.Version < 15 && !(exists && found[0][1] is true))
        {
            items.Add(Item(cluster, primary, "alter", "leads standbys to another primary, and sets which are waited for", false,
                $"PostgreSQL {primary.Version} lets only superusers change settings: without one, following is done through control and a restart, and synchronous names are not changed", null, recommended: true));
        }
        items.AddRange(await DataItemsAsync(cluster, server, primary, role, cancellationToken).ConfigureAwait(false));
        return items;
    }

    private async Task<IReadOnlyList<SetupItem>> DataItemsAsync(ClusterDefinition cluster, ServerLogin server, Seen primary, string role, CancellationToken cancellationToken)
    {
        var items = new List<SetupItem>();
        var owner = await _query.RowsAsync(server, "looking at the schema", "SELECT pg_get_userbyid(nspowner)::text FROM pg_namespace WHERE nspname = $1", cancellationToken, Schema).ConfigureAwait(false);
        var owned = owner.Count > 0 && (string)owner[0][0]! == role;
        items.Add(Item(cluster, primary, "schema", $"the schema '{Schema}' in the database '{server.Database}', for the takeover epoch and the row by which writing is tried", owned,
            owner.Count == 0 ? "there is no such schema" : $"it belongs to '{owner[0][0]}'",
            owner.Count == 0 ? $"CREATE SCHEMA {Schema} AUTHORIZATION {SqlText.Identifier(role)}" : $"ALTER SCHEMA {Schema} OWNER TO {SqlText.Identifier(role)}"));
        if (cluster.Auth?.Replication is not { } replication)
            return items;
        var replicator = await _query.RowsAsync(server, "looking at the replicas' role", "SELECT rolcanlogin AND rolreplication FROM pg_roles WHERE rolname = $1", cancellationToken, replication.User).ConfigureAwait(false);
        items.Add(Item(cluster, primary, ReplicationRole, $"the role '{replication.User}', as which replicas log in", replicator.Count > 0 && replicator[0][0] is true,
            replicator.Count > 0 ? "it is there" : "there is no such role",
            $"{(replicator.Count > 0 ? "ALTER" : "CREATE")} ROLE {SqlText.Identifier(replication.User)} LOGIN REPLICATION{(replicator.Count > 0 || replication.Password is null ? "" : $" PASSWORD {Placeholder}")}"));
        return items;
    }

    private static SetupItem Item(ClusterDefinition cluster, Seen primary, string name, string what, bool ok, string? found, string? statement, bool recommended = false) => new()
    {
        Cluster = cluster.Name, Node = primary.Node.Name, Name = name, What = what,
        State = ok ? SetupState.Ok : recommended ? SetupState.Recommended : SetupState.Missing,
        Found = found,
        Statements = ok || statement is null ? [] : [statement],
    };
}
