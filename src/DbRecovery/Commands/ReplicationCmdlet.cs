using System.Management.Automation;
using DbRecovery.PowerShell.Completers;
using DbRecovery.Runtime;

namespace DbRecovery.PowerShell.Commands;

// no set of parameters is the default one: what is piped in could not be bound to the other
/// <summary>A cmdlet that changes who is primary, or who follows: it plans, asks once with the whole plan in the question, carries it out and writes the incident.</summary>
public abstract class ReplicationCmdlet : DbCmdlet
{
    internal const string ByCluster = "Cluster";
    internal const string ByObject = "InputObject";

    /// <summary>The cluster's name in the inventory.</summary>
    [Parameter(ParameterSetName = ByCluster, Mandatory = true, Position = 0, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(ClusterCompleter))]
    [ValidateNotNullOrEmpty]
    public string? Cluster { get; set; }

    /// <summary>A cluster from Get-DbCluster.</summary>
    [Parameter(ParameterSetName = ByObject, Mandatory = true, ValueFromPipeline = true)]
    [ValidateNotNull]
    public ClusterDefinition? InputObject { get; set; }

    /// <summary>Leaves out the second question that is asked where data would be lost and $ConfirmPreference left out the first. It skips no check.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    private protected abstract ReplicationAsk Ask { get; }

    /// <inheritdoc/>
    protected override void ProcessRecord() => Try(Cluster ?? InputObject?.Name, () =>
    {
        var ask = Ask;
        var plan = Work("Planning", (operation, token) => operation.Runtime.PlanReplicationAsync(ask.For(operation, Cluster, InputObject), operation.Progress, token));
        foreach (var reason in plan.Blocked)
            WriteVerbose($"Blocked: {reason}");
        if (!PlanAgreement.IsGiven(this, plan, ask.AllowedLoss, Force))
            return;
        var incident = Work(plan.Fault.Summary, (operation, token) =>
            operation.Runtime.ReplicateAsync(ask.For(operation, Cluster, InputObject), operation.Timeline, operation.Progress, token), IncidentAdvice.Unfinished);
        WriteObject(incident);
        IncidentAdvice.Write(this, incident);
    });
}

/// <summary>What a command asks for. The operation is a name: the engine's own type in a cmdlet would be loaded with the module.</summary>
internal sealed record ReplicationAsk(string Operation)
{
    public string? Node { get; init; }
    public long? AllowedLoss { get; init; }
    public (string Name, string? Value) Parameter { get; init; }

    public ReplicationRequest For(Operation operation, string? cluster, ClusterDefinition? definition) => new()
    {
        Cluster = definition ?? operation.Runtime.GetCluster(cluster!),
        Operation = Enum.Parse<ReplicationOperation>(Operation),
        Node = Node,
        Parameters = Parameter.Value is { } value ? new Dictionary<string, string> { [Parameter.Name] = value } : new Dictionary<string, string>(),
        AllowDataLossBytes = AllowedLoss,
    };
}
