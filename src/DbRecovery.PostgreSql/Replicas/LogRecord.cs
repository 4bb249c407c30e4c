using System.Globalization;
using System.Text.RegularExpressions;

namespace DbRecovery.PostgreSql.Replicas;

/// <summary>One line of <c>pg_waldump</c>, of version 13 to 18: the parts that tell who changed what.</summary>
/// <param name="Manager">The resource manager, such as <c>Heap</c> or <c>Transaction</c>.</param>
/// <param name="Length">The record's length in bytes, without its full page images.</param>
/// <param name="Transaction">The transaction; 0 for none.</param>
/// <param name="Position">Where it begins.</param>
/// <param name="Operation">The first word of its description, such as <c>INSERT</c> or <c>COMMIT</c>.</param>
/// <param name="Detail">All of it.</param>
internal sealed partial record LogRecord(string Manager, int Length, uint Transaction, long Position, string Operation, string Detail)
{
    [GeneratedRegex(@"^rmgr:\s*(\S+)\s+len \(rec/tot\):\s*\d+/\s*(\d+), tx:\s*(\d+), lsn: ([0-9A-F]+/[0-9A-F]+), prev \S+, desc: (\S+)\s?(.*)$", RegexOptions.CultureInvariant)]
    private static partial Regex Line();

    [GeneratedRegex(@"rel (\d+)/(\d+)/(\d+)", RegexOptions.CultureInvariant)]
    private static partial Regex FileNode();

    [GeneratedRegex(@"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?", RegexOptions.CultureInvariant)]
    private static partial Regex Moment();

    [GeneratedRegex(@"subxacts: ([\d ]+)", RegexOptions.CultureInvariant)]
    private static partial Regex Children();

    [GeneratedRegex(@"(?:ntuples: |\b)(\d+)(?: tuples|, flags)", RegexOptions.CultureInvariant)]
    private static partial Regex Tuples();

    /// <summary>Reads a line; null for one that is no record.</summary>
    internal static LogRecord? Parse(string line) => Line().Match(line) is { Success: true } m
        ? new LogRecord(m.Groups[1].Value, int.Parse(m.Groups[2].Value, CultureInfo.InvariantCulture), uint.Parse(m.Groups[3].Value, CultureInfo.InvariantCulture),
            LogText.Parse(m.Groups[4].Value), m.Groups[5].Value.TrimEnd(','), m.Groups[6].Value)
        : null;

    /// <summary>Whether it makes a transaction's changes count.</summary>
    public bool Commits => Manager == "Transaction" && Operation is "COMMIT" or "COMMIT_PREPARED" or "PREPARE";

    /// <summary>The transaction that a commit or prepare is about: that of a prepared one stands in the description.</summary>
    public uint Committed => Operation is "COMMIT_PREPARED" or "ABORT_PREPARED"
        && uint.TryParse(Detail.AsSpan(0, Math.Max(0, Detail.IndexOf(':', StringComparison.Ordinal))), NumberStyles.None, CultureInfo.InvariantCulture, out var prepared) ? prepared : Transaction;

    /// <summary>The relation's file: tablespace, database and file node.</summary>
    public FileNode? Relation => FileNode().Match(Detail) is { Success: true } m
        ? new FileNode(uint.Parse(m.Groups[1].Value, CultureInfo.InvariantCulture), uint.Parse(m.Groups[2].Value, CultureInfo.InvariantCulture), uint.Parse(m.Groups[3].Value, CultureInfo.InvariantCulture))
        : null;

    /// <summary>When a transaction was committed; the program runs in UTC.</summary>
    public DateTimeOffset? At => Moment().Match(Detail) is { Success: true } m
        && DateTimeOffset.TryParse(m.Value, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var at) ? at : null;

    /// <summary>The subtransactions that a commit takes with it.</summary>
    public IEnumerable<uint> Subtransactions => Children().Match(Detail) is { Success: true } m
        ? m.Groups[1].Value.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(x => uint.Parse(x, CultureInfo.InvariantCulture)) : [];

    /// <summary>What it did to rows, as (operation, number of rows); null for what changes none.</summary>
    public (string Operation, int Rows)? RowChange => Manager switch
    {
        "Heap" => Operation.Split('+')[0] switch
        {
            "INSERT" => ("insert", 1),
            "UPDATE" or "HOT_UPDATE" => ("update", 1),
            "DELETE" => ("delete", 1),
            "TRUNCATE" => ("truncate", 1),
            _ => null,
        },
        "Heap2" when Operation.StartsWith("MULTI_INSERT", StringComparison.Ordinal) =>
            ("insert", Tuples().Match(Detail) is { Success: true } m ? int.Parse(m.Groups[1].Value, CultureInfo.InvariantCulture) : 1),
        _ => null,
    };

    /// <summary>Where the next record can begin at the earliest.</summary>
    public long End => Position + ((Length + 7) & ~7);
}

/// <summary>The numbers by which the log names a relation.</summary>
internal readonly record struct FileNode(uint Tablespace, uint Database, uint Number)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Tablespace}/{Database}/{Number}";
}
