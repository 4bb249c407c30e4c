using DbRecovery.Engine.Actions;
using DbRecovery.Engine.Files;

namespace DbRecovery.Engine.Replication;

/// <summary>
/// Asks a node to become primary, and says so on disk before: whoever goes on knows from then on that it may come to pass, however long after. Only
/// an attempt that certainly asked nothing takes its own mark back.
/// </summary>
internal static class PromotionMark
{
    /// <summary>The file's name.</summary>
    internal const string Name = "promoting";

    /// <summary>Whether a promotion was asked for in an incident.</summary>
    public static bool IsSet(string incidentFolder) => File.Exists(Path.Combine(incidentFolder, Name));

    /// <summary>Whether an attempt that failed so certainly asked nothing.</summary>
    public static bool AskedNothing(DbRecoveryException error) =>
        error.Id is not (ErrorIds.WrongNode or ErrorIds.OutcomeUnknown or ErrorIds.TimedOut or ErrorIds.Unexpected or ErrorIds.Cancelled);

    /// <summary>Promotes.</summary>
    public static async Task<OperationOutcome> PromoteAsync(ActionContext context, NodeDefinition candidate, CancellationToken cancellationToken)
    {
        var mark = Path.Combine(context.IncidentFolder, Name);
        var askedBefore = File.Exists(mark);
        try
        {
            FileErrors.Guarded(mark, ErrorIds.StepFailed, () => { DurableFile.WriteAllText(mark, candidate.Name); return true; });
            return await context.Replication("a promotion").Promote(context.Cluster, candidate).RunAsync(context.Timeout, context.Progress, cancellationToken).ConfigureAwait(false);
        }
        catch (DbRecoveryException e) when (!askedBefore && AskedNothing(e))
        {
            if (File.Exists(mark))
                File.Delete(mark);
            throw;
        }
    }
}
