using System.Globalization;

namespace DbRecovery.PostgreSql.Setup;

/// <summary>A setting that recovery relies on.</summary>
/// <param name="Name">The setting.</param>
/// <param name="What">What it is for.</param>
/// <param name="Value">The value that is set where it is not right.</param>
/// <param name="IsRight">Whether the present value will do, in the unit of <c>pg_settings</c>.</param>
/// <param name="Required">Whether something does not work without it.</param>
internal sealed record SettingNeed(string Name, string What, string Value, Func<string, bool> IsRight, bool Required)
{
    private const long SlowRetry = 1000;
    private static readonly TimeSpan LeastReceiverTimeout = TimeSpan.FromSeconds(4);
    private static readonly TimeSpan LeastSenderTimeout = TimeSpan.FromSeconds(10);

    /// <summary>What the nodes of a cluster need.</summary>
    /// <param name="cluster">The cluster.</param>
    /// <param name="node">The node.</param>
    /// <param name="primary">Whether it is the primary.</param>
    /// <param name="checksums">Whether its pages have checksums, which do what hint bits in the log would.</param>
    internal static IEnumerable<SettingNeed> Of(ClusterDefinition cluster, NodeDefinition node, bool primary, bool checksums)
    {
        var (replicas, least) = (cluster.Nodes.Count - 1, cluster.Nodes.Count * 2);
        if (!checksums)
            yield return new("wal_log_hints", "lets a former primary be rewound rather than copied anew; data checksums would, too", "on", v => v == "on", Required: false);
        yield return new("wal_level", "the log holds what a standby needs", "replica", v => v is "replica" or "logical", Required: true);
        yield return new("hot_standby", "a standby answers queries, by which it is observed", "on", v => v == "on", Required: true);
        yield return new("full_page_writes", "a rewind relies on whole pages in the log", "on", v => v == "on", Required: true);
        yield return new("max_wal_senders", "a sender for each replica and for a copy", Text(Math.Max(10, least + 2)), v => Number(v) >= replicas + 2, Required: true);
        yield return new("max_replication_slots", "a slot for each replica", Text(Math.Max(10, least)), v => Number(v) >= replicas, Required: true);
        yield return new("wal_retrieve_retry_interval", "a promotion right after a failure does not wait for it (the default is 5 s)", "100ms", v => Number(v) <= SlowRetry, Required: false);
        // twice the time in which a silent node is called down, as the receiver asks at half of its own
        var receiver = Quantities.Most(2 * cluster.Policy.DetectWithin, LeastReceiverTimeout);
        yield return new("wal_receiver_timeout", "a standby of a quiet primary asks for a sign of life after half of it, and only then proves that a primary is silent (the default is 60 s)",
            Seconds(receiver), v => IsShort(v, receiver), Required: false);
        var sender = Quantities.Most(2 * receiver, LeastSenderTimeout);
        yield return new("wal_sender_timeout", "the primary ends the stream to a standby that is gone, which frees its slot for it when it is back (the default is 60 s)",
            Seconds(sender), v => IsShort(v, sender), Required: false);
        yield return new("wal_keep_size", "a former primary still finds the log by which it is rewound", "1GB", v => Number(v) > 0, Required: false);
        yield return new("max_slot_wal_keep_size", "a replica that is away does not fill the disk of its primary", "10GB", v => Number(v) >= 0, Required: false);
        yield return new("recovery_target_timeline", "a standby follows a promoted one", "latest", v => v is "latest" or "", Required: true);
        if (cluster.Policy.Synchronous <= 0 || !primary)
            yield break;
        var names = cluster.Nodes.Where(n => n.Name != node.Name).Select(n => SqlText.Identifier(n.Name));
        yield return new("synchronous_standby_names", "what is acknowledged is on a standby, too (policy: synchronous)",
            $"ANY {Text(cluster.Policy.Synchronous)} ({string.Join(", ", names)})", v => v.Trim().Length > 0, Required: true);
        yield return new("synchronous_commit", "a commit waits for the standbys (policy: synchronous)", "on", v => v is "on" or "remote_write" or "remote_apply", Required: true);
    }

    private static string Seconds(TimeSpan time) => $"{Text((int)Math.Ceiling(time.TotalSeconds))}s";

    // in milliseconds; 0 turns it off. What is half as long again does nearly as well
    private static bool IsShort(string value, TimeSpan wanted) => Number(value) is > 0 and var number && number <= wanted.TotalMilliseconds * 1.5;

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static long Number(string value) => long.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) ? number : 0;
}
