using System.Diagnostics.CodeAnalysis;
using DbRecovery.Engine.Actions;
using DbRecovery.Engine.Backups;
using DbRecovery.Engine.Health;
using NSubstitute;

namespace DbRecovery.Engine.Tests.Replication;

/// <summary>Whether a node that may have been fenced is let go when it is started.</summary>
public sealed class StartTests
{
    private readonly IInstanceControl _control = Substitute.For<IInstanceControl>();
    private readonly INodeObserver _observer = Substitute.For<INodeObserver>();

    [Theory]
    [InlineData("replica replica", true)]
    [InlineData("primary replica", false)]
    [InlineData("replica silent", false)] // it may have taken the node's place
    public async Task A_node_is_let_go_only_where_every_other_one_is_seen_to_be_no_primary(string others, bool letGo)
    {
        var seen = others.Split(' ').Select((what, i) => new NodeObservation
        {
            Node = $"n{i}", ObservedAt = DateTimeOffset.UnixEpoch, Duration = TimeSpan.Zero, Level = ObservationLevel.Quick,
            Reachability = what == "silent" ? Reachability.TimedOut : Reachability.Reachable, Role = what == "primary" ? NodeRole.Primary : NodeRole.Replica,
        }).ToDictionary(o => o.Node);
        _observer.ObserveAsync(Arg.Any<ObservationRequest>(), Arg.Any<IProgress<OperationProgress>?>(), Arg.Any<CancellationToken>()).Returns(call => seen[call.Arg<ObservationRequest>().Node.Name]);
        _control.UnavailableBecause(default!, default!).ReturnsForAnyArgs((string?)null);
        _control.Start(default!, default!).ReturnsForAnyArgs(new NodeOperation([], (_, _, _) => Task.FromResult(new OperationOutcome("it runs"))));
        var context = Context();
        context = context with
        {
            Seen = new HealthReport
            {
                Cluster = "c", Engine = "fake", ObservedAt = DateTimeOffset.UnixEpoch, Duration = TimeSpan.Zero, Level = ObservationLevel.Quick, Status = HealthStatus.Failed,
                Nodes = [], Checks = [], Faults = [], Observations = [.. seen.Values], Definition = context.Cluster,
            },
        };
        var plan = await new StartAction().PlanAsync(context, new StartOptions { Node = "n9" }, default);
        await new StartAction().ExecuteAsync(context, plan, default);
        _control.Received(2).Start(Arg.Any<ClusterDefinition>(), Arg.Is<NodeDefinition>(n => n.Name == "n9"), letGo);
        _control.DidNotReceive().Start(Arg.Any<ClusterDefinition>(), Arg.Any<NodeDefinition>(), !letGo);
    }

    private ActionContext Context() => new()
    {
        Cluster = new ClusterDefinition { Name = "c", Engine = "fake", Nodes = [.. new[] { "n0", "n1", "n9" }.Select(n => new NodeDefinition { Name = n, Host = n, Port = 1 })] },
        Provider = new Provider(_control, _observer), Backups = Substitute.For<IBackupService>(), Secrets = Substitute.For<ISecretResolver>(), Health = Substitute.For<IHealthService>(),
        IncidentId = "i", IncidentFolder = "/nonexistent", Timeout = TimeSpan.FromMinutes(2),
    };

    private sealed class Provider(params object[] capabilities) : IDatabaseProvider
    {
        public string Engine => "fake";
        public string DisplayName => "Fake";
        public bool Embedded => false;
        public IReadOnlyList<FactDefinition> Facts => [];

        public bool TryGet<T>([NotNullWhen(true)] out T? capability) where T : class => (capability = capabilities.OfType<T>().FirstOrDefault()) is not null;
    }
}
