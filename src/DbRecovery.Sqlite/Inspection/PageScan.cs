using DbRecovery.Sqlite.Format;
using DbRecovery.Sqlite.Native;

namespace DbRecovery.Sqlite.Inspection;

/// <summary>One pass over all pages of a database: what they point to, and their hashes.</summary>
internal sealed record PageScan(PageIndex Index, PageHashList Hashes)
{
    private const int ChunkBytes = 1 << 20;

    /// <summary>Reads every page once.</summary>
    internal static PageScan Of(IDatabaseImage image, SqliteHeader header, Action<long>? done, CancellationToken cancellationToken)
    {
        var size = header.PageSize;
        var index = new PageIndex(header.UsableSize);
        var hashes = new byte[(image.Length + size - 1) / size * PageHashList.HashSize];
        var buffer = new byte[Math.Max(1, ChunkBytes / size) * size];
        var page = 0;
        for (long at = 0; at < image.Length; at += buffer.Length)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var read = image.Read(at, buffer);
            for (var i = 0; i + size <= read; i += size)
            {
                var content = buffer.AsSpan(i, size);
                index.Add((uint)page + 1, content);
                PageHashList.Hash(content, hashes.AsSpan(page * PageHashList.HashSize));
                page++;
            }
            done?.Invoke(at + read);
        }
        return new PageScan(index, new PageHashList(size, hashes.AsMemory(0, page * PageHashList.HashSize)));
    }
}
