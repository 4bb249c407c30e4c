using System.Globalization;

namespace DbRecovery.Engine.Replication;

/// <summary>A place in a log that can be compared: the history that it belongs to, and the bytes in it. The later history is the higher one.</summary>
/// <param name="Timeline">The history's number; every promotion begins a higher one.</param>
/// <param name="Bytes">The place in it.</param>
internal readonly record struct LogPlace(long Timeline, long Bytes) : IComparable<LogPlace>
{
    /// <inheritdoc/>
    public int CompareTo(LogPlace other) => Timeline != other.Timeline ? Timeline.CompareTo(other.Timeline) : Bytes.CompareTo(other.Bytes);

    /// <summary>A position as a place; null where it has no number.</summary>
    public static LogPlace? Of(LogPosition? position) =>
        position is { Ordinal: { } bytes } && long.TryParse(position.History, NumberStyles.None, CultureInfo.InvariantCulture, out var timeline) ? new(timeline, bytes) : null;

    /// <summary>The furthest place that a node has on its own disk: what it received, applied or wrote. Null where it says none.</summary>
    public static LogPlace? Of(NodeObservation node)
    {
        LogPlace? furthest = null;
        foreach (var position in new[] { node.Position, node.Upstream?.Received, node.Upstream?.Applied })
        {
            if (Of(position) is { } place && (furthest is null || place.CompareTo(furthest.Value) > 0))
                furthest = place;
        }
        return furthest;
    }
}
