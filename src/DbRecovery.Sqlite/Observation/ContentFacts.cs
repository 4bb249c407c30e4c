using System.Globalization;
using DbRecovery.Sqlite.Native;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace DbRecovery.Sqlite.Observation;

/// <summary>What can be said of a database by reading it with SQLite. Each part stands for itself: one that fails says why, and the next goes on.</summary>
internal sealed class ContentFacts(SqliteConnection connection, FactSet facts, List<ObservedError> errors, CancellationToken cancellationToken)
{
    private const int MaxStructureErrors = 100;
    private const int MaxViolations = 10_000;

    /// <summary>Reads the schema and one row. False where the database cannot be read.</summary>
    internal bool Probe(TimeProvider time)
    {
        var started = time.GetTimestamp();
        try
        {
            // one row of the last table made: the schema alone would come from the first page
            var table = Scalar("select name from sqlite_master where type = 'table' and rootpage > 0 and name not like 'sqlite_%' order by rowid desc limit 1");
            if (table is not null)
                Scalar($"select 1 from {SqlText.Quote(table)} limit 1");
            facts.Set(CommonFacts.ProbeLatency, time.GetElapsedTime(started));
            facts.Set(SqliteFacts.OpenError, 0L);
            facts.Set(SqliteFacts.OpenErrorText, "");
            return true;
        }
        catch (SqliteException e)
        {
            cancellationToken.ThrowIfCancellationRequested();
            RecordOpenError(facts, errors, e, "reading the schema and one row");
            return false;
        }
    }

    /// <summary>Records that opening or the first read failed.</summary>
    internal static void RecordOpenError(FactSet facts, List<ObservedError> errors, SqliteException error, string during)
    {
        facts.Set(SqliteFacts.OpenError, (long)error.SqliteExtendedErrorCode);
        facts.Set(SqliteFacts.OpenErrorText, SqliteConnections.Message(error));
        errors.Add(Error(error, during));
    }

    /// <summary>Runs quick_check or integrity_check.</summary>
    internal void CheckStructure(bool deep)
    {
        var check = deep ? "integrity_check" : "quick_check";
        var lines = new List<string>();
        try
        {
            using var command = Command($"PRAGMA {check}({MaxStructureErrors})");
            using var reader = command.ExecuteReader();
            while (reader.Read() && lines.Count < MaxStructureErrors)
            {
                // one row may hold several lines
                foreach (var line in reader.GetString(0).Split('\n', StringSplitOptions.RemoveEmptyEntries))
                {
                    if (line != "ok" && lines.Count < MaxStructureErrors)
                        lines.Add(line);
                }
            }
        }
        catch (SqliteException e)
        {
            cancellationToken.ThrowIfCancellationRequested();
            errors.Add(Error(e, check));
            if (e.SqliteErrorCode is not (raw.SQLITE_CORRUPT or raw.SQLITE_NOTADB or raw.SQLITE_IOERR))
            {
                Unknown(SqliteConnections.Message(e), SqliteFacts.StructureCheck, SqliteFacts.StructureErrors, SqliteFacts.StructureErrorCount);
                return;
            }
            lines.Add($"error {e.SqliteExtendedErrorCode}: {SqliteConnections.Message(e)}");
        }
        cancellationToken.ThrowIfCancellationRequested();
        facts.Set(SqliteFacts.StructureCheck, check);
        facts.Set(SqliteFacts.StructureErrors, FactValue.OfList(lines.Take(MaxStructureErrors)));
        facts.Set(SqliteFacts.StructureErrorCount, (long)Math.Min(lines.Count, MaxStructureErrors));
    }

    /// <summary>Runs foreign_key_check.</summary>
    internal void CheckForeignKeys()
    {
        try
        {
            var counts = new SortedDictionary<string, int>(StringComparer.Ordinal);
            var total = 0;
            using var command = Command("PRAGMA foreign_key_check");
            using var reader = command.ExecuteReader();
            while (total < MaxViolations && reader.Read())
            {
                var pair = $"{reader.GetValue(0)} -> {reader.GetValue(2)}";
                counts[pair] = counts.GetValueOrDefault(pair) + 1;
                total++;
            }
            facts.Set(SqliteFacts.ForeignKeyViolations, (long)total);
            facts.Set(SqliteFacts.ForeignKeyTables, FactValue.OfList(counts.Select(c => string.Create(CultureInfo.InvariantCulture, $"{c.Key}: {c.Value}"))));
        }
        catch (SqliteException e)
        {
            cancellationToken.ThrowIfCancellationRequested();
            errors.Add(Error(e, "foreign_key_check"));
            Unknown(SqliteConnections.Message(e), SqliteFacts.ForeignKeyViolations, SqliteFacts.ForeignKeyTables);
        }
    }

    /// <summary>Looks for the declared tables, and on demand whether they have the declared rows.</summary>
    internal void CheckTables(IReadOnlyDictionary<string, TableExpectation> declared, bool count)
    {
        try
        {
            var there = Names("select name from sqlite_master where type in ('table', 'view')");
            var missing = declared.Keys.Where(name => !there.Contains(Unqualified(name))).Order(StringComparer.Ordinal);
            facts.Set(CommonFacts.MissingTables, FactValue.OfList(missing));
            if (!count)
                return;
            var shorter = new List<string>();
            foreach (var (name, expectation) in declared.Where(d => d.Value.MinRows > 0 && there.Contains(Unqualified(d.Key))).OrderBy(d => d.Key, StringComparer.Ordinal))
            {
                // never more rows than needed for the answer
                var rows = Scalar(string.Create(CultureInfo.InvariantCulture, $"select count(*) from (select 1 from {SqlText.Quote(Unqualified(name))} limit {expectation.MinRows})"));
                if (long.Parse(rows!, CultureInfo.InvariantCulture) < expectation.MinRows)
                    shorter.Add(string.Create(CultureInfo.InvariantCulture, $"{name}: {rows} of at least {expectation.MinRows}"));
            }
            facts.Set(CommonFacts.ShortTables, FactValue.OfList(shorter));
        }
        catch (SqliteException e)
        {
            cancellationToken.ThrowIfCancellationRequested();
            errors.Add(Error(e, "looking at the declared tables"));
            if (facts.Find(CommonFacts.MissingTables.Name) is null)
                Unknown(SqliteConnections.Message(e), CommonFacts.MissingTables);
            Unknown(SqliteConnections.Message(e), CommonFacts.ShortTables);
        }
    }

    private static ObservedError Error(SqliteException error, string during) =>
        new(error.SqliteExtendedErrorCode.ToString(CultureInfo.InvariantCulture), SqliteConnections.Message(error), during);

    private static string Unqualified(string name) => name.StartsWith("main.", StringComparison.OrdinalIgnoreCase) ? name[5..] : name;

    private void Unknown(string because, params FactDefinition[] definitions)
    {
        foreach (var definition in definitions)
            facts.SetUnknown(definition, because);
    }

    private HashSet<string> Names(string sql)
    {
        var names = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        using var command = Command(sql);
        using var reader = command.ExecuteReader();
        while (reader.Read())
            names.Add(reader.GetString(0));
        return names;
    }

    private string? Scalar(string sql)
    {
        using var command = Command(sql);
        return Convert.ToString(command.ExecuteScalar(), CultureInfo.InvariantCulture) is { Length: > 0 } text ? text : null;
    }

    private SqliteCommand Command(string sql)
    {
        var command = connection.CreateCommand();
        command.CommandText = sql;
        return command;
    }
}
