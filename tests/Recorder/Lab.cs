using System.Diagnostics;
using DbRecovery.Engine.Health;
using DbRecovery.PostgreSql;
using DbRecovery.PostgresLab;
using Npgsql;

namespace DbRecovery.Recorder;

/// <summary>A situation: the cluster that it needs, how it comes about, and how it looks from outside.</summary>
/// <param name="Name">The recording's name.</param>
/// <param name="Options">The cluster.</param>
/// <param name="Bring">Brings it about.</param>
/// <param name="Shown">Whether a round shows it, by what was observed; what the rules make of it is not asked.</param>
internal sealed record Situation(string Name, PgClusterOptions Options, Func<Lab, Task> Bring, Func<ClusterView, bool> Shown)
{
    /// <summary>Whether an application writes.</summary>
    public bool Writes { get; init; } = true;
    /// <summary>Rounds in which the healthy cluster is learnt.</summary>
    public int Rounds { get; init; } = 12;
    /// <summary>Changes what the watcher believes the cluster to be.</summary>
    public Func<ClusterDefinition, ClusterDefinition> Define { get; init; } = c => c;
}

/// <summary>A real cluster under observation.</summary>
internal sealed class Lab : IAsyncDisposable
{
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(2);
    private readonly Situation _situation;
    private readonly List<PgCluster> _clusters = [];
    private readonly List<NpgsqlConnection> _sessions = [];
    private PostgreSqlProvider _provider = NewProvider();
    private HealthService _health;
    private Writer? _writer;
    private ClusterView? _view;

    private Lab(Situation situation, PgCluster cluster)
    {
        _situation = situation;
        _clusters.Add(cluster);
        Definition = situation.Define(cluster.Cluster());
        // one service for all rounds, also where the connections are made anew: the memory is the watch's
        _health = new HealthService(new HealthServiceOptions { Providers = _ => _provider, KeepInMemory = true, Judged = view => _view = view });
    }

    public PgCluster Cluster => _clusters[0];
    public IReadOnlyList<PgCluster> Clusters => _clusters;
    public ClusterDefinition Definition { get; set; }
    public IReadOnlyList<Fault> Faults { get; private set; } = [];
    public PgNode P => Cluster.Nodes[0];
    public PgNode S1 => Cluster.Nodes[1];
    public PgNode S2 => Cluster.Nodes[2];

    public static async Task<Lab> StartAsync(Situation situation)
    {
        var lab = new Lab(situation, await PgCluster.StartAsync(situation.Options));
        try
        {
            if (situation.Writes)
                lab._writer = await Writer.StartAsync(lab.Cluster, pause: TimeSpan.FromMilliseconds(20));
            for (var i = 0; i < situation.Rounds; i++)
            {
                await lab.RoundAsync();
                await Task.Delay(50);
            }
            return lab;
        }
        catch
        {
            await lab.DisposeAsync();
            throw;
        }
    }

    /// <summary>One quick round of a watch.</summary>
    public async Task<ClusterView> RoundAsync()
    {
        Faults = (await _health.ExamineAsync(Definition, ObservationLevel.Quick, null, default)).Faults;
        return _view!;
    }

    /// <summary>Rounds until one shows what is wanted.</summary>
    public async Task<ClusterView> UntilAsync(Func<ClusterView, bool> shown)
    {
        for (var clock = Stopwatch.StartNew(); clock.Elapsed < s_limit;)
        {
            var view = await RoundAsync();
            if (shown(view))
                return view;
            await Task.Delay(50);
        }
        throw new TimeoutException($"the situation did not come about; the last look: {System.Text.Json.JsonSerializer.Serialize(_view!.Nodes, DbRecoveryJson.Compact)}");
    }

    /// <summary>Breaks every connection of the watcher; the next round makes new ones.</summary>
    public async Task ReconnectAsync()
    {
        await _provider.DisposeAsync();
        _provider = NewProvider();
    }

    /// <summary>Starts another cluster beside the first.</summary>
    public async Task<PgCluster> AnotherAsync(PgClusterOptions options)
    {
        var cluster = await PgCluster.StartAsync(options);
        _clusters.Add(cluster);
        return cluster;
    }

    public Task SqlAsync(PgNode node, string sql) => Cluster.ExecuteAsync(node, sql);

    /// <summary>Sets a node's way to its upstream.</summary>
    public async Task FollowAsync(PgNode node, int port)
    {
        await SqlAsync(node, $"alter system set primary_conninfo = 'host=127.0.0.1 port={port} user=postgres application_name={node.Name} sslmode=disable'");
        await SqlAsync(node, "select pg_reload_conf()");
    }

    /// <summary>Opens a session that stays, and runs a statement in it without waiting for its end.</summary>
    public async Task<Task> SessionAsync(PgNode node, string first, string? then = null)
    {
        var connection = await Cluster.OpenAsync(node);
        _sessions.Add(connection);
        if (first.Length > 0)
            await new NpgsqlCommand(first, connection).ExecuteNonQueryAsync();
        return then is null ? Task.CompletedTask : new NpgsqlCommand(then, connection) { CommandTimeout = 0 }.ExecuteNonQueryAsync();
    }

    public async Task StopWritingAsync()
    {
        if (_writer is not null)
            await _writer.StopAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (_writer is not null)
            await _writer.DisposeAsync();
        await _provider.DisposeAsync();
        foreach (var cluster in _clusters)
            await cluster.DisposeAsync();
        foreach (var session in _sessions)
            session.Dispose();
    }

    private static PostgreSqlProvider NewProvider() => new(new PostgreSqlOptions { Secrets = new FileSecrets(), Commands = new NoCommands() });

    private sealed class FileSecrets : ISecretResolver
    {
        public ValueTask<SecretValue> ResolveAsync(SecretReference reference, CancellationToken cancellationToken) =>
            ValueTask.FromResult(new SecretValue(File.ReadAllText(reference.Name).TrimEnd('\n')));
    }

    private sealed class NoCommands : INodeCommands
    {
        public IReadOnlyList<string> Describe(ClusterDefinition cluster, NodeDefinition node, NodeCommand command) => command.Arguments;

        public Task<CommandOutcome> RunAsync(ClusterDefinition cluster, NodeDefinition node, NodeCommand command, CancellationToken cancellationToken) =>
            throw new DbRecoveryException(ErrorIds.CapabilityMissing, ErrorKind.NotSupported, "a recording only looks");
    }
}
