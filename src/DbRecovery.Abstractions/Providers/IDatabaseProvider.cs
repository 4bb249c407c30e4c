using System.Diagnostics.CodeAnalysis;

namespace DbRecovery;

/// <summary>
/// A database that DbRecovery knows. It observes and carries out primitive acts; it never judges or decides.
/// What it can do is what capability interfaces it gives; what a database lacks, its provider does not implement.
/// </summary>
public interface IDatabaseProvider
{
    /// <summary>The engine's id in inventories and runbooks, such as <c>sqlite</c>.</summary>
    string Engine { get; }

    /// <summary>The engine's name for people.</summary>
    string DisplayName { get; }

    /// <summary>Whether a node is a file (<c>path</c>) rather than an address (<c>host</c> and <c>port</c>).</summary>
    bool Embedded { get; }

    /// <summary>The port of a server that names none; null: there is no usual one.</summary>
    int? DefaultPort => null;

    /// <summary>The facts that it gives beside the common ones.</summary>
    IReadOnlyList<FactDefinition> Facts { get; }

    /// <summary>Gives a capability, such as <see cref="IBackupSource"/>.</summary>
    /// <typeparam name="T">The capability's interface.</typeparam>
    bool TryGet<T>([NotNullWhen(true)] out T? capability) where T : class;
}

/// <summary>Helpers over <see cref="IDatabaseProvider"/>.</summary>
public static class DatabaseProviderExtensions
{
    /// <summary>Gives a capability or says which one is missing and what needs it.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.CapabilityMissing"/>.</exception>
    public static T Require<T>(this IDatabaseProvider provider, string neededBy) where T : class =>
        provider.TryGet<T>(out var capability)
            ? capability
            : throw new DbRecoveryException(ErrorIds.CapabilityMissing, ErrorKind.NotSupported,
                $"{provider.Engine} lacks the capability {typeof(T).Name[1..]}: '{neededBy}' needs it", target: provider.Engine);
}

/// <summary>Reads a target that is given without an inventory.</summary>
public interface ITargetReader
{
    /// <summary>A cluster of the nodes that a connection text names.</summary>
    /// <param name="text">The text, in the form of the engine's own tools.</param>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.ParameterInvalid"/>: it cannot be understood, or has a password in it; <see cref="ErrorIds.WrongNode"/>: a node is there twice. No message repeats a value.</exception>
    ClusterDefinition Read(string text);
}

/// <summary>What an observer is asked.</summary>
public sealed record ObservationRequest
{
    /// <summary>The cluster.</summary>
    public required ClusterDefinition Cluster { get; init; }
    /// <summary>The node.</summary>
    public required NodeDefinition Node { get; init; }
    /// <summary>How much to look at.</summary>
    public ObservationLevel Level { get; init; } = ObservationLevel.Standard;
    /// <summary>The newest complete backup, to compare with; null where there is none.</summary>
    public IBackupContent? LastBackup { get; init; }
    /// <summary>The time in which the observation must end, with what it has.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromMinutes(10);
}

/// <summary>Turns a node into facts, without disturbing those who use it.</summary>
public interface INodeObserver
{
    /// <summary>
    /// Observes a node. A node that is broken is an observation, not an exception; only cancellation and a missing library throw.
    /// </summary>
    Task<NodeObservation> ObserveAsync(ObservationRequest request, IProgress<OperationProgress>? progress, CancellationToken cancellationToken);
}

/// <summary>The value that a query gave.</summary>
/// <param name="Value">The first column of the first row; null for no row or SQL NULL.</param>
/// <param name="RowsAffected">Rows changed.</param>
public sealed record SqlResult(FactValue? Value, long RowsAffected);

/// <summary>Runs SQL on a node.</summary>
public interface ISqlSession
{
    /// <summary>Runs statements in one transaction: all or nothing.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.ConnectionFailed"/>, <see cref="ErrorIds.DatabaseBusy"/>, <see cref="ErrorIds.TimedOut"/>, <see cref="ErrorIds.DatabaseCorrupt"/> or <see cref="ErrorIds.StepFailed"/> with the engine's message.</exception>
    Task<SqlResult> ExecuteAsync(ClusterDefinition cluster, NodeDefinition node, string sql, bool readOnly, TimeSpan timeout, CancellationToken cancellationToken);
}

/// <summary>Takes what a provider reads for a backup.</summary>
public interface IBackupSink
{
    /// <summary>
    /// The backup that this one is compared with; null where there is none whose content may be taken over unread. An engine that proves
    /// that it wrote nothing to some bytes since that backup need not read them: it says <see cref="IBackupFileWriter.ReuseAsync"/>.
    /// </summary>
    IBackupContent? Parent => null;

    /// <summary>Begins a path. Several files may be open at once; each is written in order.</summary>
    ValueTask<IBackupFileWriter> BeginAsync(BackupEntry entry, CancellationToken cancellationToken);
}

/// <summary>One file on its way into a backup.</summary>
public interface IBackupFileWriter : IAsyncDisposable
{
    /// <summary>Appends bytes. The memory may be used again when the task is done.</summary>
    ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken);

    /// <summary>
    /// Appends bytes that are the parent's at the same place, which the engine has proved. Whole pages, unless the file ends with them.
    /// </summary>
    ValueTask ReuseAsync(long length, CancellationToken cancellationToken) =>
        throw new NotSupportedException("this sink has no parent");

    /// <summary>Ends the file and gives its page hashes. A writer disposed without this makes the backup fail.</summary>
    ValueTask<PageHashList> CompleteAsync(CancellationToken cancellationToken);
}

/// <summary>Tells cheaply whether a node's data changed: what continuous protection looks at between two backups.</summary>
public interface IChangeWatch
{
    /// <summary>
    /// A mark that differs from every earlier one once a transaction was committed; without a lock, and without reading the data.
    /// It may also differ where nothing was committed.
    /// </summary>
    /// <exception cref="DbRecoveryException">The node cannot be looked at, as in <see cref="IBackupSource.ReadAsync"/>.</exception>
    Task<string> MarkAsync(NodeDefinition node, CancellationToken cancellationToken);
}

/// <summary>Reads a node's data for a backup, consistent at one moment, while it is in use.</summary>
public interface IBackupSource
{
    /// <summary>The origin of a node's data as <see cref="ReadAsync"/> will give it; null where only reading tells. It finds the backup to compare with.</summary>
    ValueTask<string?> IdentifyAsync(NodeDefinition node, CancellationToken cancellationToken) => ValueTask.FromResult<string?>(null);

    /// <summary>Gives every path to the sink and then says what was given.</summary>
    /// <exception cref="DbRecoveryException">The node cannot be read: <see cref="ErrorIds.DatabaseNotFound"/>, <see cref="ErrorIds.NotADatabase"/>, <see cref="ErrorIds.DatabaseBusy"/>, <see cref="ErrorIds.DatabaseCorrupt"/>, <see cref="ErrorIds.AccessDenied"/>.</exception>
    Task<BackupSourceInfo> ReadAsync(ClusterDefinition cluster, NodeDefinition node, IBackupSink sink, IProgress<OperationProgress>? progress, CancellationToken cancellationToken);
}

/// <summary>Puts restored files where the engine expects them.</summary>
public interface IRestoreTarget
{
    /// <summary>Checks the destination (free space, rights, what is there) and prepares a staging place on its file system.</summary>
    /// <param name="backup">What will be restored.</param>
    /// <param name="destination">The absolute path of the file or folder that shall hold the data.</param>
    /// <param name="replace">Whether something that is at the destination may be replaced (it is kept beside it, never deleted).</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.TargetExists"/>, <see cref="ErrorIds.OutOfSpace"/>, <see cref="ErrorIds.AccessDenied"/>.</exception>
    Task<IRestoreSession> BeginAsync(IBackupContent backup, string destination, bool replace, CancellationToken cancellationToken);
}

/// <summary>A restore under way. Disposing it without a commit removes the staging place and leaves the destination as it was.</summary>
public interface IRestoreSession : IAsyncDisposable
{
    /// <summary>Where the restorer writes a path of the backup; on the destination's file system.</summary>
    string StagingPath(BackupEntry entry);

    /// <summary>Moves what was staged into place, durably and atomically. Gives where what was there before is kept, or null.</summary>
    Task<string?> CommitAsync(CancellationToken cancellationToken);
}

/// <summary>Looks into data: is it whole, what does it hold.</summary>
public interface IDataInspector
{
    /// <summary>Checks restored data against what the backup says of it.</summary>
    /// <param name="path">Where it was restored: a scratch place that may be opened and written.</param>
    /// <param name="backup">The backup.</param>
    /// <param name="progress">Progress.</param>
    /// <param name="cancellationToken">Cancels.</param>
    Task<IReadOnlyList<ProofCheck>> CheckRestoredAsync(string path, IBackupContent backup, IProgress<OperationProgress>? progress, CancellationToken cancellationToken);

    /// <summary>Counts the rows of every table that can still be read, around whatever is damaged. Changes nothing.</summary>
    Task<IReadOnlyList<TableCount>> CountRowsAsync(string path, CancellationToken cancellationToken);
}

/// <summary>The rows of a table that could be read.</summary>
/// <param name="Table">The table.</param>
/// <param name="Rows">Rows that could be read.</param>
/// <param name="Complete">Whether the whole table could be read; if not, <paramref name="Rows"/> is a lower bound.</param>
/// <param name="Note">Why it is not complete.</param>
public sealed record TableCount(string Table, long Rows, bool Complete, string? Note = null);

/// <summary>Upkeep of a live database.</summary>
public interface IMaintenance
{
    /// <summary>What <see cref="ReindexAsync"/> would do.</summary>
    PlannedAct PlanReindex(NodeDefinition node);

    /// <summary>What <see cref="CheckpointAsync"/> would do.</summary>
    PlannedAct PlanCheckpoint(NodeDefinition node);

    /// <summary>Rebuilds indexes from their tables.</summary>
    Task ReindexAsync(ClusterDefinition cluster, NodeDefinition node, TimeSpan timeout, CancellationToken cancellationToken);

    /// <summary>
    /// Opens the database read-write, which carries out a pending crash recovery, and moves logged changes into it.
    /// Gives what was done, in one sentence.
    /// </summary>
    Task<string> CheckpointAsync(ClusterDefinition cluster, NodeDefinition node, TimeSpan timeout, CancellationToken cancellationToken);
}

/// <summary>Swaps a file database for another one under running applications.</summary>
public interface IFileSwap
{
    /// <summary>The files that are the database now (main file and journals), for evidence.</summary>
    IReadOnlyList<string> DatabaseFiles(NodeDefinition node);

    /// <summary>Says in order what <see cref="SwapAsync"/> would do now. Changes nothing.</summary>
    IReadOnlyList<PlannedAct> PlanSwap(NodeDefinition node, string newFile, string keepFolder);

    /// <summary>
    /// Locks out writers, moves the old journals to <paramref name="keepFolder"/>, exchanges the files in one step so that the path is never
    /// missing, makes connections that still hold the old file fail rather than write into it, and syncs files and folders.
    /// </summary>
    /// <param name="node">The node whose file is replaced.</param>
    /// <param name="newFile">A complete database on the same file system; it is moved, not copied.</param>
    /// <param name="keepFolder">A folder on the same file system that gets the old file and its journals.</param>
    /// <param name="lockTimeout">How long to wait for a writer to end its transaction.</param>
    /// <param name="lockedOut">Called when writers are locked out and nothing is changed yet: the last moment to complete the new file. Null for nothing.</param>
    /// <param name="cancellationToken">Cancels until the first change; after that the swap is finished.</param>
    /// <returns>The path of the old file; null where there was none.</returns>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.DatabaseBusy"/> names the holder; nothing was changed.</exception>
    Task<string?> SwapAsync(NodeDefinition node, string newFile, string keepFolder, TimeSpan lockTimeout, Func<CancellationToken, Task>? lockedOut, CancellationToken cancellationToken);

    /// <summary>
    /// The processes that still have the replaced file open after a swap, as <c>pid 123 (name)</c>: they see old data, or errors, until they
    /// open the database again. Empty where there is none, or where the system does not tell.
    /// </summary>
    /// <param name="node">The node whose file was replaced.</param>
    /// <param name="keptPath">Where the old file is kept, as <see cref="SwapAsync"/> gave it.</param>
    IReadOnlyList<string> StillOpenBy(NodeDefinition node, string keptPath) => [];
}
