using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using DbRecovery.Engine.Actions;
using DbRecovery.Engine.Runbooks;

namespace DbRecovery.Engine.Incidents;

/// <summary>What is planned for.</summary>
internal sealed record PlanningRequest
{
    public required ClusterDefinition Cluster { get; init; }
    public required Fault Fault { get; init; }
    public required string EvidenceHash { get; init; }
    public required Runbook Runbook { get; init; }
    public required IReadOnlyDictionary<string, FactValue> Parameters { get; init; }
    public required FactSet Facts { get; init; }
    public long? AllowDataLossBytes { get; init; }
    public required string IncidentId { get; init; }
    public required string IncidentFolder { get; init; }
    public HealthReport? Seen { get; init; }
    public long Epoch { get; init; }
    /// <summary>Whether a step is planned to be carried out next.</summary>
    public bool Acting { get; init; }
    public Func<string, int> StartsInLastHour { get; init; } = _ => 0;
    public Func<IReadOnlyList<AskedPromotion>> AskedPromotions { get; init; } = () => [];
    public ConcurrentDictionary<string, (long At, InstanceStatus Said)> MachineLooks { get; init; } = new(StringComparer.Ordinal);
    public IReadOnlyDictionary<string, IReadOnlyDictionary<string, FactValue>> Done { get; init; } = new Dictionary<string, IReadOnlyDictionary<string, FactValue>>();
    public IReadOnlyDictionary<string, DateTimeOffset?> DoneAt { get; init; } = new Dictionary<string, DateTimeOffset?>();
    public DateTimeOffset? AnsweredBy { get; init; }

    public NodeDefinition Node => Fault.Node is { } name ? Cluster.Node(name) : Cluster.Nodes[0];
}

/// <summary>Makes plans. Making one changes nothing.</summary>
internal sealed class IncidentPlanner(IncidentServices services)
{
    private static readonly TimeSpan ShortestWait = TimeSpan.FromMinutes(1), LongestWait = TimeSpan.FromDays(1);

    public async Task<RecoveryPlan> PlanAsync(PlanningRequest request, CancellationToken cancellationToken)
    {
        var plan = await PlanOnceAsync(request, cancellationToken).ConfigureAwait(false);
        // a primary that may still live writes on while a person thinks: what is agreed to covers that, so that nobody is asked again once it was stopped
        return plan is { ApprovalReasons.Count: > 0, Loss: not null } && request.Seen?.LastPrimary is { GoneAt: null }
            ? await PlanOnceAsync(request with { AnsweredBy = AnsweredBy(request) }, cancellationToken).ConfigureAwait(false)
            : plan;
    }

    // counted from the detection in whole waits: the plan that is made again when somebody has agreed is the same
    private DateTimeOffset AnsweredBy(PlanningRequest request)
    {
        var asked = request.Runbook.Approval?.Expires ?? IncidentStateTable.Timeouts[IncidentState.AwaitingApproval];
        var wait = Quantities.Most(ShortestWait, Quantities.Least(asked, LongestWait));
        var (detected, now) = (request.Fault.DetectedAt, services.Clock.GetUtcNow());
        return detected + (wait * (1 + Math.Max(0, (now - detected).Ticks / wait.Ticks)));
    }

    private async Task<RecoveryPlan> PlanOnceAsync(PlanningRequest request, CancellationToken cancellationToken)
    {
        var outputs = new Dictionary<string, IReadOnlyDictionary<string, FactValue>>(StringComparer.Ordinal);
        var blocked = EvaluateGuards(request, Inputs(request, outputs));
        var steps = new List<PlannedStep>();
        var approvals = new List<string>();
        foreach (var step in request.Runbook.Steps)
            steps.Add(await PlanStepAsync(request, step, outputs, blocked, approvals, cancellationToken).ConfigureAwait(false));
        var destructive = steps.Exists(s => s.Destructive && s.SkippedBecause is null);
        // what is only made beside the database takes nothing away
        var loss = destructive ? LossCalculator.Sum(steps.Where(s => !s.AsksLater).Select(s => s.Loss)) : null;
        return new RecoveryPlan
        {
            Fault = request.Fault,
            Cluster = request.Cluster.Name,
            Runbook = request.Runbook.Name,
            RunbookVersion = request.Runbook.Version,
            CreatedAt = services.Clock.GetUtcNow(),
            Steps = steps,
            Loss = loss,
            Blocked = blocked,
            ApprovalReasons = [.. approvals, .. ApprovalReasons(request, Inputs(request, outputs), loss, destructive)],
            Hash = HashOf(request, steps, loss),
            Definition = request.Cluster,
        };
    }

    /// <summary>The guards that do not hold or are unknown.</summary>
    public List<string> EvaluateGuards(PlanningRequest request, EvaluationInputs inputs)
    {
        var values = services.Evaluator.Values(inputs);
        var failed = new List<string>();
        foreach (var guard in request.Runbook.Guards)
        {
            var outcome = services.Evaluator.Evaluate(guard, values);
            if (outcome.Result != true)
                failed.Add($"a guard (line {guard.At.Line}) {(outcome.Result is null ? "cannot be told, so it does not hold" : "does not hold")}: {outcome.Explanation}{(guard is FactCondition { Otherwise: { } otherwise } ? $". {otherwise}" : "")}");
        }
        return failed;
    }

    public EvaluationInputs Inputs(PlanningRequest request, IReadOnlyDictionary<string, IReadOnlyDictionary<string, FactValue>> outputs)
    {
        var inputs = new EvaluationInputs
        {
            Fault = request.Fault,
            Cluster = request.Cluster,
            Node = request.Node,
            Facts = request.Facts,
            Parameters = request.Parameters,
            StepOutputs = outputs,
            FenceLevel = request.Runbook.Steps.Where(s => s.Action == "fence").Select(s => outputs.GetValueOrDefault(s.Id)?.GetValueOrDefault("level"))
                .LastOrDefault(l => l is { Type: FactType.Int })?.AsInt(),
            MaxDataLossBytes = request.Cluster.Policy.MaxDataLossBytes,
            IncidentId = request.IncidentId,
            IncidentFolder = request.IncidentFolder,
        };
        var limit = services.Evaluator.BindSize(request.Runbook.Limits.MaxDataLoss, "maxDataLoss", services.Evaluator.Values(inputs));
        return limit is { } bytes ? inputs with { MaxDataLossBytes = bytes } : inputs;
    }

    public ActionContext Context(PlanningRequest request, TimeSpan timeout, IProgress<OperationProgress>? progress) => new()
    {
        Cluster = request.Cluster,
        Fault = request.Fault,
        Provider = services.Provider(request.Cluster.Engine),
        Backups = services.Backups,
        Repository = services.Repository(request.Cluster),
        Health = services.Health,
        Notifications = services.Notifications,
        Secrets = services.Secrets,
        SecretVariables = services.SecretVariables,
        PowerShell = services.PowerShell,
        IncidentId = request.IncidentId,
        IncidentFolder = request.IncidentFolder,
        Clock = services.Clock,
        Progress = progress,
        Facts = request.Facts,
        Timeout = timeout,
        Routes = services.Routes,
        Seen = request.Seen,
        Epoch = request.Epoch,
        Acting = request.Acting,
        StartsInLastHour = request.StartsInLastHour,
        AskedPromotions = request.AskedPromotions,
        MachineLooks = request.MachineLooks,
        Done = request.Done,
        DoneAt = request.DoneAt,
        AnsweredBy = request.AnsweredBy,
    };

    public TimeSpan TimeoutOf(RunbookStep step, RecoveryAction action, IValueSource values) =>
        services.Evaluator.BindDuration(step.Timeout, "timeout", values) ?? action.Descriptor.DefaultTimeout;

    private async Task<PlannedStep> PlanStepAsync(
        PlanningRequest request, RunbookStep step, Dictionary<string, IReadOnlyDictionary<string, FactValue>> outputs, List<string> blocked, List<string> approvals,
        CancellationToken cancellationToken)
    {
        var action = services.Actions.Get(step.Action);
        var values = services.Evaluator.Values(Inputs(request, outputs));
        var when = step.When is null ? null : services.Evaluator.Evaluate(step.When, values);
        var planned = new PlannedStep
        {
            Id = step.Id, Action = step.Action, Acts = [], Destructive = action.Descriptor.Destructive, Timeout = action.Descriptor.DefaultTimeout,
        };
        // unknown may become true once earlier steps have run: what such a step would do is shown and its loss counts
        if (when?.Result == false)
            return planned with { SkippedBecause = when.Explanation, Destructive = false };
        var later = when is { Result: null } && DependsOnStart(request.Runbook, step.When!);
        try
        {
            planned = planned with { Timeout = TimeoutOf(step, action, values) };
            if (NeedsUnknownOutput(step, outputs) is { } producer)
                return planned with { Acts = [new PlannedAct(ActKind.Read, step.Id, $"worked out when the step '{producer}' has run", action.Descriptor.Destructive)] };
            var options = services.Evaluator.BindOptions(action, step.With, values);
            var plan = await action.PlanAsync(Context(request, planned.Timeout, null), options, cancellationToken).ConfigureAwait(false);
            outputs[step.Id] = plan.PlannedOutputs;
            if (plan.ApprovalBecause is { } because && !later)
                approvals.Add(because);
            return planned with { Acts = plan.Acts, Loss = plan.Loss, Destructive = plan.Acts.Any(a => a.Destructive), AsksLater = later };
        }
        catch (DbRecoveryException e)
        {
            // what may fail does not stand against the rest, nor does what a start may spare
            if (step.OnFailure != FailurePolicy.Continue && !later)
                blocked.Add($"the step '{step.Id}' cannot be done as things stand: {e.Message}");
            return planned with { Acts = [new PlannedAct(ActKind.Read, step.Id, $"cannot be done as things stand: {e.Message}")] };
        }
    }

    // whether a server starts again decides all that follows; a person is not asked for what that may spare
    private static bool DependsOnStart(Runbook runbook, Condition when) =>
        when.Facts().Any(fact => runbook.Steps.Any(s => s.Action == "start" && fact.Fact.StartsWith($"steps.{s.Id}.", StringComparison.Ordinal)));

    /// <summary>The plan of an incident under way, with a step as it would be carried out now, for a person to agree to.</summary>
    public static RecoveryPlan WithStep(RecoveryPlan plan, string step, ActionPlan now, IReadOnlyList<string> reasons, string evidenceHash)
    {
        var steps = plan.Steps.Select(s => s.Id != step ? s : s with { Acts = now.Acts, Loss = now.Loss, Destructive = now.Acts.Any(a => a.Destructive), AsksLater = false }).ToList();
        var text = new StringBuilder(plan.Hash).Append(evidenceHash).Append(step);
        foreach (var act in now.Acts)
            text.Append('\n').Append(act.Kind).Append(' ').Append(act.Target).Append(' ').Append(act.Detail);
        text.Append(CultureInfo.InvariantCulture, $"\n{now.Loss?.Bytes} {now.Loss?.Since:O}");
        return plan with
        {
            Steps = steps, Loss = now.Loss ?? plan.Loss, ApprovalReasons = [.. plan.ApprovalReasons.Union(reasons)],
            Hash = Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString()))).ToLowerInvariant(),
        };
    }

    /// <summary>Why a loss needs an agreement.</summary>
    public static string LossReason(DataLoss loss, long allowed) => loss.Bytes is { } bytes
        ? $"{Counted.Of(bytes, "byte")} of committed data would be lost, and {allowed} are allowed. {loss.Statement}"
        : $"how much would be lost is not known, so no limit covers it. {loss.Statement}";

    private static string? NeedsUnknownOutput(RunbookStep step, Dictionary<string, IReadOnlyDictionary<string, FactValue>> outputs) =>
        step.With.Values.SelectMany(v => v.Leaves()).OfType<LookupValue>()
            .Select(look => look.Path.Split('.'))
            .Where(p => p.Length == 3 && p[0] == "steps" && !(outputs.TryGetValue(p[1], out var known) && known.ContainsKey(p[2])))
            .Select(p => p[1]).FirstOrDefault();

    private List<string> ApprovalReasons(PlanningRequest request, EvaluationInputs inputs, DataLoss? loss, bool destructive)
    {
        var reasons = new List<string>();
        var allowed = Math.Max(request.AllowDataLossBytes ?? 0, inputs.MaxDataLossBytes);
        var accepted = IsAccepted(loss, allowed);
        if (!accepted)
        {
            reasons.Add(LossReason(loss!, allowed));
        }
        if (request.Runbook.Approval is not { } approval)
            return reasons;
        if (approval.When is null)
        {
            reasons.Add("the runbook asks for an approval every time");
            return reasons;
        }
        // what the caller accepted by name does not count as a loss once more
        var outcome = services.Evaluator.Evaluate(approval.When,
            services.Evaluator.Values(inputs with { PlanLoss = accepted ? null : loss, PlanDestructive = destructive }));
        if (outcome.Result != false)
            reasons.Add($"the runbook asks for an approval {(outcome.Result is null ? "where it cannot be told" : "here")}: {outcome.Explanation}");
        return reasons;
    }

    /// <summary>Whether a loss is within what is allowed; unknown is covered only by "any".</summary>
    public static bool IsAccepted(DataLoss? loss, long allowed) =>
        loss is null || allowed == long.MaxValue || (loss.Bytes is { } bytes && bytes <= allowed);

    private static string HashOf(PlanningRequest request, List<PlannedStep> steps, DataLoss? loss)
    {
        var text = new StringBuilder()
            .Append(request.EvidenceHash).Append('\n').Append(request.Runbook.ContentHash).Append('\n');
        foreach (var (name, value) in request.Parameters.OrderBy(p => p.Key, StringComparer.Ordinal))
            text.Append(name).Append('=').Append(value).Append('\n');
        foreach (var step in steps)
        {
            text.Append(step.Id).Append(' ').Append(step.Action).Append(' ').Append(step.SkippedBecause is null).Append('\n');
            foreach (var act in step.Acts)
                text.Append(act.Kind).Append(' ').Append(act.Target).Append(' ').Append(act.Detail).Append(' ').Append(act.Destructive).Append('\n');
        }
        // rows that can still be read move while a database is in use; the moment and the bytes do not
        text.Append(loss is null ? "none" : string.Create(CultureInfo.InvariantCulture, $"{loss.Bytes} {loss.Since:O}"));
        // a plan shown before there is an incident is the plan that the incident then has
        text.Replace(request.IncidentId, "INCIDENT");
        return Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString()))).ToLowerInvariant();
    }
}
