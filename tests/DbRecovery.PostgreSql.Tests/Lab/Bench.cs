using DbRecovery.Engine.Control;
using DbRecovery.PostgresLab;

namespace DbRecovery.PostgreSql.Tests.Lab;

/// <summary>A real cluster and the provider that works on it.</summary>
internal sealed class Bench : ISecretResolver, IAsyncDisposable
{
    private Bench(PgCluster lab)
    {
        Lab = lab;
        Cluster = lab.Cluster();
        Provider = new PostgreSqlProvider(new PostgreSqlOptions { Secrets = this, Commands = new NodeCommands(TimeProvider.System) });
    }

    public static readonly TimeSpan Time = TimeSpan.FromMinutes(2);

    public PgCluster Lab { get; }
    public ClusterDefinition Cluster { get; set; }
    public PostgreSqlProvider Provider { get; }
    public IReplicationControl Replication => Provider.Require<IReplicationControl>("a test");
    public IInstanceControl Control => Provider.Require<IInstanceControl>("a test");

    public static async Task<Bench> StartAsync(PgClusterOptions? options = null) => new(await PgCluster.StartAsync(options));

    public NodeDefinition this[PgNode node] => Cluster.Node(node.Name);

    public ValueTask<SecretValue> ResolveAsync(SecretReference reference, CancellationToken cancellationToken) =>
        new(new SecretValue(File.ReadAllText(reference.Name)));

    public Task<InstanceStatus> StatusAsync(PgNode node) => Control.StatusAsync(Cluster, this[node], Time, default);

    public async ValueTask DisposeAsync()
    {
        await Provider.DisposeAsync();
        await Lab.DisposeAsync();
    }
}

/// <summary>Short forms for tests.</summary>
internal static class OperationExtensions
{
    public static Task<OperationOutcome> RunAsync(this NodeOperation operation, TimeSpan? timeout = null) => operation.RunAsync(timeout ?? Bench.Time, null, default);

    public static async Task<DbRecoveryException> FailsAsync(this NodeOperation operation, string id, TimeSpan? timeout = null)
    {
        var error = await Assert.ThrowsAsync<DbRecoveryException>(() => operation.RunAsync(timeout));
        Assert.Equal(id, error.Id);
        return error;
    }
}
