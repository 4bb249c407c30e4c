using System.Collections;
using System.Globalization;
using System.Management.Automation;
using DbRecovery.PowerShell.Completers;

namespace DbRecovery.PowerShell.Commands;

/// <summary>Recovers from a fault with a runbook.</summary>
/// <remarks>Picks the runbook that answers the fault (or takes the one of -Runbook), works out the plan, asks once with the whole plan in the question, carries it out step by step, verifies the result and writes the incident's report. With -WhatIf the plan is shown and written as an object, and nothing is changed. What a policy, a cooldown, a pause or a missing approval forbids is not done; the report says so.</remarks>
/// <example><code>Test-DbHealth -Cluster app | Get-DbFault | Invoke-DbRunbook -WhatIf</code><para>Shows what would be done.</para></example>
/// <example><code>Test-DbHealth -Cluster app | Get-DbFault | Invoke-DbRunbook -Confirm:$false</code><para>Recovers without asking.</para></example>
/// <example><code>Get-DbFault app | Invoke-DbRunbook -Runbook sqlite-corrupt-data -AllowDataLoss 10MB</code><para>Uses one runbook, and accepts losing up to 10 MB of committed data.</para></example>
[Cmdlet(VerbsLifecycle.Invoke, "DbRunbook", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High)]
[OutputType(typeof(IncidentReport), typeof(RecoveryPlan))]
public sealed class InvokeDbRunbookCommand : DbCmdlet
{
    /// <summary>The fault, from Get-DbFault.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true)]
    [ValidateNotNull]
    public Fault? Fault { get; set; }

    /// <summary>The name or file of the runbook. Without it: the one that answers the fault best.</summary>
    [Parameter]
    [ArgumentCompleter(typeof(RunbookCompleter))]
    [ValidateNotNullOrEmpty]
    public string? Runbook { get; set; }

    /// <summary>Values for the runbook's parameters, by name.</summary>
    [Parameter]
    [ValidateNotNull]
    public Hashtable? Parameter { get; set; }

    /// <summary>How much committed data may be lost: a size such as 0B or 10MB, or Any. Without it: what the cluster's policy allows.</summary>
    [Parameter]
    [SizeTransformation]
    [ValidateRange(0L, long.MaxValue)]
    public long? AllowDataLoss { get; set; }

    /// <summary>Leaves out the second question that is asked where data would be lost and $ConfirmPreference left out the first. It skips no check.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord() => Try(Fault, () =>
    {
        var parameters = Values();
        var runbook = Runbook is not null && LooksLikePath(Runbook) ? ResolvePath(Runbook, nameof(Runbook)) : Runbook;
        var plan = Work("Planning the recovery", (operation, token) => operation.Runtime.PlanAsync(Fault!, runbook, parameters, AllowDataLoss, token));
        SayWhy(plan);
        if (!PlanAgreement.IsGiven(this, plan, AllowDataLoss, Force))
            return;
        var incident = Work("Recovering", (operation, token) =>
            operation.Runtime.RecoverAsync(Fault!, runbook, parameters, AllowDataLoss, operation.Timeline, operation.Progress, token), IncidentAdvice.Unfinished);
        WriteObject(incident);
        IncidentAdvice.Write(this, incident);
    });

    private void SayWhy(RecoveryPlan plan)
    {
        var answering = Runbook is null ? Work("Reading runbooks", (operation, _) => Task.FromResult(operation.Runtime.GetRunbooks(fault: Fault))) : [];
        WriteVerbose($"Runbook {plan.Runbook} {plan.RunbookVersion} for {plan.Fault.Id}: "
            + (Runbook is null ? $"the best match of {answering.Count} that answer the fault ({string.Join(", ", answering.Select(r => r.Name))})." : "named with -Runbook."));
        foreach (var step in plan.Steps)
            WriteVerbose($"Step {step.Id} ({step.Action}): {step.SkippedBecause ?? string.Join("; ", step.Acts.Select(a => a.Detail))}");
        foreach (var reason in plan.Blocked)
            WriteVerbose($"Blocked: {reason}");
    }

    private Dictionary<string, string>? Values()
    {
        if (Parameter is null)
            return null;
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (DictionaryEntry entry in Parameter)
        {
            var value = entry.Value is PSObject wrapped ? wrapped.BaseObject : entry.Value;
            values[Convert.ToString(entry.Key, CultureInfo.InvariantCulture) ?? ""] = value switch
            {
                TimeSpan time => string.Create(CultureInfo.InvariantCulture, $"{time.TotalMilliseconds:0}ms"),
                bool flag => flag ? "true" : "false",
                _ => Convert.ToString(value, CultureInfo.InvariantCulture) ?? "",
            };
        }
        return values;
    }

    private static bool LooksLikePath(string text) =>
        text.AsSpan().IndexOfAny('/', '\\') >= 0 || text.EndsWith(".yml", StringComparison.OrdinalIgnoreCase) || text.EndsWith(".yaml", StringComparison.OrdinalIgnoreCase);
}
