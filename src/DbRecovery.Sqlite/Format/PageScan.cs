using DbRecovery.Sqlite.Native;

namespace DbRecovery.Sqlite.Format;

/// <summary>Reads a whole database once, page after page.</summary>
internal static class PageScan
{
    /// <summary>Takes down what every page points to.</summary>
    /// <param name="image">The database.</param>
    /// <param name="header">Its header.</param>
    /// <param name="each">Called with each page's number and content; null where nothing else is wanted.</param>
    /// <param name="cancellationToken">Cancels.</param>
    internal static PageIndex Read(IDatabaseImage image, SqliteHeader header, PageVisitor? each, CancellationToken cancellationToken)
    {
        var index = new PageIndex(header.UsableSize);
        var buffer = new byte[Math.Max(1, (1 << 20) / header.PageSize) * header.PageSize];
        for (long at = 0; at < image.Length; at += buffer.Length)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var read = image.Read(at, buffer);
            for (var i = 0; i + header.PageSize <= read; i += header.PageSize)
            {
                var number = (uint)((at + i) / header.PageSize) + 1;
                var page = buffer.AsSpan(i, header.PageSize);
                index.Add(number, page);
                each?.Invoke(number, page);
            }
        }
        return index;
    }
}

/// <summary>Gets a page.</summary>
internal delegate void PageVisitor(uint number, ReadOnlySpan<byte> page);
