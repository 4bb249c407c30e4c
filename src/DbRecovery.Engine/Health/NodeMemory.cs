using System.Text.Json.Serialization;

namespace DbRecovery.Engine.Health;

/// <summary>What earlier rounds knew of a node.</summary>
public sealed record NodeMemory
{
    /// <summary>When the node was last seen whole (UTC); null where it never was.</summary>
    public DateTimeOffset? LastSeenAt { get; init; }
    /// <summary>The size of its data then.</summary>
    public long? LastSize { get; init; }
    /// <summary>The last probe latencies in seconds, oldest first.</summary>
    public IReadOnlyList<double> Latencies { get; init; } = [];

    /// <summary>The observation that was counted last: a watch judges one more than once.</summary>
    public DateTimeOffset? CountedAt { get; init; }
    /// <summary>When it last answered, whatever its state (UTC); null where it never did.</summary>
    public DateTimeOffset? AnsweredAt { get; init; }
    /// <summary>Its part in replication then.</summary>
    public NodeRole LastRole { get; init; }
    /// <summary>Rounds in a row, up to this one, in which it gave no answer.</summary>
    public int Failures { get; init; }
    /// <summary>Since when it answers with a refusal (UTC); null while it does not.</summary>
    public DateTimeOffset? RefusingSince { get; init; }
    /// <summary>The moments at which its server started again, as seen in the last 10 minutes (UTC).</summary>
    public IReadOnlyList<DateTimeOffset> Starts { get; init; } = [];
    /// <summary>The start of its server as it told it, in seconds since 1970.</summary>
    public double? StartedAt { get; init; }
    /// <summary>Whether a start that is under way is in <see cref="Starts"/> already.</summary>
    public bool Starting { get; init; }

    /// <summary>When it last streamed (UTC); null where it never did.</summary>
    public DateTimeOffset? StreamedAt { get; init; }
    /// <summary>The node that it received from.</summary>
    public string? Upstream { get; init; }
    /// <summary>The address that it received from.</summary>
    public string? Sender { get; init; }
    /// <summary>
    /// The last silences of its upstream while that lived, in seconds, oldest first, each as long as it was at the last look before a message ended it.
    /// The last one may be going on.
    /// </summary>
    public IReadOnlyList<double> Silences { get; init; } = [];

    /// <summary>Probes below which there is no baseline.</summary>
    public const int LeastSamples = 10;
    /// <summary>Probes that are kept.</summary>
    public const int MostSamples = 50;
    /// <summary>The time that starts are remembered.</summary>
    public static readonly TimeSpan StartsFor = TimeSpan.FromMinutes(10);

    /// <summary>The median of the probes; null where there are too few.</summary>
    [JsonIgnore]
    public double? Baseline
    {
        get
        {
            if (Latencies.Count < LeastSamples)
                return null;
            var sorted = Latencies.Order().ToArray();
            var middle = sorted.Length / 2;
            return sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
        }
    }

    /// <summary>The longest of the silences; null where too few have ended: one that grows from look to look says nothing of how long it usually is.</summary>
    [JsonIgnore]
    public double? LongestSilence => Silences.Count <= LeastEnded ? null : Silences.Max();

    private const int LeastEnded = 3;

    /// <summary>What is known with one more observation: how it answered, and what that says of its server's starts and its stream.</summary>
    /// <param name="node">The observation.</param>
    /// <param name="upstream">The node that it receives from; null where that is not known.</param>
    /// <param name="upstreamLives">Whether that node answers: only then is a silence an ordinary one.</param>
    internal NodeMemory With(NodeObservation node, string? upstream, bool upstreamLives)
    {
        if (CountedAt == node.ObservedAt)
            return this;
        var next = Counted(node) with { CountedAt = node.ObservedAt };
        if (node.Reachability != Reachability.Reachable)
            return next with
            {
                Failures = node.Reachability == Reachability.Refusing ? 0 : Failures + 1,
                RefusingSince = node.Reachability == Reachability.Refusing ? RefusingSince ?? node.ObservedAt : null,
            };
        var streaming = node.Upstream is { Streaming: true };
        return next with
        {
            AnsweredAt = node.ObservedAt, LastRole = node.Role, Failures = 0, RefusingSince = null,
            StreamedAt = streaming ? node.ObservedAt : StreamedAt,
            Upstream = streaming ? upstream : Upstream,
            Sender = streaming ? ReplicationView.Sender(node) : Sender,
            Silences = streaming && upstreamLives && node.Facts.Number(PostgreSqlFacts.ReceiptAge) is { } age ? Heard(node.ObservedAt, Math.Max(0, age)) : Silences,
        };
    }

    /// <summary>What is learnt of a node in an ordinary round: the size of its data, and how long its replies take.</summary>
    internal NodeMemory Learnt(NodeObservation node) => this with
    {
        LastSeenAt = node.ObservedAt, LastSize = node.Facts.Int(CommonFacts.DataSize) ?? node.Facts.Int(SqliteFacts.FileSize) ?? LastSize,
        Latencies = node.Facts.Number(CommonFacts.ProbeLatency) is { } latency ? Latencies.Append(latency).TakeLast(MostSamples).ToArray() : Latencies,
    };

    // a message that is younger than the last look has ended the silence of then
    private double[] Heard(DateTimeOffset at, double age) =>
        [.. (Silences.Count > 0 && CountedAt is { } before && age >= (at - before).TotalSeconds ? Silences.SkipLast(1) : Silences).Append(age).TakeLast(MostSamples)];

    // a server that restarts by itself after a crash of one of its processes keeps its start time: then its refusal tells the start
    private NodeMemory Counted(NodeObservation node)
    {
        var starts = Starts.Where(s => node.ObservedAt - s <= StartsFor).ToList();
        var starting = node.Reachability == Reachability.Refusing && PostgreSqlRefusal.Of(node) == PostgreSqlRefusal.Starting;
        var startedAt = node.Facts.Number(PostgreSqlFacts.StartedAt) ?? StartedAt;
        var another = StartedAt is { } before && startedAt is { } now && Math.Abs(now - before) > 1e-3;
        if (!Starting && (starting || another))
            starts.Add(node.ObservedAt);
        return this with
        {
            Starts = starts.TakeLast(MostSamples).ToArray(), StartedAt = startedAt,
            Starting = starting || (Starting && node.Reachability is Reachability.TimedOut),
        };
    }
}
