using System.Globalization;
using System.Text.Json;
using DbRecovery.PostgreSql.Connections;

namespace DbRecovery.PostgreSql.Replicas;

// The writes that go away: their log is kept, and they are listed.
internal sealed partial class ReplicaBuilder
{
    private const int MostRecords = 200_000;
    private const int MostCharacters = 64 * 1024 * 1024;

    // $1 the folder, then the first and last segment of each stretch
    private const string CopyTail = """
        umask 077; mkdir -p "$1" || fail "'$1' cannot be made"
        k=$1; shift; cd "$D/pg_wal" || exit 1
        while [ $# -gt 1 ]; do
          ls | A=$1 Z=$2 awk 'length($0) == 24 && $0 !~ /[^0-9A-F]/ && "x" $0 >= "x" ENVIRON["A"] && "x" $0 <= "x" ENVIRON["Z"]'
          shift 2
        done | sort -u | while IFS= read -r f; do cp -p "$f" "$k/.part" && mv -f "$k/.part" "$k/$f" || exit 1; done || fail "the log cannot be copied to '$k'"
        for f in *.history; do [ -e "$f" ] && cp -p "$f" "$k/"; done
        sync -f "$k" 2>/dev/null || sync
        ls "$k" | awk 'length($0) == 24' | while IFS= read -r f; do stat -c %s "$k/$f"; done | awk '{ s += $1 } END { printf "%.0f\n", s }'
        """;

    // only what tells who changed which relation, and no record longer than a line for people
    private const string ListTail = """
        need pg_waldump
        m=$1; shift
        while [ $# -gt 2 ]; do
          t=$1; f=$2; e=$3; shift 3
          "$B/pg_waldump" -p "$D/pg_wal" -t "$t" -s "$f" ${e:+-e "$e"} 2>/dev/null
        done | awk -v m="$m" '/^rmgr: (Heap|Heap2|Transaction) / { if (++n > m) { print "more"; exit } print substr($0, 1, $2 == "Transaction" ? 20000 : 2500) }'
        """;

    private const string WriteList = "umask 077; cat > \"$1/.part\" && mv -f \"$1/.part\" \"$1/lost-writes.jsonl\" && { sync -f \"$1\" 2>/dev/null || sync; }";

    /// <inheritdoc/>
    public NodeOperation SnapshotTail(ClusterDefinition cluster, NodeDefinition node, RejoinAssessment assessment, string folder)
    {
        var at = NodePlace.Of(cluster, node);
        var range = assessment.ForkedAt is { } fork ? $"from {fork.Value} (timeline {fork.History}) to {assessment.EndedAt?.Value}" : "after the fork";
        return new NodeOperation(
            [
                new PlannedAct(ActKind.Create, folder, $"on the machine of '{node.Name}': copy the log {range}"),
                new PlannedAct(ActKind.Command, node.Name, $"{at.BinDir}/pg_waldump -p {at.DataDir}/pg_wal -t {assessment.ForkedAt?.History ?? "TIMELINE"} -s {assessment.ForkedAt?.Value ?? "FORK"}"),
                new PlannedAct(ActKind.Create, $"{folder}/lost-writes.jsonl", "the writes in it, by transaction and relation; names from the present catalog"),
            ],
            (timeout, _, token) => SnapshotAsync(at, assessment, folder, Deadline.In(timeout, _query.Clock), token));
    }

    private async Task<OperationOutcome> SnapshotAsync(NodePlace at, RejoinAssessment assessment, string folder, Deadline deadline, CancellationToken cancellationToken)
    {
        if (assessment.ForkedAt is not { Ordinal: { } fork, History: { } timeline } || assessment.EndedAt is not { Ordinal: { } end, History: { } last })
            return new OperationOutcome($"where '{at.Node.Name}' left the primary's history is not known, so no writes can be listed", Outputs("", 0, 0));
        await RequireStoppedAsync(at, cancellationToken).ConfigureAwait(false);
        var seen = await DataFolder.LookAsync(_shell, at, LookTime, cancellationToken).ConfigureAwait(false);
        var size = seen.Control?.SegmentSize ?? throw new DbRecoveryException(ErrorIds.DatabaseCorrupt, ErrorKind.CorruptData, $"the control data of '{at.Node.Name}' cannot be read: {seen.Unreadable}", target: at.Node.Name);
        var history = await HistoryOfAsync(at, int.Parse(last, CultureInfo.InvariantCulture), cancellationToken).ConfigureAwait(false);
        IReadOnlyList<TimelineStretch> stretches = [.. history.After(int.Parse(timeline, CultureInfo.InvariantCulture), fork)];
        var bytes = long.Parse(await _shell.RunAsync(at, "copying the log", CopyTail,
            [folder, .. stretches.SelectMany(s => (string[])[LogTail.SegmentName(s.Timeline, s.From, size), LogTail.SegmentName(s.Timeline, Math.Min(s.To, end), size)])],
            deadline.Left, cancellationToken).ConfigureAwait(false), CultureInfo.InvariantCulture);
        var listing = await _shell.RunAsync(at, "reading the log", ListTail,
            [MostRecords.ToString(CultureInfo.InvariantCulture), .. LogTail.Ranges(stretches)], deadline.Left, cancellationToken, outputLimit: MostCharacters).ConfigureAwait(false);
        var records = listing.Split('\n').Select(LogRecord.Parse).OfType<LogRecord>().ToList();
        var names = await NamesAsync(at, LostWriteList.Relations(records), cancellationToken).ConfigureAwait(false);
        var writes = LostWriteList.Of(records, names.Of);
        var lines = string.Concat(writes.Select(w => JsonSerializer.Serialize(w, DbRecoveryJson.Compact) + "\n"));
        await _shell.RunAsync(at, "writing the list of lost writes", WriteList, [folder], deadline.Left, cancellationToken, lines).ConfigureAwait(false);
        var more = listing.EndsWith("more\n", StringComparison.Ordinal) || listing.Length >= MostCharacters ? $" Only the first {MostRecords} records of the log were looked at; the log itself is whole." : "";
        return new OperationOutcome($"{Counted.Of(writes.Count, "write")} of '{at.Node.Name}' that the primary lacks {(writes.Count == 1 ? "is" : "are")} listed in '{folder}/lost-writes.jsonl'; the log is kept beside it.{more}",
            Outputs(folder, bytes, writes.Count));
    }

    private static Dictionary<string, FactValue> Outputs(string path, long bytes, long writes) => new() { ["path"] = path, ["bytes"] = bytes, ["writes"] = writes };

    // any other node that answers has the catalog, a primary the newest
    private async Task<RelationNames> NamesAsync(NodePlace at, IReadOnlyCollection<FileNode> relations, CancellationToken cancellationToken)
    {
        var others = await Task.WhenAll(at.Cluster.Nodes.Where(n => n.Name != at.Node.Name).Select(async n =>
        {
            try
            {
                var row = await _query.RowsAsync(ServerLogin.Of(at.Cluster, n), "looking for a catalog", "SELECT pg_is_in_recovery()", cancellationToken).ConfigureAwait(false);
                return (Node: n, Standby: row[0][0] is true);
            }
            catch (DbRecoveryException)
            {
                return (Node: (NodeDefinition?)null, Standby: true);
            }
        })).ConfigureAwait(false);
        return others.Where(o => o.Node is not null).OrderBy(o => o.Standby).Select(o => o.Node).FirstOrDefault() is { } server
            ? await RelationNames.FindAsync(_query, at.Cluster, server, relations, cancellationToken).ConfigureAwait(false)
            : new RelationNames();
    }
}
