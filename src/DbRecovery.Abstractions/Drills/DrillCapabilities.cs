namespace DbRecovery;

/// <summary>Damages a database on purpose. It refuses any file that does not lie in the sandbox of a drill under way.</summary>
public interface IFaultInjector
{
    /// <summary>What it can inflict, in the order of a drill.</summary>
    IReadOnlyList<DrillDamage> Damages { get; }

    /// <summary>Inflicts a damage on a database that lies in a sandbox.</summary>
    /// <param name="damage">One of <see cref="Damages"/>.</param>
    /// <param name="cluster">The sandbox's definition: what it declares.</param>
    /// <param name="node">The node in the sandbox.</param>
    /// <param name="seed">Which of several equal places is hit; the same seed hits the same place.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.DrillFailed"/>: Refused where the file is in no sandbox, NotSupported where this database has nothing that could be damaged so.</exception>
    Task<IInflictedDamage> InflictAsync(DrillDamage damage, ClusterDefinition cluster, NodeDefinition node, int seed, CancellationToken cancellationToken);

    /// <summary>Has the database open as an application does that is between two transactions, until it is disposed.</summary>
    Task<IAsyncDisposable> UseAsync(NodeDefinition node, CancellationToken cancellationToken);
}

/// <summary>A damage that was inflicted. Disposing ends what it holds: a lock, an open database.</summary>
public interface IInflictedDamage : IAsyncDisposable
{
    /// <summary>What was done, in one sentence.</summary>
    string Description { get; }

    /// <summary>Ends what would end by itself in life, such as a long transaction. Called when the recovery's first step begins.</summary>
    void Relent();
}

/// <summary>A row that a drill committed.</summary>
/// <param name="Id">Its key.</param>
/// <param name="AcknowledgedAt">When its commit was acknowledged (UTC).</param>
public sealed record DrillRow(long Id, DateTimeOffset AcknowledgedAt);

/// <summary>How the rows of a database stand against those that should be there.</summary>
/// <param name="Lost">Rows that are not there.</param>
/// <param name="Wrong">Rows that are there with another content.</param>
/// <param name="Surviving">The keys of the drill's own rows that are there and right.</param>
public sealed record RowAccount(long Lost, long Wrong, IReadOnlySet<long> Surviving);

/// <summary>Keeps the account of a drill's rows.</summary>
public interface IDrillLedger
{
    /// <summary>The name of the table with the drill's own rows.</summary>
    string Table { get; }

    /// <summary>Makes the table anew and empty, with an index.</summary>
    Task BeginAsync(NodeDefinition node, CancellationToken cancellationToken);

    /// <summary>Commits rows, each in a transaction of its own, and gives what was acknowledged when.</summary>
    Task<IReadOnlyList<DrillRow>> WriteAsync(NodeDefinition node, long firstId, int rows, CancellationToken cancellationToken);

    /// <summary>Holds every row of every table against an intact copy.</summary>
    /// <param name="node">The database.</param>
    /// <param name="intactCopy">The path of the copy; it is only read.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <exception cref="DbRecoveryException">The database cannot be read.</exception>
    Task<RowAccount> CompareAsync(NodeDefinition node, string intactCopy, CancellationToken cancellationToken);
}
