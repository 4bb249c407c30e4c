using DbRecovery.Sqlite.Format;
using DbRecovery.Sqlite.Native;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace DbRecovery.Sqlite.Inspection;

/// <summary>
/// Says which tables and indexes lie in bytes of a backed-up database that cannot be read: the trees are walked through the pages that
/// are left. A tree in which a page is missing is hit; where the schema itself is, every object that the manifest knows is named whose
/// tree could not be walked whole.
/// </summary>
internal sealed class BackupObjectMap : IObjectMap
{
    /// <inheritdoc/>
    public async Task<IReadOnlyList<string>> ObjectsInAsync(IBackupContent backup, string path, IReadOnlyList<(long Offset, long Length)> ranges, CancellationToken cancellationToken)
    {
        using var reader = await backup.OpenFileAsync(path, cancellationToken).ConfigureAwait(false);
        return await Task.Run(() => Find(backup, reader, ranges, cancellationToken), cancellationToken).ConfigureAwait(false);
    }

    private static IReadOnlyList<string> Find(IBackupContent backup, IBackupFileReader reader, IReadOnlyList<(long Offset, long Length)> ranges, CancellationToken cancellationToken)
    {
        var image = new RemainingImage(reader, ranges);
        if (SqliteHeader.TryRead(image) is not { } header)
            return Known(backup);
        using var plain = new OverlayImage(image, header.PageSize, image.Length, null, new Dictionary<uint, long>());
        var index = Scan(image, header, cancellationToken);
        var schemaWalk = index.Walk(1);
        if (schemaWalk.Problems.Count > 0 || Schema(plain) is not { } schema)
            return Known(backup);
        return [.. schema.Where(r => r.RootPage > 0 && index.Walk(r.RootPage).Problems.Count > 0).Select(r => $"{r.Type} {r.Name}").Order(StringComparer.Ordinal)];
    }

    /// <summary>Takes down every page that can be read: one that cannot is as if it were not there.</summary>
    private static PageIndex Scan(RemainingImage image, SqliteHeader header, CancellationToken cancellationToken)
    {
        var index = new PageIndex(header.UsableSize);
        var page = new byte[header.PageSize];
        for (long at = 0; at + page.Length <= image.Length; at += page.Length)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (!image.Lacks(at, page.Length) && image.Read(at, page) == page.Length)
                index.Add((uint)(at / page.Length) + 1, page);
        }
        return index;
    }

    private static IReadOnlyList<SchemaRow>? Schema(IDatabaseImage image)
    {
        try
        {
            using var connection = ImageConnection.Open(image, "backup");
            // a damaged definition would otherwise keep the sound ones from being read
            raw.sqlite3_exec(connection.Connection.Handle, "PRAGMA writable_schema = ON");
            return ObjectCatalog.ReadSchema(connection.Connection);
        }
        catch (Exception e) when (e is SqliteException or DbRecoveryException)
        {
            return null;
        }
    }

    /// <summary>Every object that the manifest names: none of them can be excluded.</summary>
    private static IReadOnlyList<string> Known(IBackupContent backup) =>
        [.. backup.Source.Objects.Where(o => o.Type is "table" or "index").Select(o => $"{o.Type} {o.Name}").Order(StringComparer.Ordinal)];

    /// <summary>A file of a backup without the bytes that are known to be lost, which read as zeros.</summary>
    private sealed class RemainingImage(IBackupFileReader reader, IReadOnlyList<(long Offset, long Length)> lost) : IDatabaseImage
    {
        public long Length => reader.Length;

        public bool Lacks(long offset, long length) => lost.Any(r => r.Offset < offset + length && offset < r.Offset + r.Length);

        public int Read(long offset, Span<byte> buffer)
        {
            var wanted = (int)Math.Clamp(Length - offset, 0, buffer.Length);
            if (Lacks(offset, wanted))
            {
                buffer[..wanted].Clear();
                return wanted;
            }
            try
            {
                return reader.Read(offset, buffer);
            }
            catch (DbRecoveryException e)
            {
                throw new IOException(e.Message, e);
            }
        }
    }
}
