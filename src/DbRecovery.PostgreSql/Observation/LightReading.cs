using System.Globalization;

namespace DbRecovery.PostgreSql.Observation;

/// <summary>What the light query gave.</summary>
internal sealed class LightReading
{
    private string? _history;

    internal required ServerProfile Profile { get; init; }
    internal bool? InRecovery { get; set; }
    /// <summary>A primary's log that is on disk.</summary>
    internal long? Flushed { get; set; }
    internal long? Received { get; set; }
    internal long? Replayed { get; set; }
    internal double? ReplayAge { get; set; }
    internal long? Timeline { get; set; }
    internal bool? Paused { get; set; }
    internal string? SyncNames { get; set; }
    internal string? SyncCommit { get; set; }
    internal string? Settings { get; set; }
    internal bool? HasReceiver { get; set; }
    internal string? ReceiverStatus { get; set; }
    internal string? SenderHost { get; set; }
    internal long? SenderPort { get; set; }
    internal long? UpstreamEnd { get; set; }
    internal double? LastMessageAt { get; set; }
    internal double? ReceiptAge { get; set; }
    internal string? PrimaryConnInfo { get; set; }

    internal FactSet Facts { get; } = new();
    internal List<DownstreamObservation> Downstreams { get; } = [];
    internal List<SlotObservation> Slots { get; } = [];
    internal List<ObservedError> Errors { get; } = [];

    /// <summary>
    /// What a standby has: where a receiver starts anew it begins at a segment's start, and then the received position is behind the applied one for a while.
    /// </summary>
    internal long? ReceivedOrReplayed => Received is { } received && Replayed is { } replayed ? Math.Max(received, replayed) : Received ?? Replayed;

    /// <summary>The end of the log: written on a primary, received on a standby.</summary>
    internal long? LogEnd => InRecovery == true ? ReceivedOrReplayed : Flushed;

    /// <summary>Takes over facts that were asked for apart.</summary>
    internal void Add(FactSet more)
    {
        foreach (var fact in more)
        {
            var definition = new FactDefinition(fact.Name, fact.Value?.Type ?? FactType.Text, null, "");
            if (fact.Value is { } value)
                Facts.Set(definition, value);
            else
                Facts.SetUnknown(definition, fact.UnknownBecause ?? "");
        }
    }

    /// <summary>A position on the server's timeline.</summary>
    internal LogPosition? Position(long? lsn) => lsn is { } value
        ? new LogPosition("lsn", SqlText.Lsn(value), _history ??= Timeline?.ToString(CultureInfo.InvariantCulture), value)
        : null;
}
