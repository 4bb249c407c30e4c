using System.Management.Automation;
using DbRecovery.Shells;

namespace DbRecovery.PowerShell.Commands;

/// <summary>Asks whether a plan shall be carried out, with the whole plan in the question.</summary>
internal static class PlanAgreement
{
    /// <summary>Asks once; with -WhatIf writes the plan and asks nothing.</summary>
    /// <param name="cmdlet">The command.</param>
    /// <param name="plan">The plan.</param>
    /// <param name="allowedLoss">What the caller said may be lost.</param>
    /// <param name="force">Whether the second question is left out, which is asked where data would be lost and the first was set aside by a preference.</param>
    public static bool IsGiven(DbCmdlet cmdlet, RecoveryPlan plan, long? allowedLoss, bool force)
    {
        var text = PlanText.Describe(plan);
        var caption = PlanText.IsAsked(plan.Fault) ? $"Change {plan.Cluster}" : $"Recover {plan.Cluster}";
        if (!cmdlet.ShouldProcess(text, text + Environment.NewLine + "Carry this plan out?", caption, out var reason))
        {
            if (reason == ShouldProcessReason.WhatIf)
                cmdlet.WriteObject(plan);
            return false;
        }
        // the question above was asked unless the caller set it aside; data loss is not set aside with a preference for everything
        var asked = cmdlet.MyInvocation.BoundParameters.ContainsKey("Confirm") || cmdlet.GetVariableValue("ConfirmPreference") is not ConfirmImpact.None;
        return asked || force || allowedLoss is null || plan.Loss is null
            || cmdlet.ShouldContinue(plan.Loss.Statement + Environment.NewLine + "Carry the plan out and lose this?", caption);
    }
}
