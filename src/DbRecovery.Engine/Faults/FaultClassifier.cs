using DbRecovery.Engine.Faults.Rules;
using DbRecovery.Engine.Health;

namespace DbRecovery.Engine.Faults;

/// <summary>
/// Names what is wrong with a cluster. The rules stand in the order in which they decide: what makes every other look
/// worthless (the place is not there, the watcher is cut off) before what is a refusal of a living database, before nodes that are
/// the cluster's no more or more than once its primary, before corruption, the disk, death, replication, the data, backups and speed. A fault that an earlier one on the same node explains is left out: acting on a consequence makes things worse.
/// </summary>
public static class FaultClassifier
{
    private static readonly FaultRule[] Rules =
    [
        new WatcherIsolatedRule(),
        new PartialPartitionRule(),
        new ConnectionsExhaustedRule(),
        new LoginRejectedRule(),
        new CrashLoopRule(),
        new CrashRecoveryRule(),
        new RefusingRule(),
        new SystemIdMismatchRule(),
        new NodeTwiceRule(),
        new SplitBrainRule(),
        new StalePrimaryRule(),
        new PromotedOutOfBandRule(),
        new CorruptionRule(),
        new DiskFullRule(),
        new DiskErrorRule(),
        new PrimaryDeadRule(),
        new HungRule(),
        new ProcessDownRule(),
        new HostUnreachableRule(),
        new NoWritablePrimaryRule(),
        new RoutingWrongTargetRule(),
        new SyncBlockedRule(),
        new WraparoundRule(),
        new WalGapRule(),
        new TimelineDivergedRule(),
        new ReceiverDownRule(),
        new ReplayPausedRule(),
        new LaggingRule(),
        new SlotLostRule(),
        new SlotBloatRule(),
        new ArchiveFailingRule(),
        new PreparedOrphanRule(),
        new ConfigDriftRule(),
        new SqliteEnvironmentRule(),
        new SqliteRecoveryNeededRule(),
        new SqliteCorruptRule(),
        new SqliteBusyRule(),
        new MissingObjectRule(),
        new ConstraintBrokenRule(),
        new BackupStaleRule(),
        new BackupUnverifiedRule(),
        new BackupFilesMissingRule(),
        new LockPileupRule(),
        new LongTransactionRule(),
        new LatencyRule(),
        new CustomCheckRule(),
    ];

    /// <summary>The classes that the rules know, without those of an inventory's own checks.</summary>
    internal static IReadOnlyList<FaultClass> KnownClasses { get; } = Rules.Where(r => r is not CustomCheckRule).Select(r => r.Class).ToArray();

    /// <summary>Whether a fault of a class is an outage that a quick look shows in full: a node that does not answer shows no more to a longer one, which costs time.</summary>
    public static bool IsSeenAtOnce(string id) => Array.Exists(Rules, r => r is OutageRule or CrashLoopRule && r.Class.Id == id);

    /// <summary>The faults of the cluster, gravest first; of equals, in the order of decision.</summary>
    public static IReadOnlyList<Fault> Classify(ClusterView view)
    {
        var faults = new List<Fault>();
        var explained = new HashSet<(string Id, string? Node)>();
        foreach (var rule in Rules)
        {
            foreach (var fault in rule.Judge(view).ToList())
            {
                if (explained.Contains((fault.Id, fault.Node)))
                    continue;
                faults.Add(fault);
                explained.UnionWith(rule.Explains.Select(id => (id, fault.Node)));
            }
        }
        return faults.OrderBy(f => f.Severity).ToArray();
    }
}
