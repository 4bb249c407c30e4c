using Npgsql;

namespace DbRecovery.PostgresLab;

/// <summary>A primary and its standbys, really running. Disposing it ends them and removes their folder.</summary>
public sealed class PgCluster : IAsyncDisposable
{
    private readonly List<PgNode> _nodes = [];

    private PgCluster(PgClusterOptions options)
    {
        Options = options;
        Folder = LabFolder.Make();
    }

    /// <summary>What was asked for.</summary>
    public PgClusterOptions Options { get; }
    /// <summary>The folder of the whole lab.</summary>
    public string Folder { get; }
    /// <summary>The nodes; the first was made as primary.</summary>
    public IReadOnlyList<PgNode> Nodes => _nodes;
    /// <summary>The node that was made as primary.</summary>
    public PgNode Primary => _nodes[0];
    /// <summary>The nodes that were made as standbys.</summary>
    public IEnumerable<PgNode> Standbys => _nodes.Skip(1);
    /// <summary>The node of that name.</summary>
    public PgNode this[string name] => _nodes.Single(n => n.Name == name);
    /// <summary>The superuser's password.</summary>
    public static string Password => Template.Password;
    /// <summary>A file with the superuser's password.</summary>
    public string PasswordFile => Path.Combine(Folder, "password");

    /// <summary>Starts a cluster and waits until every standby streams.</summary>
    public static async Task<PgCluster> StartAsync(PgClusterOptions? options = null, CancellationToken cancellationToken = default)
    {
        var cluster = new PgCluster(options ?? new PgClusterOptions());
        try
        {
            await cluster.MakeAsync(cancellationToken);
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    /// <summary>How a client reaches a node's server itself. Connections are not pooled: each test's is its own.</summary>
    public string ConnectionString(PgNode node, string database = "postgres") => ConnectionString(node.Port, database);

    /// <summary>The same for any port, such as a relay's or a route's.</summary>
    public string ConnectionString(int port, string database = "postgres") => new NpgsqlConnectionStringBuilder
    {
        Host = "127.0.0.1", Port = port, Username = "postgres", Password = Options.Scram ? Password : null, Database = database,
        Pooling = false, Timeout = 60, CommandTimeout = 60, SslMode = SslMode.Disable, ApplicationName = "lab",
    }.ConnectionString;

    /// <summary>Opens a connection to a node.</summary>
    public async Task<NpgsqlConnection> OpenAsync(PgNode node, string database = "postgres", CancellationToken cancellationToken = default)
    {
        var connection = new NpgsqlConnection(ConnectionString(node, database));
        try
        {
            await connection.OpenAsync(cancellationToken);
            return connection;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <summary>Runs a statement on a node.</summary>
    public async Task ExecuteAsync(PgNode node, string sql, CancellationToken cancellationToken = default)
    {
        await using var connection = await OpenAsync(node, cancellationToken: cancellationToken);
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>The first value that a query gives on a node.</summary>
    public async Task<T?> ScalarAsync<T>(PgNode node, string sql, CancellationToken cancellationToken = default)
    {
        await using var connection = await OpenAsync(node, cancellationToken: cancellationToken);
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync(cancellationToken) is T value ? value : default;
    }

    /// <summary>Waits until a query gives a value on a node. Errors, such as of a server that starts, are waited out too.</summary>
    public async Task UntilAsync<T>(PgNode node, string sql, T wanted, CancellationToken cancellationToken = default)
    {
        var (clock, last) = (System.Diagnostics.Stopwatch.StartNew(), "");
        while (clock.Elapsed < Machine.Limit)
        {
            try
            {
                var value = await ScalarAsync<T>(node, sql, cancellationToken);
                if (EqualityComparer<T>.Default.Equals(value, wanted))
                    return;
                last = $"{value}";
            }
            catch (Exception e) when (e is NpgsqlException or TimeoutException)
            {
                last = e.Message;
            }
            await Task.Delay(10, cancellationToken);
        }
        throw new TimeoutException($"{node.Name}: '{sql}' gave '{last}', not '{wanted}'");
    }

    /// <summary>Waits until a standby streams from a node.</summary>
    public Task UntilStreamingAsync(PgNode standby, PgNode upstream, CancellationToken cancellationToken = default) =>
        UntilAsync(upstream, $"select count(*) from pg_stat_replication where application_name = '{standby.Name}' and state = 'streaming'", 1L, cancellationToken);

    /// <summary>Waits until a standby has applied all that a node has written by now.</summary>
    public async Task UntilCaughtUpAsync(PgNode standby, PgNode primary, CancellationToken cancellationToken = default)
    {
        var end = await ScalarAsync<string>(primary, "select pg_current_wal_lsn()::text", cancellationToken);
        await UntilAsync(standby, $"select pg_last_wal_replay_lsn() >= '{end}'::pg_lsn", true, cancellationToken);
    }

    /// <summary>The cluster's entry of an inventory, as YAML.</summary>
    /// <param name="more">Further lines of the entry, each with four spaces before it, such as <c>    policy: { autoRecover: true }</c>.</param>
    public string Definition(string more = "") => $"""
        clusters:
          {Options.Name}:
            engine: postgresql
            nodes:
        {string.Join('\n', _nodes.Select(n => $"      - {{ name: {n.Name}, host: 127.0.0.1, port: {n.InventoryPort}, dataDir: {n.DataDir}, binDir: {n.BinDir}, runAs: {Machine.ServerUser} }}"))}
            auth: {(Options.Scram ? $"{{ user: postgres, password: {{ file: {PasswordFile} }}, tls: disable }}" : "{ user: postgres, tls: disable }")}
            control: {"{ kind: pg_ctl }"}
        {more}
        """;

    /// <summary>The same as the records that a reader of inventories makes of it.</summary>
    public ClusterDefinition Cluster() => new()
    {
        Name = Options.Name,
        Engine = "postgresql",
        Nodes = [.. _nodes.Select(n => new NodeDefinition
        {
            Name = n.Name, Host = "127.0.0.1", Port = n.InventoryPort, DataDir = n.DataDir, BinDir = n.BinDir, RunAs = Machine.ServerUser,
        })],
        Auth = new AuthSettings { User = "postgres", Password = Options.Scram ? new SecretReference(SecretSource.File, PasswordFile) : null, Tls = TlsMode.Disable },
        Control = new ControlSettings { Kind = ControlKind.PgCtl },
        Policy = new PolicySettings { Synchronous = Options.Synchronous },
    };

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        foreach (var node in _nodes)
            node.End();
        LabFolder.Remove(Folder);
        return ValueTask.CompletedTask;
    }

    private async Task MakeAsync(CancellationToken cancellationToken)
    {
        File.WriteAllText(PasswordFile, Password);
        var template = await Template.OfAsync(Options.BinDir, Options.Checksums, Options.FreshSystemId);
        for (var number = 1; number <= Options.Standbys + 1; number++)
            _nodes.Add(await LayAsync($"{Options.Name}-{number}", template, cancellationToken));
        foreach (var standby in Standbys)
            MakeStandby(standby, UpstreamOf(standby));
        if (Options.Synchronous > 0)
            Primary.Configure([new("synchronous_standby_names", $"ANY {Options.Synchronous} ({string.Join(", ", Standbys.Select(s => $"\"{s.Name}\""))})")]);
        await Task.WhenAll(_nodes.Select(n => n.StartAsync(cancellationToken)));
        foreach (var standby in Standbys.Where(_ => Options.Slots))
            await ExecuteAsync(UpstreamOf(standby), $"select pg_create_physical_replication_slot('{standby.Slot}', true)", cancellationToken);
        foreach (var standby in Standbys)
            await UntilStreamingAsync(standby, UpstreamOf(standby), cancellationToken);
    }

    private PgNode UpstreamOf(PgNode standby) => Options.Cascading && Options.Standbys > 1 && standby == _nodes[^1] ? _nodes[1] : Primary;

    private async Task<PgNode> LayAsync(string name, string template, CancellationToken cancellationToken)
    {
        var node = new PgNode(name, Path.Combine(Folder, name), Machine.FreePort());
        Directory.CreateDirectory(node.Folder);
        Machine.Own(node.Folder);
        Directory.CreateDirectory(node.BinDir);
        foreach (var program in Directory.EnumerateFiles(Options.BinDir))
            File.CreateSymbolicLink(Path.Combine(node.BinDir, Path.GetFileName(program)), program);
        await Machine.RunAsync(["cp", "-a", "--reflink=auto", template, node.DataDir], cancellationToken);
        if (Options.Relays)
            node.Relay = TcpRelay.Start(node.Port);
        node.Configure([
            new("port", $"{node.Port}"), new("listen_addresses", "127.0.0.1"), new("unix_socket_directories", node.Folder), new("cluster_name", name),
            new("max_connections", "40"), new("shared_buffers", "16MB"), new("wal_keep_size", "64MB"), new("wal_log_hints", Options.WalLogHints ? "on" : "off"),
            new("fsync", Options.Fsync ? "on" : "off"), new("wal_retrieve_retry_interval", "100ms"), new("log_line_prefix", "%m [%p] "),
            // in the data folder, which goes with the lab: of a killed server /dev/shm would keep it
            new("dynamic_shared_memory_type", "mmap"), .. Options.Settings]);
        var method = Options.Scram ? "scram-sha-256" : "trust";
        File.WriteAllText(Path.Combine(node.DataDir, "pg_hba.conf"), $"local all all {method}\nhost all all 127.0.0.1/32 {method}\nhost replication all 127.0.0.1/32 {method}\n");
        return node;
    }

    private void MakeStandby(PgNode standby, PgNode upstream)
    {
        if (Options.UpstreamRelays)
            standby.UpstreamRelay = TcpRelay.Start(upstream.Port);
        var password = Options.Scram ? $" password={Password}" : "";
        // in the file that ALTER SYSTEM writes, where pg_basebackup -R puts it
        File.AppendAllLines(Path.Combine(standby.DataDir, "postgresql.auto.conf"), [
            $"primary_conninfo = 'host=127.0.0.1 port={standby.UpstreamRelay?.Port ?? upstream.Port} user=postgres{password} application_name={standby.Name} sslmode=disable'",
            .. Options.Slots ? [$"primary_slot_name = '{standby.Slot}'"] : Array.Empty<string>()]);
        var signal = Path.Combine(standby.DataDir, "standby.signal");
        File.WriteAllText(signal, "");
        Machine.Own(signal);
    }
}
