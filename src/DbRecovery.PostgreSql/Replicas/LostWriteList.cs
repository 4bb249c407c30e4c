namespace DbRecovery.PostgreSql.Replicas;

/// <summary>Makes of the log's records what somebody lost: per transaction that was committed, what it did to which relation.</summary>
internal static class LostWriteList
{
    private sealed record Change(long Position, string Operation, FileNode Relation)
    {
        public int Rows { get; set; }
    }

    /// <summary>The writes, in the order of their commits.</summary>
    /// <param name="records">The records after the fork, in order.</param>
    /// <param name="nameOf">A relation's name; null for one that need not be listed.</param>
    internal static IReadOnlyList<LostWrite> Of(IReadOnlyList<LogRecord> records, Func<FileNode, string?> nameOf)
    {
        var changes = new Dictionary<uint, List<Change>>();
        foreach (var record in records)
        {
            if (record.RowChange is { } change && record.Relation is { } relation)
                Add(changes, record, change, relation);
        }
        var undone = records.Where(r => r is { Manager: "Transaction", Operation: "ABORT_PREPARED" }).Select(r => r.Committed).ToHashSet();
        var (listed, written) = (new HashSet<uint>(), new List<LostWrite>());
        foreach (var commit in records.Where(r => r.Commits && !undone.Contains(r.Committed)))
        {
            // a prepared transaction is listed when it was prepared, if that is in the tail
            if (listed.Add(commit.Committed))
                written.AddRange(Of(commit, [.. commit.Subtransactions.Prepend(commit.Committed).SelectMany(t => changes.GetValueOrDefault(t) ?? [])], nameOf));
        }
        return written;
    }

    /// <summary>The relations that the committed transactions changed.</summary>
    internal static IReadOnlyCollection<FileNode> Relations(IReadOnlyList<LogRecord> records) =>
        [.. records.Where(r => r.RowChange is not null).Select(r => r.Relation).OfType<FileNode>().Distinct()];

    private static void Add(Dictionary<uint, List<Change>> changes, LogRecord record, (string Operation, int Rows) change, FileNode relation)
    {
        if (!changes.TryGetValue(record.Transaction, out var list))
            changes[record.Transaction] = list = [];
        var same = list.Find(c => c.Operation == change.Operation && c.Relation == relation);
        if (same is null)
            list.Add(same = new Change(record.Position, change.Operation, relation));
        same.Rows += change.Rows;
    }

    private static IEnumerable<LostWrite> Of(LogRecord commit, List<Change> changes, Func<FileNode, string?> nameOf)
    {
        var (transaction, at) = (commit.Committed.ToString(System.Globalization.CultureInfo.InvariantCulture), commit.At);
        var named = changes.GroupBy(c => (c.Operation, Name: nameOf(c.Relation))).Where(g => g.Key.Name is not null)
            .Select(g => new LostWrite(SqlText.Lsn(g.Min(c => c.Position)), transaction, at, $"{g.Key.Operation} {Counted.Of(g.Sum(c => c.Rows), "row")}: {g.Key.Name}")).ToList();
        return named.Count > 0 ? named : [new LostWrite(SqlText.Lsn(commit.Position), transaction, at, "commit; what it changed lies before the fork, or is no row of a table")];
    }
}
