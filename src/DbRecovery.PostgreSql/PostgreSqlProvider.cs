using System.Diagnostics.CodeAnalysis;
using DbRecovery.PostgreSql.Connections;
using DbRecovery.PostgreSql.Observation;
using DbRecovery.PostgreSql.Sql;

namespace DbRecovery.PostgreSql;

/// <summary>What the provider works with.</summary>
public sealed record PostgreSqlOptions
{
    /// <summary>Reads passwords when a connection is opened; they are kept nowhere else.</summary>
    public required ISecretResolver Secrets { get; init; }
    /// <summary>Runs commands on the nodes' machines.</summary>
    public required INodeCommands Commands { get; init; }
    /// <summary>The clock.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;
}

/// <summary>PostgreSQL 13 to 18, through Npgsql. It keeps a connection to each node that it observes until nobody used it or listened to it for a minute, or it is disposed of.</summary>
public sealed class PostgreSqlProvider : IDatabaseProvider, IAsyncDisposable
{
    private readonly PostgreSqlConnections _connections;
    private readonly object[] _capabilities;

    /// <summary>Makes the provider; it connects to nothing until it is asked to look.</summary>
    public PostgreSqlProvider(PostgreSqlOptions options)
    {
        _connections = new PostgreSqlConnections(options.Secrets, options.Clock);
        var instances = new Control.InstanceControl(options.Commands, _connections);
        var replication = new Replication.ReplicationControl(_connections, options.Secrets, options.Commands);
        _capabilities =
        [
            new PostgreSqlObserver(_connections, options.Commands),
            new PostgreSqlSession(_connections),
            new PostgreSqlMaintenance(_connections),
            new Targets.ServerTarget(),
            new Setup.ClusterSetup(_connections, options.Secrets),
            instances,
            replication,
            new Replicas.ReplicaBuilder(_connections, options.Commands, options.Secrets, instances, replication),
            new Protocol.PoolerConsole(options.Secrets, options.Clock),
            new Protocol.ServerProbe(options.Secrets, options.Clock),
            new Managed.PatroniClient(options.Clock),
        ];
    }

    /// <inheritdoc/>
    public string Engine => "postgresql";

    /// <inheritdoc/>
    public string DisplayName => "PostgreSQL";

    /// <inheritdoc/>
    public bool Embedded => false;

    /// <inheritdoc/>
    public int? DefaultPort => 5432;

    /// <inheritdoc/>
    public IReadOnlyList<FactDefinition> Facts { get; } = [.. FactDefinition.Of(typeof(PostgreSqlFacts))];

    /// <inheritdoc/>
    public bool TryGet<T>([NotNullWhen(true)] out T? capability) where T : class
    {
        capability = _capabilities.OfType<T>().FirstOrDefault();
        return capability is not null;
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        foreach (var capability in _capabilities.OfType<IDisposable>())
            capability.Dispose();
        return _connections.DisposeAsync();
    }
}
