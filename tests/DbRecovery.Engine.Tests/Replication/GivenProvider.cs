using System.Diagnostics.CodeAnalysis;
using DbRecovery.Engine.Actions;
using DbRecovery.Engine.Backups;
using DbRecovery.Engine.Health;
using NSubstitute;

namespace DbRecovery.Engine.Tests.Replication;

/// <summary>A provider that has what a test gives it and nothing else.</summary>
internal sealed class GivenProvider(params object[] capabilities) : IDatabaseProvider
{
    public string Engine => "fake";
    public string DisplayName => "Fake";
    public bool Embedded => false;
    public IReadOnlyList<FactDefinition> Facts => [];

    public bool TryGet<T>([NotNullWhen(true)] out T? capability) where T : class => (capability = capabilities.OfType<T>().FirstOrDefault()) is not null;

    /// <summary>What an action works with in a cluster of such nodes.</summary>
    public ActionContext Context(params string[] nodes) => new()
    {
        Cluster = new ClusterDefinition { Name = "c", Engine = Engine, Nodes = [.. nodes.Select(n => new NodeDefinition { Name = n, Host = n, Port = 1 })] },
        Provider = this, Backups = Substitute.For<IBackupService>(), Secrets = Substitute.For<ISecretResolver>(), Health = Substitute.For<IHealthService>(),
        IncidentId = "i", IncidentFolder = "/nonexistent", Timeout = TimeSpan.FromMinutes(2),
    };
}
