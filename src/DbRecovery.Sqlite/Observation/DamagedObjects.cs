using System.Globalization;
using System.Text.RegularExpressions;
using DbRecovery.Sqlite.Files;
using DbRecovery.Sqlite.Format;
using DbRecovery.Sqlite.Native;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace DbRecovery.Sqlite.Observation;

/// <summary>
/// Names the tables and indexes that are damaged. SQLite's structure check names pages only ("Page 6509: btreeInitPage() returns error
/// code 11"), so every page is read once more and every tree walked.
/// </summary>
internal static class DamagedObjects
{
    private const int Attempts = 3;
    private const int Most = 20;

    /// <summary>Records <see cref="SqliteFacts.DamagedObjects"/>: nothing where the structure check found nothing, unknown where it did not run.</summary>
    internal static void Record(string path, IDatabaseImage file, SqliteHeader header, FactSet seen, FactSet facts, CancellationToken cancellationToken)
    {
        if (seen.Int(SqliteFacts.StructureErrorCount) is not { } errors)
        {
            facts.SetUnknown(SqliteFacts.DamagedObjects, "no structure check was made");
            return;
        }
        if (errors == 0)
        {
            facts.Set(SqliteFacts.DamagedObjects, FactValue.OfList([]));
            return;
        }
        var named = PagesNamedIn(seen.List(SqliteFacts.StructureErrors) ?? []);
        for (var attempt = 1; ; attempt++)
        {
            var signature = DatabaseView.Signature(path);
            var found = Find(path, file, header, named, cancellationToken);
            var settled = signature == DatabaseView.Signature(path);
            if (!settled && attempt < Attempts)
                continue;
            // pages that a writer was moving around meanwhile would look like damage: then only what the check itself reported counts
            if (found is null)
                facts.SetUnknown(SqliteFacts.DamagedObjects, "the list of tables cannot be read");
            else
                facts.Set(SqliteFacts.DamagedObjects, FactValue.OfList(found.Where(line => settled || PagesNamedIn([line]).Overlaps(named)).Take(Most)));
            return;
        }
    }

    private static List<string>? Find(string path, IDatabaseImage file, SqliteHeader header, HashSet<uint> named, CancellationToken cancellationToken)
    {
        var hot = DatabaseView.HotJournal(path, FileUsers.Of(path), withPages: true, cancellationToken);
        var wal = header.IsWal ? WalFile.TryRead(path, withPages: true, cancellationToken) : null;
        using var image = DatabaseView.ImageOf(file, header, hot, wal);
        if (Schema(image, path) is not { } schema)
            return null;
        var index = PageScan.Read(image, header, each: null, cancellationToken);
        var found = new List<string>();
        foreach (var row in schema.Where(r => r.RootPage > 0))
        {
            var walk = index.Walk(row.RootPage);
            var name = $"{row.Type} {row.Name}";
            found.AddRange(walk.Problems.Select(problem => $"{name}: {problem}"));
            // what the check found inside a page that hangs together with the others
            var reported = PagesNamedIn(walk.Problems);
            found.AddRange(walk.Pages.Where(p => named.Contains(p) && !reported.Contains(p))
                .Select(p => string.Create(CultureInfo.InvariantCulture, $"{name}: page {p} is reported by the structure check")));
        }
        return found;
    }

    private static IReadOnlyList<SchemaRow>? Schema(OverlayImage image, string path)
    {
        using var connection = ImageConnection.Open(image, path);
        try
        {
            // a damaged definition would otherwise keep the sound ones from being read
            raw.sqlite3_exec(connection.Connection.Handle, "PRAGMA writable_schema = ON");
            return ObjectCatalog.ReadSchema(connection.Connection);
        }
        catch (SqliteException)
        {
            return null;
        }
    }

    private static HashSet<uint> PagesNamedIn(IEnumerable<string> lines) =>
        [.. lines.SelectMany(line => Regex.Matches(line, @"\bpage (\d{1,9})\b", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant, TimeSpan.FromSeconds(1)))
            .Select(match => uint.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture))];
}
