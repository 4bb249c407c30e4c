using System.Globalization;
using DbRecovery.Sqlite.Files;
using DbRecovery.Sqlite.Format;
using DbRecovery.Sqlite.Native;
using Microsoft.Data.Sqlite;

namespace DbRecovery.Sqlite.Observation;

/// <summary>
/// The damage that no structure check sees: pages that differ from the last backup's though SQLite wrote nothing since.
/// </summary>
internal static class SilentDamage
{
    private const int MaxWhere = 100;

    /// <summary>Records whether the database was written since the backup and, where it certainly was not, which pages differ.</summary>
    internal static async Task RecordAsync(string path, IDatabaseImage file, SqliteHeader header, IBackupContent? backup, bool compare, FactSet facts, CancellationToken cancellationToken)
    {
        if (backup is null)
        {
            Unknown(facts, "there is no backup to compare with", withState: true);
            return;
        }
        var before = BackupState.Capture(path, header, cancellationToken);
        var unwritten = BackupState.Compare(backup.Source.State, before, out var because);
        if (unwritten == true && IsBeingWritten(path, header, cancellationToken))
            (unwritten, because) = (null, "a transaction is under way, or was cut off: pages may be written before the change counter is");
        if (unwritten is { } known)
            facts.Set(SqliteFacts.UnwrittenSinceBackup, known);
        else
            facts.SetUnknown(SqliteFacts.UnwrittenSinceBackup, because);
        if (unwritten != true || !compare)
        {
            Unknown(facts, unwritten != true ? because : "pages are compared at the levels Standard and Deep", withState: false);
            return;
        }
        var entry = backup.Entries.FirstOrDefault(e => e.Type == BackupEntryType.File && e.PageSize == header.PageSize);
        var hashes = entry is null ? null : await backup.ReadPageHashesAsync(entry.Path, cancellationToken).ConfigureAwait(false);
        if (hashes is null)
        {
            Unknown(facts, "the backup has no page hashes of this page size", withState: false);
            return;
        }
        Compare(path, file, header, hashes, before, facts, cancellationToken);
    }

    // in rollback mode a large transaction writes pages long before its commit raises the change counter
    private static bool IsBeingWritten(string path, SqliteHeader header, CancellationToken cancellationToken) =>
        !header.IsWal && (JournalFile.TryRead(path, withPages: false, cancellationToken) is { Live: true }
            || FileUsers.ReadLocks(path).Any(l => l.Strength is LockStrength.Pending or LockStrength.Exclusive));

    private static void Compare(string path, IDatabaseImage file, SqliteHeader header, PageHashList hashes, IReadOnlyDictionary<string, string> before, FactSet facts, CancellationToken cancellationToken)
    {
        var wal = header.IsWal ? WalFile.TryRead(path, withPages: true, cancellationToken) : null;
        using var image = DatabaseView.ImageOf(file, header, hot: null, wal);
        var (differing, index) = Differing(image, header, hashes, cancellationToken);
        // what was written while we compared is no damage
        var latest = SqliteHeader.TryRead(file);
        if (IsBeingWritten(path, header, cancellationToken) || latest is not { } now || BackupState.Compare(before, BackupState.Capture(path, now, cancellationToken), out _) != true)
        {
            const string Why = "the database was written while it was compared";
            facts.SetUnknown(SqliteFacts.UnwrittenSinceBackup, Why);
            Unknown(facts, Why, withState: false);
            return;
        }
        facts.Set(SqliteFacts.SilentDamage, (long)differing.Count);
        facts.Set(SqliteFacts.SilentDamageWhere, FactValue.OfList(Where(path, image, index, differing)));
    }

    private static (List<uint> Pages, PageIndex Index) Differing(OverlayImage image, SqliteHeader header, PageHashList hashes, CancellationToken cancellationToken)
    {
        var differing = new List<uint>();
        var hash = new byte[PageHashList.HashSize];
        var index = PageScan.Read(image, header, (page, content) =>
        {
            // SQLite's backup gives page 1 a header of its own, and never uses the page with the lock bytes
            if (page == 1 || page == SqliteHeader.LockBytes / header.PageSize + 1)
                return;
            PageHashList.Hash(content, hash);
            if (page > hashes.Count || !hashes[(int)page - 1].SequenceEqual(hash))
                differing.Add(page);
        }, cancellationToken);
        for (var lost = (uint)(image.Length / header.PageSize) + 1; lost <= hashes.Count; lost++)
            differing.Add(lost);
        return (differing, index);
    }

    private static List<string> Where(string path, OverlayImage image, PageIndex index, List<uint> differing)
    {
        if (differing.Count == 0)
            return [];
        var owners = new Dictionary<uint, string>();
        try
        {
            using var connection = ImageConnection.Open(image, path);
            var wanted = differing.ToHashSet();
            foreach (var row in ObjectCatalog.ReadSchema(connection.Connection).Where(r => r.RootPage > 0))
            {
                foreach (var page in index.Walk(row.RootPage).Pages.Where(wanted.Contains))
                    owners.TryAdd(page, $"{row.Type} {row.Name}");
            }
        }
        catch (Exception e) when (e is SqliteException or DbRecoveryException)
        {
            // the schema itself is damaged: the pages are named without their owners
        }
        return [.. differing.Take(MaxWhere).Select(page => string.Create(CultureInfo.InvariantCulture, $"page {page} ({owners.GetValueOrDefault(page, "no object")})"))];
    }

    private static void Unknown(FactSet facts, string because, bool withState)
    {
        if (withState)
            facts.SetUnknown(SqliteFacts.UnwrittenSinceBackup, because);
        facts.SetUnknown(SqliteFacts.SilentDamage, because);
        facts.SetUnknown(SqliteFacts.SilentDamageWhere, because);
    }
}
