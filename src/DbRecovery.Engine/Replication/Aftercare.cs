using DbRecovery.Engine.Actions;

namespace DbRecovery.Engine.Replication;

/// <summary>What a takeover leaves that nobody but a person can settle: told, as facts of the step, and never acted on.</summary>
internal sealed class Aftercare(ActionContext context, NodeDefinition primary)
{
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(5);

    /// <summary>What a step that changed the primary tells of it.</summary>
    public static readonly FactDefinition[] Outputs =
    [
        new("lostSlots", FactType.List, null, "logical replication slots of the old primary that the new one does not have: their consumers begin anew"),
        new("preparedTransactions", FactType.List, null, "prepared transactions, which survive a promotion and hold their locks, as 'gid' (database)"),
        new("subscriptions", FactType.List, null, "subscriptions that the new primary goes on with"),
    ];

    /// <summary>Looks, within a short time; what cannot be seen is a remark.</summary>
    public async Task<IReadOnlyDictionary<string, FactValue>> LookAsync(List<string> remarks, CancellationToken cancellationToken)
    {
        try
        {
            var found = await context.Replication("failover").LookAfterPromotionAsync(context.Cluster, primary, Look, cancellationToken).ConfigureAwait(false);
            string[] lost = [.. (context.Seen?.LastPrimary?.LogicalSlots ?? []).Except(found.LogicalSlots, StringComparer.Ordinal)];
            lock (remarks)
                remarks.AddRange(Told(lost, found));
            return new Dictionary<string, FactValue>
            {
                ["lostSlots"] = FactValue.OfList(lost), ["preparedTransactions"] = FactValue.OfList(found.PreparedTransactions), ["subscriptions"] = FactValue.OfList(found.Subscriptions),
            };
        }
        catch (DbRecoveryException e)
        {
            lock (remarks)
                remarks.Add($"what the takeover leaves could not be looked at: {e.Message}");
            return new Dictionary<string, FactValue>();
        }
    }

    private IEnumerable<string> Told(string[] lost, PromotionFindings found)
    {
        if (lost.Length > 0)
            yield return $"the logical slots {string.Join(", ", lost)} are not on '{primary.Name}': whoever read them must begin anew, and compare what it has";
        if (found.PreparedTransactions.Count > 0)
            yield return $"prepared transactions wait for a COMMIT or ROLLBACK PREPARED: {string.Join(", ", found.PreparedTransactions)}";
        if (found.Subscriptions.Count > 0)
            yield return $"'{primary.Name}' goes on with the subscriptions {string.Join(", ", found.Subscriptions)}: where writes were lost, what they had brought since must be copied again";
    }
}
