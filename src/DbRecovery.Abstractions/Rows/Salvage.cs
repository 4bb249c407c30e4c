namespace DbRecovery;

/// <summary>What could be read of one table of a damaged database; where rows are added to a restored one, what was added of it.</summary>
public sealed record SalvagedTable
{
    /// <summary>The table.</summary>
    public required string Table { get; init; }
    /// <summary>Rows read whole from the table's own pages.</summary>
    public required long Rows { get; init; }
    /// <summary>Rows put together from indexes because their own pages could not be read.</summary>
    public long RowsFromIndexes { get; init; }
    /// <summary>Rows known to exist (from indexes or key gaps in pages) that could not be read whole; null where that cannot be known.</summary>
    public long? RowsUnreadable { get; init; }
    /// <summary>Rows that were read and that the table does not get: a constraint or a doubt forbids them.</summary>
    public long RowsRefused { get; init; }
    /// <summary>Rows whose key the restored database has with another content: they stay as they were proved.</summary>
    public long RowsChanged { get; init; }
    /// <summary>Whether the whole table could be read.</summary>
    public required bool Complete { get; init; }
    /// <summary>What could not be read, range by range, such as <c>page 17 (rowid 812 to 870)</c>.</summary>
    public IReadOnlyList<string> Unreadable { get; init; } = [];
}

/// <summary>A row that was read out of a damaged database and added to a restored one.</summary>
/// <param name="Table">The table.</param>
/// <param name="Key">The row's key as text.</param>
/// <param name="Source">Where it was read: <c>table</c>, <c>table (page found without the tree)</c> or <c>index NAME</c>.</param>
public sealed record SalvagedRow(string Table, string Key, string Source);

/// <summary>The outcome of reading a damaged database.</summary>
public sealed record SalvageReport
{
    /// <summary>The damaged file.</summary>
    public required string Source { get; init; }
    /// <summary>The file that got the rows; null where nothing was to be written.</summary>
    public string? Destination { get; init; }
    /// <summary>The tables.</summary>
    public required IReadOnlyList<SalvagedTable> Tables { get; init; }
    /// <summary>Rows written into the destination.</summary>
    public required long RowsWritten { get; init; }
    /// <summary>Rows that were read and not written, because a proved row with that key is there or a constraint forbids them.</summary>
    public long RowsRefused { get; init; }
    /// <summary>A JSON-lines file that names every row that was added to a restored database (<see cref="SalvagedRow"/>); null where none was.</summary>
    public string? RowList { get; init; }
    /// <summary>Problems that concern no table alone.</summary>
    public IReadOnlyList<string> Problems { get; init; } = [];
    /// <summary>How long it took.</summary>
    public required TimeSpan Duration { get; init; }
}
