using System.Globalization;

namespace DbRecovery.PostgreSql.Replicas;

/// <summary>What a stopped instance's log holds after the place where its history left the primary's.</summary>
internal sealed record LogTail
{
    /// <summary>Records found.</summary>
    public required long Records { get; init; }
    /// <summary>Records that made a transaction's changes count.</summary>
    public required long Commits { get; init; }
    /// <summary>The end of the last record.</summary>
    public required long End { get; init; }
    /// <summary>The end of the last of those that made changes count; 0 where there is none.</summary>
    public required long LastCommitEnd { get; init; }
    /// <summary>Whether the log's file with the fork is gone.</summary>
    public required bool Gone { get; init; }

    // counted on the node's machine: the tail may be long
    private const string Script = """
        need pg_waldump
        if [ -e "$D/pg_wal/$1" ]; then echo there; fi
        shift
        while [ $# -gt 2 ]; do
          t=$1; f=$2; e=$3; shift 3
          "$B/pg_waldump" -p "$D/pg_wal" -t "$t" -s "$f" ${e:+-e "$e"}
        done | awk '/^rmgr:/ { n++; last = $0 } /^rmgr: Transaction/ && /desc: (COMMIT|PREPARE)/ { c++; commit = $0 }
          END { print "records " n + 0; print "commits " c + 0; print "last " substr(last, 1, 300); print "commit " substr(commit, 1, 300) }'
        """;

    /// <summary>Looks through the log after a fork.</summary>
    /// <param name="shell">Runs it.</param>
    /// <param name="at">Where.</param>
    /// <param name="stretches">The stretches after the fork, the first one beginning there.</param>
    /// <param name="segmentSize">The size of the log's files.</param>
    /// <param name="timeout">The deadline.</param>
    /// <param name="cancellationToken">Cancels.</param>
    internal static async Task<LogTail> LookAsync(NodeShell shell, NodePlace at, IReadOnlyList<TimelineStretch> stretches, long segmentSize, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var output = await shell.RunAsync(at, "reading the log", Script,
            [SegmentName(stretches[0].Timeline, stretches[0].From, segmentSize), .. Ranges(stretches)], timeout, cancellationToken).ConfigureAwait(false);
        var seen = output.Split('\n').Where(l => l.Contains(' ')).ToDictionary(l => l[..l.IndexOf(' ')], l => l[(l.IndexOf(' ') + 1)..], StringComparer.Ordinal);
        return new LogTail
        {
            Gone = !output.StartsWith("there", StringComparison.Ordinal),
            Records = long.Parse(seen["records"], CultureInfo.InvariantCulture),
            Commits = long.Parse(seen["commits"], CultureInfo.InvariantCulture),
            End = LogRecord.Parse(seen["last"])?.End ?? stretches[0].From,
            LastCommitEnd = LogRecord.Parse(seen["commit"])?.End ?? 0,
        };
    }

    /// <summary>The stretches as the arguments of a script: timeline, from, to (empty: the end), three each.</summary>
    internal static IEnumerable<string> Ranges(IEnumerable<TimelineStretch> stretches) => stretches.SelectMany(s => (string[])
        [s.Timeline.ToString(CultureInfo.InvariantCulture), SqlText.Lsn(s.From), s.To == long.MaxValue ? "" : SqlText.Lsn(s.To)]);

    /// <summary>The name of the log's file that holds a position.</summary>
    internal static string SegmentName(int timeline, long position, long segmentSize)
    {
        var (number, each) = (position / segmentSize, 0x1_0000_0000L / segmentSize);
        return string.Create(CultureInfo.InvariantCulture, $"{timeline:X8}{number / each:X8}{number % each:X8}");
    }
}
