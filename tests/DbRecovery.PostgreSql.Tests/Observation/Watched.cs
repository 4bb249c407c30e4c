using DbRecovery.PostgreSql;
using DbRecovery.PostgresLab;

namespace DbRecovery.PostgreSql.Tests.Observation;

/// <summary>A provider over a real cluster.</summary>
internal sealed class Watched : IAsyncDisposable
{
    internal Watched(ClusterDefinition cluster, INodeCommands? commands = null, TimeProvider? clock = null)
    {
        Cluster = cluster;
        Provider = new PostgreSqlProvider(new PostgreSqlOptions { Secrets = new FileSecrets(), Commands = commands ?? new NoCommands(), Clock = clock ?? TimeProvider.System });
        Assert.True(Provider.TryGet<INodeObserver>(out var observer));
        Assert.True(Provider.TryGet<INodeEvents>(out var events));
        (Observer, Events) = (observer, events);
    }

    internal ClusterDefinition Cluster { get; }
    internal PostgreSqlProvider Provider { get; }
    internal INodeObserver Observer { get; }
    internal INodeEvents Events { get; }

    internal Task<NodeObservation> LookAsync(PgNode node, ObservationLevel level = ObservationLevel.Quick, TimeSpan? timeout = null) => LookAsync(node.Name, level, timeout);

    internal Task<NodeObservation> LookAsync(string node, ObservationLevel level = ObservationLevel.Quick, TimeSpan? timeout = null) =>
        Observer.ObserveAsync(new ObservationRequest { Cluster = Cluster, Node = Cluster.Node(node), Level = level, Timeout = timeout ?? Wait.Limit }, null, default);

    /// <summary>Looks until a look shows what is wanted.</summary>
    internal async Task<NodeObservation> UntilAsync(PgNode node, Func<NodeObservation, bool> wanted, ObservationLevel level = ObservationLevel.Quick)
    {
        var clock = System.Diagnostics.Stopwatch.StartNew();
        while (true)
        {
            var seen = await LookAsync(node, level);
            if (wanted(seen))
                return seen;
            Assert.True(clock.Elapsed < Wait.Limit, $"{node.Name} is not as wanted: {Text(seen)}");
            await Task.Delay(5);
        }
    }

    internal static string Text(NodeObservation seen) => System.Text.Json.JsonSerializer.Serialize(seen, DbRecoveryJson.Indented);

    public ValueTask DisposeAsync() => Provider.DisposeAsync();

    private sealed class FileSecrets : ISecretResolver
    {
        public ValueTask<SecretValue> ResolveAsync(SecretReference reference, CancellationToken cancellationToken) => reference.Source == SecretSource.File && File.Exists(reference.Name)
            ? ValueTask.FromResult(new SecretValue(File.ReadAllText(reference.Name).TrimEnd('\n')))
            : throw new DbRecoveryException(ErrorIds.SecretUnavailable, ErrorKind.NotFound, $"there is no secret {reference.Name}");
    }

    private sealed class NoCommands : INodeCommands
    {
        public IReadOnlyList<string> Describe(ClusterDefinition cluster, NodeDefinition node, NodeCommand command) => command.Arguments;

        public Task<CommandOutcome> RunAsync(ClusterDefinition cluster, NodeDefinition node, NodeCommand command, CancellationToken cancellationToken) =>
            throw new DbRecoveryException(ErrorIds.CapabilityMissing, ErrorKind.NotSupported, "no control in this test");
    }
}
