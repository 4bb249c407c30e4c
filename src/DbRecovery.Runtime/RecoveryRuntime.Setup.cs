namespace DbRecovery.Runtime;

public sealed partial class RecoveryRuntime
{
    /// <summary>The time that one item of a set-up has.</summary>
    private static readonly TimeSpan SetupTimeout = TimeSpan.FromSeconds(30);

    /// <summary>Looks at everything that a cluster needs to be observed, failed over and brought back. Changes nothing.</summary>
    /// <param name="cluster">The cluster.</param>
    /// <param name="login">The login that looks; null: the cluster's own.</param>
    /// <param name="cancellationToken">Cancels.</param>
    public Task<IReadOnlyList<SetupItem>> CheckSetupAsync(ClusterDefinition cluster, SetupLogin? login, CancellationToken cancellationToken) =>
        Setup(cluster).CheckAsync(cluster, login, cancellationToken);

    /// <summary>Creates one thing that a cluster needs; one that is there already is left.</summary>
    public Task<OperationOutcome> ApplySetupAsync(ClusterDefinition cluster, SetupLogin? login, SetupItem item, CancellationToken cancellationToken) =>
        Setup(cluster).Apply(cluster, login, item).RunAsync(SetupTimeout, null, cancellationToken);

    private IClusterSetup Setup(ClusterDefinition cluster) => Provider(cluster.Engine).Require<IClusterSetup>("init");
}
