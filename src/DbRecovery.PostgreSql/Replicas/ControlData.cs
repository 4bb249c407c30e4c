using System.Globalization;

namespace DbRecovery.PostgreSql.Replicas;

/// <summary>Positions in the write-ahead log, as the programs write them.</summary>
internal static class LogText
{
    internal static long Parse(string text) => SqlText.ParseLsn(text.Trim()) ?? throw new FormatException($"'{text}' is no position in the log");

    internal static LogPosition Position(long position, int timeline) =>
        new("lsn", SqlText.Lsn(position), timeline.ToString(CultureInfo.InvariantCulture), position);
}

/// <summary>What <c>pg_controldata</c> says of a data folder; the program is run in the C locale.</summary>
internal sealed record ControlData
{
    /// <summary>The cluster that the data belongs to.</summary>
    public required string SystemId { get; init; }
    /// <summary>The server's word for its state, such as <c>shut down</c> or <c>in production</c>.</summary>
    public required string State { get; init; }
    /// <summary>Where the last checkpoint's record begins.</summary>
    public required long Checkpoint { get; init; }
    /// <summary>The timeline of the last checkpoint.</summary>
    public required int CheckpointTimeline { get; init; }
    /// <summary>The log up to which a standby has to replay before it is consistent.</summary>
    public required long MinimumRecoveryEnd { get; init; }
    /// <summary>The timeline of that.</summary>
    public required int MinimumRecoveryTimeline { get; init; }
    /// <summary>Whether hint bits are logged.</summary>
    public required bool LogsHints { get; init; }
    /// <summary>Whether pages have checksums.</summary>
    public required bool Checksums { get; init; }
    /// <summary>The size of a segment of the log.</summary>
    public required long SegmentSize { get; init; }

    /// <summary>Ended in order, as primary or as standby.</summary>
    public bool ShutDownCleanly => State is "shut down" or "shut down in recovery";
    /// <summary>Was a standby when it ended.</summary>
    public bool WasStandby => State is "shut down in recovery" or "in archive recovery";
    /// <summary>The timeline that its data is on.</summary>
    public int Timeline => Math.Max(CheckpointTimeline, MinimumRecoveryTimeline);

    /// <summary>Reads the program's output.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.DatabaseCorrupt"/>: it is not what was expected.</exception>
    internal static ControlData Parse(string output, string folder)
    {
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var line in output.Split('\n'))
        {
            if (line.IndexOf(':', StringComparison.Ordinal) is var colon and > 0)
                values.TryAdd(line[..colon], line[(colon + 1)..].Trim());
        }
        try
        {
            return new ControlData
            {
                SystemId = values["Database system identifier"],
                State = values["Database cluster state"],
                Checkpoint = LogText.Parse(values["Latest checkpoint location"]),
                CheckpointTimeline = Number(values["Latest checkpoint's TimeLineID"]),
                MinimumRecoveryEnd = LogText.Parse(values["Minimum recovery ending location"]),
                MinimumRecoveryTimeline = Number(values["Min recovery ending loc's timeline"]),
                LogsHints = values["wal_log_hints setting"] == "on",
                Checksums = Number(values["Data page checksum version"]) > 0,
                SegmentSize = Number(values["Bytes per WAL segment"]),
            };
        }
        catch (Exception e) when (e is KeyNotFoundException or FormatException or OverflowException)
        {
            throw new DbRecoveryException(ErrorIds.DatabaseCorrupt, ErrorKind.CorruptData, $"the control data of '{folder}' cannot be understood: {e.Message}",
                "Look at the output of pg_controldata; binDir must be of the version that made the folder.", folder, e);
        }
    }

    private static int Number(string text) => int.Parse(text, NumberStyles.Integer, CultureInfo.InvariantCulture);
}
