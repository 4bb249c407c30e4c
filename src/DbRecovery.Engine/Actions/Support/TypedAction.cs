using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

namespace DbRecovery.Engine.Actions;

/// <summary>What a typed action resolved: its state, the acts that follow from it, what they lose, and outputs that are certain already.</summary>
internal sealed record Planned<TState>(
    TState State,
    IReadOnlyList<PlannedAct> Acts,
    DataLoss? Loss = null,
    IReadOnlyDictionary<string, FactValue>? Outputs = null,
    string? ApprovalBecause = null);

/// <summary>An action over a typed options record and a typed state: the state is all that executing and reconciling know of the plan.</summary>
internal abstract class RecoveryAction<
    [DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicParameterlessConstructor | DynamicallyAccessedMemberTypes.PublicProperties)] TOptions,
    TState> : RecoveryAction
    where TOptions : class
    where TState : class
{
    /// <inheritdoc/>
    public sealed override Type OptionsType => typeof(TOptions);

    /// <inheritdoc/>
    public sealed override async Task<ActionPlan> PlanAsync(ActionContext context, object options, CancellationToken cancellationToken)
    {
        var planned = await PlanCoreAsync(context, (TOptions)options, cancellationToken).ConfigureAwait(false);
        return new ActionPlan
        {
            Acts = planned.Acts,
            Loss = planned.Loss,
            State = JsonSerializer.SerializeToElement(planned.State, EngineJson.Compact),
            PlannedOutputs = planned.Outputs ?? new Dictionary<string, FactValue>(),
            ApprovalBecause = planned.ApprovalBecause,
        };
    }

    /// <inheritdoc/>
    public sealed override Task<ActionResult> ExecuteAsync(ActionContext context, ActionPlan plan, CancellationToken cancellationToken) =>
        ExecuteCoreAsync(context, Read(plan), cancellationToken);

    /// <inheritdoc/>
    public sealed override Task<Reconciliation> ReconcileAsync(ActionContext context, ActionPlan plan, CancellationToken cancellationToken) =>
        ReconcileCoreAsync(context, Read(plan), cancellationToken);

    protected static TState Read(ActionPlan plan) =>
        plan.State.Deserialize<TState>(EngineJson.Compact)
        ?? throw new DbRecoveryException(ErrorIds.Unexpected, ErrorKind.Failed, "a step's plan has no state");

    protected abstract Task<Planned<TState>> PlanCoreAsync(ActionContext context, TOptions options, CancellationToken cancellationToken);

    protected abstract Task<ActionResult> ExecuteCoreAsync(ActionContext context, TState state, CancellationToken cancellationToken);

    protected abstract Task<Reconciliation> ReconcileCoreAsync(ActionContext context, TState state, CancellationToken cancellationToken);

    protected static ActionDescriptor Describe(
        string name, string description, bool destructive = false, Type? capability = null,
        bool needsPowerShell = false, TimeSpan? timeout = null, params FactDefinition[] outputs) => new()
        {
            Name = name,
            Description = description,
            Destructive = destructive,
            Options = ActionOptions.Describe(typeof(TOptions)),
            Outputs = outputs,
            Capability = capability,
            NeedsPowerShell = needsPowerShell,
            DefaultTimeout = timeout ?? TimeSpan.FromMinutes(1),
        };
}

/// <summary>Helpers over <see cref="ActionContext"/>.</summary>
internal static class ActionContextExtensions
{
    /// <summary>The node that the action is about: the faulty one, or the only one.</summary>
    public static NodeDefinition TargetNode(this ActionContext context) =>
        context.Fault?.Node is { } name ? context.Cluster.Node(name) : context.Cluster.Nodes[0];

    /// <summary>The absolute path of an embedded database.</summary>
    public static string TargetPath(this ActionContext context, string action) =>
        context.TargetNode().Path is { } path
            ? Resolve(System.IO.Path.GetFullPath(path))
            : throw new DbRecoveryException(ErrorIds.CapabilityMissing, ErrorKind.NotSupported,
                $"the action '{action}' works on a database that is a file, and node '{context.TargetNode().Name}' of cluster '{context.Cluster.Name}' is not",
                target: context.TargetNode().Name);

    // a link is followed: the new file and the kept one must be beside the file itself, on its file system
    private static string Resolve(string path) =>
        new FileInfo(path).LinkTarget is null ? path : File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path;

    /// <summary>The cluster's repository, or an error that says how to get one.</summary>
    public static RepositoryDefinition RequireRepository(this ActionContext context, string action) =>
        context.Repository ?? throw new DbRecoveryException(ErrorIds.RepositoryInvalid, ErrorKind.InvalidInput,
            $"the action '{action}' needs a backup repository, and cluster '{context.Cluster.Name}' has none",
            "Name one under 'backups: { repository: ... }' of the cluster in the inventory.", context.Cluster.Name);
}
