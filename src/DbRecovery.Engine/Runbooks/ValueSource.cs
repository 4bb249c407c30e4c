namespace DbRecovery.Engine.Runbooks;

/// <summary>What conditions and look-ups of an incident can ask.</summary>
public sealed record EvaluationInputs
{
    /// <summary>The fault.</summary>
    public required Fault Fault { get; init; }
    /// <summary>The cluster.</summary>
    public required ClusterDefinition Cluster { get; init; }
    /// <summary>The node at fault, or the only one.</summary>
    public required NodeDefinition Node { get; init; }
    /// <summary>The facts of the last look at that node.</summary>
    public required FactSet Facts { get; init; }
    /// <summary>The runbook's parameters with their values.</summary>
    public required IReadOnlyDictionary<string, FactValue> Parameters { get; init; }
    /// <summary>The outputs of steps, by step and name; while planning, those that are certain beforehand.</summary>
    public required IReadOnlyDictionary<string, IReadOnlyDictionary<string, FactValue>> StepOutputs { get; init; }
    /// <summary>What the plan would lose beyond what the caller accepted; null for nothing. Unknown bytes are null in it.</summary>
    public DataLoss? PlanLoss { get; init; }
    /// <summary>Whether any act of the plan is destructive; null while there is no plan.</summary>
    public bool? PlanDestructive { get; init; }
    /// <summary>The level of the last step 'fence': reached, or while planning foreseen; null where there is none.</summary>
    public long? FenceLevel { get; init; }
    /// <summary><c>limits.maxDataLoss</c> in bytes.</summary>
    public long MaxDataLossBytes { get; init; }
    /// <summary>The incident's id.</summary>
    public required string IncidentId { get; init; }
    /// <summary>The incident's folder.</summary>
    public required string IncidentFolder { get; init; }
}

/// <summary>Resolves the paths of <see cref="ValueSchema"/> over the pieces of an incident.</summary>
internal sealed class ValueSource(EvaluationInputs inputs) : IValueSource
{
    /// <inheritdoc/>
    public Resolution Resolve(string path)
    {
        var (head, rest) = path.IndexOf('.') is var dot and > 0 ? (path[..dot], path[(dot + 1)..]) : (path, "");
        return head switch
        {
            "fault" => OfFault(rest),
            "cluster" => OfCluster(rest),
            "node" => OfNode(rest),
            "plan" => OfPlan(rest),
            "fence" when rest == "level" => inputs.FenceLevel is { } level ? Resolution.Known(level) : Resolution.Unknown("nothing was fenced"),
            "limits" when rest == "maxDataLoss" => Resolution.Known(inputs.MaxDataLossBytes),
            "parameters" => Of(inputs.Parameters, rest, "the parameter has no value"),
            "steps" => OfStep(rest),
            "incident" when rest == "id" => Resolution.Known(inputs.IncidentId),
            "incident" when rest == "folder" => Resolution.Known(inputs.IncidentFolder),
            _ => OfFact(path),
        };
    }

    private Resolution OfFault(string name) => name switch
    {
        "id" => Resolution.Known(inputs.Fault.Id),
        "node" => Text(inputs.Fault.Node, "the fault is the whole cluster's"),
        "cluster" => Resolution.Known(inputs.Fault.Cluster),
        "engine" => Resolution.Known(inputs.Fault.Engine),
        "severity" => Resolution.Known((long)inputs.Fault.Severity),
        "confidence" => Resolution.Known(inputs.Fault.Confidence.ToString().ToLowerInvariant()),
        "summary" => Resolution.Known(inputs.Fault.Summary),
        _ => Of(inputs.Fault.Details, name, "the fault does not say it"),
    };

    private Resolution OfCluster(string name) => name switch
    {
        "name" => Resolution.Known(inputs.Cluster.Name),
        "engine" => Resolution.Known(inputs.Cluster.Engine),
        "policy.maxDataLoss" => Resolution.Known(inputs.Cluster.Policy.MaxDataLossBytes),
        "policy.autoRecover" => Resolution.Known(inputs.Cluster.Policy.AutoRecover),
        "policy.restartInPlace" => Resolution.Known(inputs.Cluster.Policy.RestartInPlace),
        "policy.synchronous" => Resolution.Known((long)inputs.Cluster.Policy.Synchronous),
        "managed" => Resolution.Known(inputs.Cluster.ManagedBy is not null),
        _ => Resolution.Unknown($"a cluster has no '{name}'"),
    };

    private Resolution OfNode(string name) => name switch
    {
        "name" => Resolution.Known(inputs.Node.Name),
        "path" => Text(inputs.Node.Path, "the node is not a file"),
        "host" => Text(inputs.Node.Host, "the node has no host"),
        "port" => inputs.Node.Port is { } port ? Resolution.Known((long)port) : Resolution.Unknown("the node has no port"),
        _ => Resolution.Unknown($"a node has no '{name}'"),
    };

    private Resolution OfPlan(string name) => name switch
    {
        "destructive" => inputs.PlanDestructive is { } destructive ? Resolution.Known(destructive) : Resolution.Unknown("there is no plan yet"),
        "lossKnown" => Resolution.Known(inputs.PlanLoss is not { Bytes: null }),
        "lossBytes" => inputs.PlanLoss switch
        {
            null => Resolution.Known(0L),
            { Bytes: { } bytes } => Resolution.Known(bytes),
            _ => Resolution.Unknown("what would be lost cannot be measured"),
        },
        "lossRows" => LossRows(),
        _ => Resolution.Unknown($"a plan has no '{name}'"),
    };

    private Resolution LossRows()
    {
        if (inputs.PlanLoss is null or { Bytes: 0 })
            return Resolution.Known(0L);
        var tables = inputs.PlanLoss.Tables;
        return tables.Count > 0 && tables.All(t => t is { Complete: true, RowsReadable: not null, RowsAfter: not null })
            ? Resolution.Known(tables.Sum(t => Math.Max(0, t.RowsReadable!.Value - t.RowsAfter!.Value)))
            : Resolution.Unknown("not every row of the damaged database can be counted");
    }

    private Resolution OfStep(string path)
    {
        var dot = path.IndexOf('.');
        return dot > 0 && inputs.StepOutputs.TryGetValue(path[..dot], out var outputs)
            ? Of(outputs, path[(dot + 1)..], "the step does not give it")
            : Resolution.Unknown("the step has not run");
    }

    private Resolution OfFact(string name) => inputs.Facts.Find(name) switch
    {
        { Value: { } value } => Resolution.Known(value),
        { UnknownBecause: { } because } => Resolution.Unknown(because),
        _ => Resolution.Unknown("nobody looked"),
    };

    private static Resolution Of(IReadOnlyDictionary<string, FactValue> values, string name, string otherwise) =>
        values.TryGetValue(name, out var value) ? Resolution.Known(value) : Resolution.Unknown(otherwise);

    private static Resolution Text(string? value, string otherwise) => value is null ? Resolution.Unknown(otherwise) : Resolution.Known(value);
}
