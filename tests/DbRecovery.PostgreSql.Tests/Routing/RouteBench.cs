using DbRecovery.Engine.Routing;
using DbRecovery.PostgresLab;
using Npgsql;

namespace DbRecovery.PostgreSql.Tests.Routing;

/// <summary>Two servers that know nothing of each other, so that both take writes, and the routes to them.</summary>
internal sealed class RouteBench : IAsyncDisposable
{
    private readonly PostgreSqlProvider _provider;

    private RouteBench(PgCluster one, PgCluster two)
    {
        (One, Two) = (one, two);
        _provider = new PostgreSqlProvider(new PostgreSqlOptions { Secrets = new FileSecrets(), Commands = new NoCommands() });
        Routes = new ClusterRoutes(_ => _provider, TimeProvider.System);
        Cluster = one.Cluster() with { Nodes = [one.Cluster().Nodes[0] with { Name = "n1" }, two.Cluster().Nodes[0] with { Name = "n2" }] };
    }

    public PgCluster One { get; }
    public PgCluster Two { get; }
    public ClusterDefinition Cluster { get; private set; }
    public ClusterRoutes Routes { get; }
    public PostgreSqlProvider Provider => _provider;

    public static async Task<RouteBench> StartAsync()
    {
        var options = new PgClusterOptions { Standbys = 0, FreshSystemId = true };
        var clusters = await Task.WhenAll(PgCluster.StartAsync(options), PgCluster.StartAsync(options));
        return new RouteBench(clusters[0], clusters[1]);
    }

    public RouteBench With(params RouteDefinition[] routes)
    {
        Cluster = Cluster with { Routes = routes };
        return this;
    }

    public NodeDefinition Node(string name) => Cluster.Node(name);

    public Task<OperationOutcome> SetPrimaryAsync(string node) => Routes.SetPrimary(Cluster, Node(node)).RunAsync(Wait.Limit, null, default);

    public async Task<RouteObservation> LookAsync(ObservationLevel level = ObservationLevel.Standard) => (await Routes.LookAsync(Cluster, level, Wait.Limit, default))[0];

    /// <summary>A session through an entry.</summary>
    public async Task<NpgsqlConnection> OpenAsync(int port, string database = "postgres", string? password = null)
    {
        var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder
        {
            Host = "127.0.0.1", Port = port, Username = "postgres", Password = password, Database = database, Pooling = false, SslMode = SslMode.Disable, Timeout = 120, CommandTimeout = 120, NoResetOnClose = true,
        }.ConnectionString);
        try
        {
            await connection.OpenAsync();
            return connection;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <summary>The port of the server that a session ends at.</summary>
    public static async Task<int> PortAsync(NpgsqlConnection connection)
    {
        await using var command = new NpgsqlCommand("select current_setting('port')", connection);
        return int.Parse((string)(await command.ExecuteScalarAsync())!);
    }

    public async Task<int> PortAsync(int entry, string database = "postgres", string? password = null)
    {
        await using var connection = await OpenAsync(entry, database, password);
        return await PortAsync(connection);
    }

    public async ValueTask DisposeAsync()
    {
        await _provider.DisposeAsync();
        await One.DisposeAsync();
        await Two.DisposeAsync();
    }

    private sealed class FileSecrets : ISecretResolver
    {
        public ValueTask<SecretValue> ResolveAsync(SecretReference reference, CancellationToken cancellationToken) => ValueTask.FromResult(new SecretValue(File.ReadAllText(reference.Name).TrimEnd('\n')));
    }

    private sealed class NoCommands : INodeCommands
    {
        public IReadOnlyList<string> Describe(ClusterDefinition cluster, NodeDefinition node, NodeCommand command) => command.Arguments;

        public Task<CommandOutcome> RunAsync(ClusterDefinition cluster, NodeDefinition node, NodeCommand command, CancellationToken cancellationToken) =>
            throw new DbRecoveryException(ErrorIds.CapabilityMissing, ErrorKind.NotSupported, "no control in this test");
    }
}
