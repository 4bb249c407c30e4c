using System.Buffers.Binary;
using DbRecovery.Sqlite.Files;
using DbRecovery.Sqlite.Format;
using DbRecovery.Sqlite.Native;
using DbRecovery.Sqlite.Observation;

namespace DbRecovery.Sqlite.Salvage;

/// <summary>
/// The pages of a damaged database with its WAL or hot journal laid over them, and what is known of each page's use. Nothing in the
/// file can make reading it fail: a page that cannot be had is no page.
/// </summary>
internal sealed class PageStore : IDisposable
{
    private static readonly int[] PageSizes = [4096, 1024, 8192, 16384, 2048, 32768, 512, 65536];

    // what extensions keep for themselves at the end of each page: check sums 8, the SQLite of macOS 12
    private static readonly byte[] Reservations = [0, 8, 12, 16, 32];

    // SQLite's own limit of a row
    private const long LargestRow = 1_000_000_000;

    private readonly IDatabaseImage _image;
    private readonly IDisposable?[] _owned;
    private readonly byte[] _uses;

    private PageStore(IDatabaseImage image, SqliteHeader header, bool headerGuessed, params IDisposable?[] owned)
    {
        (_image, Header, HeaderGuessed, _owned) = (image, header, headerGuessed, owned);
        PageCount = (uint)Math.Min(image.Length / header.PageSize, uint.MaxValue - 1);
        _uses = new byte[PageCount + 1L];
        Encoding = header.TextEncoding is 2 or 3 ? header.TextEncoding : 1;
    }

    /// <summary>The header; a guessed one where the file's own is destroyed.</summary>
    internal SqliteHeader Header { get; }

    /// <summary>Whether the header is destroyed: then encoding, freelist and settings are not known.</summary>
    internal bool HeaderGuessed { get; }

    /// <summary>Pages that can be read.</summary>
    internal uint PageCount { get; }

    /// <summary>The text encoding.</summary>
    internal uint Encoding { get; set; }

    /// <summary>Opens a file, whatever is in it. It is only read.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.DatabaseCorrupt"/>: nothing in it looks like a page of a database.</exception>
    internal static PageStore Open(string path, CancellationToken cancellationToken)
    {
        var file = LiveImage.Open(path);
        try
        {
            var header = ReadHeader(file);
            byte[]? repaired = null;
            if (header is null)
                (header, repaired) = Guess(file, cancellationToken);
            if (header is null)
                throw new DbRecoveryException(ErrorIds.DatabaseCorrupt, ErrorKind.CorruptData, $"nothing in {path} ({file.Length} bytes) looks like a page of a database", "Restore it from a backup: there is nothing to salvage.", path);
            // who has the file open takes long to find out, and matters only beside a journal
            var hot = File.Exists(JournalFile.PathOf(path)) ? DatabaseView.HotJournal(path, FileUsers.Of(path), withPages: true, cancellationToken) : null;
            var wal = header.IsWal || repaired is not null ? WalFile.TryRead(path, withPages: true, cancellationToken) : null;
            var image = DatabaseView.ImageOf(file, header, hot, wal, repaired);
            // a header in the WAL is newer than the file's, and may be there where the file's is destroyed
            var latest = ReadHeader(image) is { } h && h.PageSize == header.PageSize ? h : header;
            return new PageStore(image, latest, repaired is not null, image, file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Opens an image as it is.</summary>
    internal static PageStore? TryOpen(IDatabaseImage image, CancellationToken cancellationToken)
    {
        if (ReadHeader(image) is { } header)
            return new PageStore(image, header, false);
        return Guess(image, cancellationToken) is { Header: { } guessed } ? new PageStore(image, guessed, true) : null;
    }

    /// <summary>The content of a page; null where it cannot be read.</summary>
    internal byte[]? TryReadBytes(uint number)
    {
        if (number == 0 || number > PageCount)
            return null;
        var page = new byte[Header.PageSize];
        try
        {
            return _image.Read((number - 1) * (long)Header.PageSize, page) == page.Length ? page : null;
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>A b-tree page; null where it is none or damaged.</summary>
    internal CellPage? TryReadPage(uint number) =>
        TryReadBytes(number) is { } bytes ? CellPage.TryParse(number, bytes, Header.UsableSize) : null;

    /// <summary>What a page is used for, as far as it is known.</summary>
    internal PageUse UseOf(uint number) => number <= PageCount ? (PageUse)_uses[number] : PageUse.Unknown;

    /// <summary>Notes what a page is used for. False where something else uses it already.</summary>
    internal bool Claim(uint number, PageUse use)
    {
        if (number == 0 || number > PageCount)
            return false;
        var free = _uses[number] == (byte)PageUse.Unknown;
        // two chains over one page: which of them is right cannot be told
        _uses[number] = free ? (byte)use : use == PageUse.Overflow && _uses[number] == (byte)PageUse.Overflow ? (byte)PageUse.Contested : _uses[number];
        return free;
    }

    /// <summary>Takes a claim back.</summary>
    internal void Release(uint number) => _uses[number] = (byte)PageUse.Unknown;

    /// <summary>Notes the pages of a cell's overflow chain as used.</summary>
    internal void ClaimOverflow(in Cell cell)
    {
        var next = cell.Overflow;
        // behind a page of two chains all are: a chain that comes back to itself ends with its second round
        for (var left = cell.PayloadSize - cell.LocalSize; left > 0 && next != 0 && UseOf(next) is PageUse.Unknown or PageUse.Overflow; left -= Header.UsableSize - 4)
        {
            Claim(next, PageUse.Overflow);
            next = TryReadBytes(next) is { } page ? BinaryPrimitives.ReadUInt32BigEndian(page) : 0;
        }
    }

    /// <summary>The whole record of a cell; null with the reason where its overflow chain is broken.</summary>
    internal byte[]? TryReadPayload(CellPage page, in Cell cell, out string? problem)
    {
        problem = null;
        if (cell.Overflow == 0 && cell.LocalSize == cell.PayloadSize)
            return page.Bytes.AsSpan(cell.LocalOffset, cell.LocalSize).ToArray();
        if (cell.PayloadSize > Math.Min(LargestRow, PageCount * (long)Header.PageSize))
        {
            problem = $"its size of {cell.PayloadSize} bytes is impossible";
            return null;
        }
        var payload = new byte[cell.PayloadSize];
        page.Bytes.AsSpan(cell.LocalOffset, cell.LocalSize).CopyTo(payload);
        var next = cell.Overflow;
        for (var at = cell.LocalSize; at < payload.Length;)
        {
            var bytes = UseOf(next) is PageUse.Unknown or PageUse.Overflow ? TryReadBytes(next) : null;
            if (bytes is null)
            {
                problem = UseOf(next) == PageUse.Contested ? $"its overflow page {next} belongs to two rows" : $"its overflow page {next} cannot be read";
                return null;
            }
            var part = bytes.AsSpan(4, Math.Min(Header.UsableSize - 4, payload.Length - at));
            if (IsEmptied(bytes, payload.AsSpan(0, at)))
            {
                problem = $"its overflow page {next} is empty";
                return null;
            }
            part.CopyTo(payload.AsSpan(at));
            at += part.Length;
            next = BinaryPrimitives.ReadUInt32BigEndian(bytes);
        }
        if (next != 0)
            problem = "its overflow chain does not end where the row does";
        return problem is null ? payload : null;
    }

    /// <summary>Notes the pages that hold nothing. False where the freelist does not add up: then any unused page may be one of them.</summary>
    internal bool ClaimFreePages()
    {
        if (HeaderGuessed)
            return false;
        uint found = 0;
        for (var trunk = Header.FirstFreelistPage; trunk != 0;)
        {
            if (!Claim(trunk, PageUse.Free) || TryReadBytes(trunk) is not { } page)
                return false;
            found++;
            var leaves = BinaryPrimitives.ReadUInt32BigEndian(page.AsSpan(4));
            if (leaves > (uint)Header.UsableSize / 4 - 2)
                return false;
            for (var i = 0; i < leaves; i++, found++)
            {
                if (!Claim(BinaryPrimitives.ReadUInt32BigEndian(page.AsSpan(8 + i * 4)), PageUse.Free))
                    return false;
            }
            trunk = BinaryPrimitives.ReadUInt32BigEndian(page);
        }
        return found == Header.FreelistPages;
    }

    /// <summary>Whether SQLite keeps anything of a table on a page.</summary>
    internal bool CanHoldRows(uint number) => number != SqliteHeader.LockBytes / Header.PageSize + 1;

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var owned in _owned)
            owned?.Dispose();
    }

    // a zeroed last page looks like the end of a chain; a row of zeros (zeroblob) has them before it, too
    private static bool IsEmptied(byte[] page, ReadOnlySpan<byte> before) =>
        !page.AsSpan().ContainsAnyExcept((byte)0) && before[^Math.Min(before.Length, 16)..].ContainsAnyExcept((byte)0);

    private static SqliteHeader? ReadHeader(IDatabaseImage image)
    {
        try
        {
            return SqliteHeader.TryRead(image);
        }
        catch (IOException)
        {
            return null;
        }
    }

    // the first page may be destroyed altogether; the sizes under which the most bytes are sound pages are the right ones
    private static (SqliteHeader? Header, byte[]? Bytes) Guess(IDatabaseImage image, CancellationToken cancellationToken)
    {
        const long Sample = 4 << 20;
        var best = Reservations.SelectMany(reserved => PageSizes.Where(size => size - reserved >= 480)
            .Select(size => (Size: size, Reserved: reserved, Sound: SoundBytes(image, size, reserved, Sample, cancellationToken)))).MaxBy(s => s.Sound);
        if (best.Sound == 0)
            return (null, null);
        var header = new byte[SqliteHeader.Size];
        SqliteHeader.Magic.CopyTo(header);
        BinaryPrimitives.WriteUInt16BigEndian(header.AsSpan(16), (ushort)(best.Size == 65536 ? 1 : best.Size));
        header[20] = best.Reserved;
        (header[18], header[19], header[21], header[22], header[23]) = (1, 1, 64, 32, 32);
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(44), 4);
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(56), 1);
        return (SqliteHeader.TryParse(header), header);
    }

    private static long SoundBytes(IDatabaseImage image, int size, int reserved, long sample, CancellationToken cancellationToken)
    {
        long sound = 0;
        for (uint number = 1; number * (long)size <= Math.Min(image.Length, sample); number++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var page = new byte[size];
            try
            {
                if (image.Read((number - 1) * (long)size, page) == size && CellPage.TryParse(number, page, size - reserved) is { Cells.Count: > 0 })
                    sound += size;
            }
            catch (IOException)
            {
                // a place that the disk does not give
            }
        }
        return sound;
    }
}

/// <summary>What a page is used for.</summary>
internal enum PageUse : byte
{
    /// <summary>Not known.</summary>
    Unknown,
    /// <summary>Part of a tree.</summary>
    Tree,
    /// <summary>Part of one row's overflow chain.</summary>
    Overflow,
    /// <summary>Named by more than one chain.</summary>
    Contested,
    /// <summary>On the freelist.</summary>
    Free,
}
