namespace DbRecovery;

/// <summary>What came of an operation on a node.</summary>
/// <param name="Summary">In one sentence.</param>
/// <param name="Outputs">Values that the caller may use, by the names that the operation's method gives.</param>
public sealed record OperationOutcome(string Summary, IReadOnlyDictionary<string, FactValue> Outputs)
{
    /// <summary>An outcome without values.</summary>
    public OperationOutcome(string summary) : this(summary, new Dictionary<string, FactValue>())
    {
    }

    /// <summary>What the instance's machine said of it afterwards, on the same trip; null where it was not asked.</summary>
    public InstanceStatus? Status { get; init; }
}

/// <summary>
/// A primitive act on a node that knows exactly what it will do: the same object says it and does it, so that what a plan
/// shows is what runs. Making one may look at the node and changes nothing.
/// </summary>
/// <param name="acts">What it will do, in order: each statement and command.</param>
/// <param name="run">Does it within a time.</param>
public sealed class NodeOperation(IReadOnlyList<PlannedAct> acts, Func<TimeSpan, IProgress<OperationProgress>?, CancellationToken, Task<OperationOutcome>> run)
{
    /// <summary>What it will do, in order.</summary>
    public IReadOnlyList<PlannedAct> Acts => acts;

    /// <summary>Does it.</summary>
    /// <param name="timeout">The time that it has.</param>
    /// <param name="progress">Progress of a long one.</param>
    /// <param name="cancellationToken">Cancels; what must not be torn ends first.</param>
    /// <exception cref="DbRecoveryException">It was not done (<see cref="ErrorIds.StepFailed"/> and others), or whether it was is not known (<see cref="ErrorIds.OutcomeUnknown"/>, <see cref="ErrorIds.TimedOut"/>).</exception>
    public Task<OperationOutcome> RunAsync(TimeSpan timeout, IProgress<OperationProgress>? progress, CancellationToken cancellationToken) => run(timeout, progress, cancellationToken);
}

/// <summary>What a command left.</summary>
/// <param name="ExitCode">Its exit code.</param>
/// <param name="Output">Its standard output, bounded.</param>
/// <param name="Error">Its standard error, bounded.</param>
public sealed record CommandOutcome(int ExitCode, string Output, string Error);

/// <summary>A command on a node's machine.</summary>
public sealed record NodeCommand
{
    /// <summary>The program and its arguments; never passed through a shell of this machine.</summary>
    public required IReadOnlyList<string> Arguments { get; init; }
    /// <summary>The user that it runs as there; null: whoever the way there logs in as.</summary>
    public string? RunAs { get; init; }
    /// <summary>What it reads from its standard input; a secret belongs here, never into the arguments.</summary>
    public string? Input { get; init; }
    /// <summary>The deadline.</summary>
    public required TimeSpan Timeout { get; init; }
    /// <summary>Characters kept of each stream.</summary>
    public int OutputLimit { get; init; } = 64 * 1024;
}

/// <summary>Runs commands on the machines of a cluster's nodes: here, or by what the inventory names under <c>control: via</c>. The engine has it; providers are given it.</summary>
public interface INodeCommands
{
    /// <summary>The command as it will be run from this machine: what a plan shows.</summary>
    IReadOnlyList<string> Describe(ClusterDefinition cluster, NodeDefinition node, NodeCommand command);

    /// <summary>Runs a command on the node's machine.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.StepFailed"/>: it could not be started, or the way there failed; <see cref="ErrorIds.TimedOut"/>; <see cref="ErrorIds.CapabilityMissing"/>: the inventory gives no control of the node.</exception>
    Task<CommandOutcome> RunAsync(ClusterDefinition cluster, NodeDefinition node, NodeCommand command, CancellationToken cancellationToken);
}

/// <summary>Whether an instance runs, as its machine says: the one proof that a database is down.</summary>
public enum InstanceState
{
    /// <summary>It cannot be told: no control, or its machine does not answer.</summary>
    Unknown,
    /// <summary>Its process lives.</summary>
    Running,
    /// <summary>There is no process of it.</summary>
    Stopped,
}

/// <summary>What an instance's machine says of it.</summary>
/// <param name="State">Whether it runs.</param>
/// <param name="Detail">How that is known.</param>
/// <param name="ProcessId">The server's main process.</param>
/// <param name="ProcessState">The process's state letter as the kernel gives it: <c>T</c> is stopped, <c>D</c> waits for a disk, <c>Z</c> is dead.</param>
public sealed record InstanceStatus(InstanceState State, string Detail, int? ProcessId = null, char? ProcessState = null);

/// <summary>Starts and stops instances. Every operation is had without a look and without an effect.</summary>
public interface IInstanceControl
{
    /// <summary>Why an instance cannot be controlled; null if it can.</summary>
    string? UnavailableBecause(ClusterDefinition cluster, NodeDefinition node);

    /// <summary>Whether it runs. What cannot be told is <see cref="InstanceState.Unknown"/>, not an exception.</summary>
    Task<InstanceStatus> StatusAsync(ClusterDefinition cluster, NodeDefinition node, TimeSpan timeout, CancellationToken cancellationToken);

    /// <summary>Starts it and waits until it answers (57P03 is no answer yet). One that ends at once fails at once, with the last lines of its log.</summary>
    /// <param name="cluster">The cluster.</param>
    /// <param name="node">The node.</param>
    /// <param name="letGo">Whether what holds it down is taken away first; else an instance that is held down is not started.</param>
    /// <param name="asReplica">Whether it is refused (<see cref="ErrorIds.WrongNode"/>) where its data do not say that it follows another node: it would be a second primary.</param>
    NodeOperation Start(ClusterDefinition cluster, NodeDefinition node, bool letGo = false, bool asReplica = false);

    /// <summary>Stops it cleanly: sessions are ended, a last checkpoint is written and sent to the replicas.</summary>
    NodeOperation Stop(ClusterDefinition cluster, NodeDefinition node);

    /// <summary>Ends it at once, a hung one (SIGSTOP) too, with all its processes, and waits until none of them is left.</summary>
    NodeOperation Kill(ClusterDefinition cluster, NodeDefinition node);

    /// <summary>Takes its machine's power or network away; null where the inventory names no command for that.</summary>
    NodeOperation? PowerOff(ClusterDefinition cluster, NodeDefinition node);

    /// <summary>Keeps it from starting by itself (a masked unit, a guard file that its start looks at); null where that cannot be had. The outcome may tell its status.</summary>
    NodeOperation? HoldDown(ClusterDefinition cluster, NodeDefinition node);

    /// <summary>Frees space by what is provably safe only: rotated logs in the log folder, old core files; never the write-ahead log.</summary>
    Task<NodeOperation> FreeSpaceAsync(ClusterDefinition cluster, NodeDefinition node, CancellationToken cancellationToken);
}

/// <summary>Tells at once when the connection to a node breaks. The connection is the observer's own.</summary>
public interface INodeEvents
{
    /// <summary>Ends when the open connection to the node broke since the last observation, with what was seen; at once where none is open. It never throws but for cancellation.</summary>
    Task<ObservedError> BrokenAsync(ClusterDefinition cluster, NodeDefinition node, CancellationToken cancellationToken);
}
