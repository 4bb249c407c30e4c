using DbRecovery.Sqlite.Native;

namespace DbRecovery.Sqlite.Rows;

/// <summary>
/// The statements that write rows: the plan shows them and the writer carries them out. Each says ABORT: a constraint may be declared
/// ON CONFLICT REPLACE, and would delete rows that nobody has compared, without a word.
/// </summary>
internal sealed class RowStatements(RowMatch match)
{
    private readonly string _from = $"FROM {match.StagedName} s WHERE {match.KeyIs("s.")}";

    /// <summary>Makes a dropped table again; empty where it is there.</summary>
    internal IReadOnlyList<string> Create => match.Live is not null ? [] : [match.Backup.Sql, .. match.Backup.Indexes.Concat(match.Backup.Triggers).Select(o => o.Sql)];

    internal string Delete => $"DELETE FROM {match.LiveName} WHERE {match.KeyIs()}";

    internal string Insert => $"INSERT OR ABORT INTO {match.LiveName} ({TableSchema.List(match.Inserted)}) SELECT {TableSchema.List(match.Inserted, "s.")} {_from}";

    internal string Update
    {
        get
        {
            // the row's number is the key: it is the same on both sides
            var columns = match.Common.Where(c => !(match.Live is { KeyIsRowId: true } live && TableSchema.SameName(live.PrimaryKey[0], c))).ToList();
            return columns.Count == 1
                ? $"UPDATE OR ABORT {match.LiveName} SET {SqlText.Quote(columns[0])} = (SELECT {TableSchema.List(columns, "s.")} {_from}) WHERE {match.KeyIs()}"
                : $"UPDATE OR ABORT {match.LiveName} SET ({TableSchema.List(columns)}) = (SELECT {TableSchema.List(columns, "s.")} {_from}) WHERE {match.KeyIs()}";
        }
    }

    /// <summary>The database's row of a key.</summary>
    internal string Select(IEnumerable<string> columns) => $"SELECT {TableSchema.List(columns)} FROM {match.LiveName} WHERE {match.KeyIs()}";

    /// <summary>What is written for differences of the given counts.</summary>
    internal IReadOnlyList<string> For(long insert, long update, long delete) =>
        [.. insert > 0 ? Create : [], .. delete > 0 ? [Delete] : Array.Empty<string>(), .. update > 0 ? [Update] : Array.Empty<string>(), .. insert > 0 ? [Insert] : Array.Empty<string>()];
}
