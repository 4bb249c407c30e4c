using System.Globalization;
using DbRecovery.Engine.Health;

namespace DbRecovery.Engine.Faults.Rules;

/// <summary>Settings are not what replication and a takeover need, or not what the inventory says.</summary>
internal sealed class ConfigDriftRule : ServerNodeRule
{
    // a standby with less than its primary cannot replay what the primary does: https://www.postgresql.org/docs/current/hot-standby.html#HOT-STANDBY-ADMIN
    private static readonly string[] s_notLess = ["max_connections", "max_prepared_transactions", "max_locks_per_transaction", "max_wal_senders", "max_worker_processes"];
    // after a takeover the new primary must behave as the old one did
    private static readonly string[] s_alike = ["wal_level", "wal_log_hints", "full_page_writes", "synchronous_commit", "archive_mode", "max_slot_wal_keep_size"];

    public override FaultClass Class { get; } = new("config.drift", FaultSeverity.Notice, Servers,
        "settings differ from what replication or a takeover needs, from the other nodes', or from the inventory",
        [new("settings", FactType.List, null, "the settings, each with what is and what should be")]);

    protected override Fault? Judge(ClusterView view, ReplicationView cluster, NodeObservation node)
    {
        if (node.Reachability != Reachability.Reachable || (cluster.Members.Count < 2 && view.Cluster.Policy.Synchronous == 0))
            return null;
        var found = Found(view, cluster, node).ToList();
        return found.Count == 0 ? null : Make(view, node.Node, FaultConfidence.Certain, $"settings of '{node.Node}' are not as they should be: {string.Join("; ", found)}",
            [Says(node, PostgreSqlFacts.Settings.Name, FactValue.OfList(found), "what is, and what should be")],
            ["pg.sync-blocked, pg.replica.receiver-down: nothing is broken by it now"], new Dictionary<string, FactValue> { ["settings"] = FactValue.OfList(found) }, confirmations: Patient(view));
    }

    private static IEnumerable<string> Found(ClusterView view, ReplicationView cluster, NodeObservation node)
    {
        if (node.Facts.Bool(PostgreSqlFacts.Rewindable) == false)
            yield return "no rewind is possible: full_page_writes, and data checksums or wal_log_hints, are needed";
        if (ReplicationView.Setting(node, "wal_level") == "minimal")
            yield return "wal_level=minimal, and replica is needed";
        if (ReplicationView.Setting(node, "hot_standby") == "off")
            yield return "hot_standby=off, and on is needed";
        var policy = view.Cluster.Policy.Synchronous;
        if (node.Role == NodeRole.Primary && policy > 0 && node.Facts.Int(PostgreSqlFacts.SyncRequired) is { } required && required < policy)
            yield return $"synchronous_standby_names waits for {required}, and the inventory says {policy}";
        if (cluster.Leader is not { } leader || leader.Node == node.Node)
            yield break;
        foreach (var name in s_notLess)
        {
            if (Number(leader, name) is { } needed && Number(node, name) is { } own && own < needed)
                yield return $"{name}={own}, and the primary's is {needed}";
        }
        foreach (var name in s_alike)
        {
            if (ReplicationView.Setting(leader, name) is { } theirs && ReplicationView.Setting(node, name) is { } own && own != theirs)
                yield return $"{name}={own}, and the primary's is {theirs}";
        }
    }

    private static long? Number(NodeObservation node, string name) => long.TryParse(ReplicationView.Setting(node, name), NumberStyles.Integer, CultureInfo.InvariantCulture, out var value) ? value : null;
}
