namespace DbRecovery.Engine.Health;

/// <summary>Everything that is known of a cluster at one moment: what the fault rules judge. Data only, so a recorded view can be judged again.</summary>
public sealed record ClusterView
{
    /// <summary>The cluster as it was defined.</summary>
    public required ClusterDefinition Cluster { get; init; }
    /// <summary>The moment of the judgement (UTC).</summary>
    public required DateTimeOffset At { get; init; }
    /// <summary>What was seen of each node in this round.</summary>
    public required IReadOnlyList<NodeObservation> Nodes { get; init; }
    /// <summary>What is known of the cluster's backups; null where no repository is configured, or nobody looked at it.</summary>
    public BackupKnowledge? Backups { get; init; }
    /// <summary>What earlier rounds knew of a node, by its name; a node that was never seen is absent.</summary>
    public IReadOnlyDictionary<string, NodeMemory> Memory { get; init; } = new Dictionary<string, NodeMemory>();
    /// <summary>What is known of the primary from before; null where none was ever seen.</summary>
    public LastPrimary? LastPrimary { get; init; }
    /// <summary>Where each route leads; empty where nobody looked.</summary>
    public IReadOnlyList<RouteObservation> Routes { get; init; } = [];
    /// <summary>What the checks of the user's own gave.</summary>
    public IReadOnlyList<CustomCheckResult> CustomChecks { get; init; } = [];

    private ReplicationView? _replication;

    /// <summary>What the nodes say of each other; computed once, and anew for a changed copy.</summary>
    internal ReplicationView Replication => _replication is { } known && ReferenceEquals(known.View, this) ? known : _replication = new ReplicationView(this);
}

/// <summary>What is known of a cluster's backups.</summary>
public sealed record BackupKnowledge
{
    /// <summary>The repository's name.</summary>
    public required string Repository { get; init; }
    /// <summary>Why the repository could not be read; null where it could. With a reason, the lists are empty and say nothing.</summary>
    public string? Unreadable { get; init; }
    /// <summary>Whether it was only not waited for any longer, so that it may be in order.</summary>
    public bool Late { get; init; }
    /// <summary>The repository's folder, where it does not exist: nothing was ever backed up, or its disk is not mounted.</summary>
    public string? MissingPath { get; init; }
    /// <summary>The complete backups, newest first.</summary>
    public IReadOnlyList<BackupInfo> Complete { get; init; } = [];
    /// <summary>Manifests that are damaged.</summary>
    public int Damaged { get; init; }

    /// <summary>Why nothing is known of the backups; null where it is.</summary>
    public string? Unknown => Unreadable ?? (MissingPath is null ? null : $"the repository's folder '{MissingPath}' does not exist");
    /// <summary>The newest complete backup.</summary>
    public BackupInfo? Newest => Complete.Count == 0 ? null : Complete[0];
    /// <summary>The files that the newest complete backup is without, and that the cluster still names.</summary>
    public IReadOnlyList<string> MissingFiles(ClusterDefinition cluster) => [.. (Newest?.MissingFiles ?? []).Intersect(cluster.Backups?.Files ?? [], StringComparer.Ordinal)];
    /// <summary>The newest complete backup whose last test passed.</summary>
    public BackupInfo? NewestProved => Complete.FirstOrDefault(b => b.Proof is { Passed: true });
    /// <summary>When a backup last passed a test.</summary>
    public DateTimeOffset? LastProofAt => Complete.Where(b => b.Proof is { Passed: true }).Max(b => (DateTimeOffset?)b.Proof!.TestedAt);
}

/// <summary>What a check of the user's own gave on a node.</summary>
/// <param name="Check">The check.</param>
/// <param name="Node">The node.</param>
/// <param name="Value">The value; null where there is none.</param>
/// <param name="UnknownBecause">Why there is none.</param>
public sealed record CustomCheckResult(CustomCheck Check, string Node, FactValue? Value, string? UnknownBecause)
{
    /// <summary>The bound as text.</summary>
    public string Threshold => string.Join(" and ", new[]
    {
        Check.AtLeast is { } low ? string.Create(System.Globalization.CultureInfo.InvariantCulture, $"at least {low}") : null,
        Check.AtMost is { } high ? string.Create(System.Globalization.CultureInfo.InvariantCulture, $"at most {high}") : null,
        Check.Is is { } word ? $"is {word}" : null,
    }.Where(t => t is not null));

    /// <summary>Whether the value keeps the bound; null where that cannot be told.</summary>
    public bool? Holds
    {
        get
        {
            if (Value is not { } value)
                return null;
            if (Check.Is is not null && value.ToString() != Check.Is)
                return false;
            if (Check.AtLeast is null && Check.AtMost is null)
                return true;
            if (AsNumber(value) is not { } number || double.IsNaN(number))
                return null;
            return !(number < Check.AtLeast) && !(number > Check.AtMost);
        }
    }

    private static double? AsNumber(FactValue value) => value.Type switch
    {
        FactType.Int or FactType.Number => value.AsNumber(),
        FactType.Text when double.TryParse(value.AsText(), System.Globalization.NumberStyles.Float, System.Globalization.CultureInfo.InvariantCulture, out var parsed) => parsed,
        _ => null,
    };
}

/// <summary>The bounds that both the checks and the fault rules hold values against, so that the two never disagree.</summary>
internal static class Thresholds
{
    private const long MiB = 1024 * 1024;

    /// <summary>Below this nothing useful can be written any more: a journal alone needs more.</summary>
    public const long NoSpaceLeft = MiB;
    private const double LatencyFactor = 5;
    private static readonly TimeSpan LatencyFloor = TimeSpan.FromMilliseconds(50);

    /// <summary>The age of unfrozen transactions past which it is urgent; PostgreSQL refuses writes at about 2.1 thousand million.</summary>
    public const long MostXidAge = 1_500_000_000;
    /// <summary>Log that a slot without a consumer may hold back.</summary>
    public const long MostHeldBySlot = 1024 * MiB;
    /// <summary>The age past which a prepared transaction has been forgotten.</summary>
    public static readonly TimeSpan MostPrepared = TimeSpan.FromMinutes(5);

    /// <summary>The bytes past which a replica is behind: the policy's, else 1 GiB.</summary>
    public static long MostLag(ClusterDefinition cluster) => cluster.Policy.MaxLagBytes ?? 1024 * MiB;

    /// <summary>Whether a slot endangers the disk or itself: nobody reads it and it holds much, or it will lose its log at the next checkpoint.</summary>
    public static bool IsBloated(SlotObservation slot) =>
        slot.WalStatus == "unreserved" || (!slot.Active && (slot.WalStatus == "extended" || slot.HeldBytes > MostHeldBySlot));

    /// <summary>The free space that a node's disk must have: as declared, else 5 % of the data, at least 4 MiB and at most 1 GiB.</summary>
    public static long LeastFree(ClusterDefinition cluster, NodeObservation node) =>
        cluster.Expects.MinFreeBytes ?? Math.Clamp((node.Facts.Int(CommonFacts.DataSize) ?? 0) / 20, 4 * MiB, 1024 * MiB);

    /// <summary>
    /// The longest probe that is not slow, in seconds: as declared, else five times the baseline but never under 50 ms; null where neither is known.
    /// What every other node of the round is late by as well is this machine's, or the network's, and not the node's: it comes on top, twice, for a load
    /// does not hit all alike.
    /// </summary>
    public static double? SlowestProbe(ClusterView view, NodeObservation node)
    {
        var bound = view.Cluster.Expects.MaxLatency?.TotalSeconds
            ?? (node.Facts.Number(CommonFacts.ProbeBaseline) is { } baseline ? Math.Max(LatencyFloor.TotalSeconds, baseline * LatencyFactor) : null);
        return bound + 2 * OthersLate(view, node).DefaultIfEmpty(0).Min();
    }

    /// <summary>How much later than usual each of the other nodes answered, in seconds; those whose usual time is not known are left out.</summary>
    public static IEnumerable<double> OthersLate(ClusterView view, NodeObservation node) => view.Nodes.Where(n => n.Node != node.Node)
        .Select(n => n.Facts.Number(CommonFacts.ProbeLatency) - n.Facts.Number(CommonFacts.ProbeBaseline)).OfType<double>().Select(late => Math.Max(0, late));
}
