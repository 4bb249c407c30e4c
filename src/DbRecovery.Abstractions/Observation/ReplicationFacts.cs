namespace DbRecovery;

/// <summary>What the core adds to the observation of each node of a cluster with replication: what the other nodes say of it and of the primary.</summary>
public static class ReplicationFacts
{
    /// <summary>Other nodes.</summary>
    public static readonly FactDefinition PeersTotal = new("peers.total", FactType.Int, null, "the other nodes of the cluster");
    /// <summary>Other nodes with fresh evidence.</summary>
    public static readonly FactDefinition PeersFresh = new("peers.fresh", FactType.Int, null, "other nodes that answered in this round");
    /// <summary>Whether they are a majority.</summary>
    public static readonly FactDefinition PeersFreshMajority = new("peers.freshMajority", FactType.Bool, null, "more than half of the other nodes answered in this round, and at least one");
    /// <summary>Other nodes that stream from this one.</summary>
    public static readonly FactDefinition PeersStreaming = new("peers.streaming", FactType.Int, null, "other nodes that say that they stream from this one now");
    /// <summary>Other nodes that say that they lost this one.</summary>
    public static readonly FactDefinition PeersStale = new("peers.stale", FactType.Int, null, "other nodes that follow this one, and say that they receive nothing from it");
    /// <summary>The present primary.</summary>
    public static readonly FactDefinition Primary = new("primary.node", FactType.Text, null, "the node that is primary, or last was");
    /// <summary>Whether it takes writes.</summary>
    public static readonly FactDefinition PrimaryAlive = new("primary.alive", FactType.Bool, null, "a node of the cluster is primary and answers");
    /// <summary>Whether its data are damaged.</summary>
    public static readonly FactDefinition PrimaryDamaged = new("primary.damaged", FactType.Bool, null, "the primary has read damaged pages, or a check found damage there; unknown where it has no checksums and was not checked");
    /// <summary>Whether the lag in bytes.</summary>
    public static readonly FactDefinition LagBytes = new("replication.lagBytes", FactType.Int, "B", "bytes between the end of the primary's log and what the replica has applied");
    /// <summary>What it has not received.</summary>
    public static readonly FactDefinition ReceiveLagBytes = new("replication.receiveLagBytes", FactType.Int, "B", "bytes between the end of the primary's log and what the replica has received");
    /// <summary>Lag in time.</summary>
    public static readonly FactDefinition LagTime = new("replication.lagTime", FactType.Number, "s", "the time since the last transaction that the replica applied was committed; 0 where nothing is missing");
    /// <summary>Consecutive rounds without an answer.</summary>
    public static readonly FactDefinition Failures = new("node.failures", FactType.Int, null, "rounds in a row in which the node gave no answer");
    /// <summary>The takeover epoch of the node.</summary>
    public static readonly FactDefinition Epoch = new("node.epoch", FactType.Int, null, "the takeover epoch that the node's own data holds");
    /// <summary>The node that this takeover made primary.</summary>
    public static readonly FactDefinition EpochPrimary = new("node.epochPrimary", FactType.Text, null, "the node that the takeover of that epoch made primary; empty where there was none");
}
