namespace DbRecovery;

/// <summary>How a thing that a cluster needs stands.</summary>
public enum SetupState
{
    /// <summary>It is there.</summary>
    Ok,
    /// <summary>It is missing, and something that DbRecovery does needs it.</summary>
    Missing,
    /// <summary>It works without, and would be better, safer or faster with it.</summary>
    Recommended,
    /// <summary>It could not be looked at; the explanation says why.</summary>
    Unknown,
}

/// <summary>One thing that a cluster needs so that it can be observed, failed over and brought back.</summary>
public sealed record SetupItem
{
    /// <summary>The cluster.</summary>
    public required string Cluster { get; init; }
    /// <summary>The node that it is looked at and done on; what lives in the data is done on the primary and reaches the others by replication.</summary>
    public required string Node { get; init; }
    /// <summary>A stable name of the thing, such as <c>role</c>, <c>grant.pg_monitor</c> or <c>setting.wal_log_hints</c>.</summary>
    public required string Name { get; init; }
    /// <summary>What it is, and what it is for, in one sentence.</summary>
    public required string What { get; init; }
    /// <summary>How it stands.</summary>
    public required SetupState State { get; init; }
    /// <summary>What is there now, or why it could not be looked at.</summary>
    public string? Found { get; init; }
    /// <summary>The statements that create it, in order; empty where there is nothing to do. A password is never in them: it is a placeholder here, and a verifier computed on this machine when they are run.</summary>
    public IReadOnlyList<string> Statements { get; init; } = [];
    /// <summary>Whether the server must be restarted until it holds.</summary>
    public bool NeedsRestart { get; init; }
}

/// <summary>The login with which a cluster is set up; it is used for that and kept nowhere.</summary>
/// <param name="User">The user name: a superuser, or who may create roles and grant what is needed.</param>
/// <param name="Password">Where its password is kept; null: none is needed.</param>
public sealed record SetupLogin(string User, SecretReference? Password);

/// <summary>Sets a cluster up for DbRecovery: a role with no more rights than it needs, its schema, and settings that make recovery possible.</summary>
public interface IClusterSetup
{
    /// <summary>Looks at everything that is needed. Changes nothing.</summary>
    /// <param name="cluster">The cluster; the role that is checked is the one of its <c>auth</c>.</param>
    /// <param name="login">The login that looks; null: the cluster's own.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>What was looked at, in the order in which it has to be created. A node that does not answer is one item of the state <see cref="SetupState.Unknown"/>.</returns>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.ConnectionFailed"/> or <see cref="ErrorIds.LoginFailed"/>: the primary cannot be looked at; <see cref="ErrorIds.WrongNode"/>: the cluster has no primary, or two.</exception>
    Task<IReadOnlyList<SetupItem>> CheckAsync(ClusterDefinition cluster, SetupLogin? login, CancellationToken cancellationToken);

    /// <summary>Creates one item: its statements, on its node. One that is there already is left.</summary>
    NodeOperation Apply(ClusterDefinition cluster, SetupLogin? login, SetupItem item);
}
