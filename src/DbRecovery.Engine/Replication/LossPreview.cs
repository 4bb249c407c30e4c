using System.Globalization;
using DbRecovery.Engine.Actions;

namespace DbRecovery.Engine.Replication;

/// <summary>Works out what a takeover would lose. Zero is said only where synchronous replication proves it, and what cannot be known is unknown.</summary>
internal static class LossPreview
{
    /// <summary>The log grows by fits: what was the fastest growth of the last rounds is taken twice.</summary>
    private const double GrowthFactor = 2;

    /// <summary>Below this an estimate says nothing: a few pages are written in no time.</summary>
    private const long LeastEstimate = 64 * 1024;

    /// <summary>The time that a primary may go on writing after it was called down without being seen dead: that of a fence.</summary>
    private static readonly TimeSpan UntilFenced = TimeSpan.FromSeconds(10);

    /// <summary>A time for which a primary may write on that a reader of the loss would not take for granted.</summary>
    private static readonly TimeSpan WorthSaying = TimeSpan.FromMinutes(1);

    /// <summary>
    /// The moment by which the old primary had written its last. One that merely gave no answer may have written until it was seen to be gone, or was stopped,
    /// however long after it was called down that was.
    /// </summary>
    /// <param name="context">What the takeover works with.</param>
    /// <param name="seen">What was seen; a refused connection says that nobody listens any more.</param>
    /// <param name="old">The primary that is replaced; null where nobody knows one.</param>
    /// <param name="stoppedAt">When a fence had stopped it; null where none did.</param>
    public static DateTimeOffset EndOf(ActionContext context, HealthReport seen, string? old, DateTimeOffset? stoppedAt)
    {
        if ((seen.LastPrimary?.GoneAt ?? stoppedAt) is { } ended)
            return ended;
        var now = context.Clock.GetUtcNow();
        var detectedAt = context.Fault?.DetectedAt ?? now;
        var reachability = seen.Observations.FirstOrDefault(o => o.Node == old)?.Reachability;
        // what one that answers writes is seen until it is stopped
        if (context.AnsweredBy > detectedAt && reachability != Reachability.Reachable)
            return context.AnsweredBy.Value + UntilFenced;
        var called = reachability == Reachability.Absent ? detectedAt : detectedAt + UntilFenced;
        // one that nothing has stopped, however long ago that was, writes until now
        return context.Acting && reachability != Reachability.Absent && now > called ? now : called;
    }

    /// <summary>What is lost if a node takes over.</summary>
    /// <param name="cluster">The cluster.</param>
    /// <param name="last">What is known of the primary.</param>
    /// <param name="seen">What was seen of the replicas.</param>
    /// <param name="candidate">Who takes over.</param>
    /// <param name="place">What it has.</param>
    /// <param name="endedBy">The moment by which the primary had written its last.</param>
    public static DataLoss Of(ClusterDefinition cluster, LastPrimary? last, IReadOnlyList<NodeObservation> seen, string candidate, LogPlace place, DateTimeOffset endedBy)
    {
        if (SynchronousProof.HoldsAll(cluster, last, seen, place, endedBy))
        {
            return new DataLoss
            {
                Bytes = 0,
                Statement = $"Nothing that was acknowledged is lost: {last!.SynchronousRequired} of {string.Join(", ", last.Synchronous)} had to have it, and '{candidate}' has all that these have. "
                    + "What sessions committed with synchronous_commit off or local is not covered by that.",
            };
        }
        if (last is null)
            return Unknown(null, "nothing is known of the primary before");
        if (LogPlace.Of(last.Position) is not { } end)
            return Unknown(last.At, "where the primary's log ended was never seen");
        if (end.Timeline != place.Timeline)
            return Unknown(last.At, $"'{candidate}' is on timeline {place.Timeline}, and the primary was last seen on {end.Timeline}");
        var furthest = seen.Where(o => o.Node != last.Node && (last.SystemId is null || o.SystemId == last.SystemId)).Select(LogPlace.Of).OfType<LogPlace>()
            .Where(p => p.Timeline == place.Timeline).Append(end).Max();
        var unseen = endedBy > last.At ? endedBy - last.At : TimeSpan.Zero;
        if (last.BytesPerSecond is not { } rate || !double.IsFinite(rate))
            return Unknown(last.At, "how fast the primary wrote is not known: it was seen once only");
        var behind = Math.Max(0, furthest.Bytes - place.Bytes);
        var grown = Math.Max(LeastEstimate, (long)Math.Min(long.MaxValue / 4, rate * unseen.TotalSeconds * GrowthFactor));
        return new DataLoss
        {
            Bytes = behind + grown,
            Since = last.At,
            Statement = string.Create(CultureInfo.InvariantCulture,
                $"Up to {Counted.Of(behind + grown, "byte")} of the log may be lost: '{candidate}' lacks {behind} that are known of, and up to {grown} may have been written since the primary was last seen at {last.At.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC{(unseen > WorthSaying ? $", until {endedBy.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC" : "")}."),
        };
    }

    private static DataLoss Unknown(DateTimeOffset? since, string because) => new() { Bytes = null, Since = since, Statement = $"How much is lost cannot be known: {because}." };
}
