using DbRecovery.Sqlite.Format;
using Microsoft.Data.Sqlite;
using Microsoft.Win32.SafeHandles;

namespace DbRecovery.Sqlite.Native;

/// <summary>The bytes of a database, from wherever they come.</summary>
internal interface IDatabaseImage
{
    /// <summary>Bytes.</summary>
    long Length { get; }

    /// <summary>Reads; fewer bytes than asked for only at the end.</summary>
    /// <exception cref="IOException">The system cannot read them.</exception>
    int Read(long offset, Span<byte> buffer);
}

/// <summary>The live database file as it is, read through <see cref="SqliteFile"/>.</summary>
internal sealed class LiveImage : IDatabaseImage, IDisposable
{
    private readonly SqliteConnection _connection;
    private readonly SqliteFile _file;

    private LiveImage(SqliteConnection connection, SqliteFile file) => (_connection, _file) = (connection, file);

    /// <summary>Opens a file, whatever is in it. Nothing is read or locked by this.</summary>
    /// <exception cref="DbRecoveryException">It cannot be opened.</exception>
    internal static LiveImage Open(string path)
    {
        var connection = SqliteConnections.OpenReadOnly(path, TimeSpan.Zero);
        try
        {
            return new LiveImage(connection, SqliteFile.Database(connection));
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public long Length
    {
        get
        {
            try
            {
                return _file.Size();
            }
            catch (DbRecoveryException e)
            {
                throw new IOException(e.Message, e);
            }
        }
    }

    /// <inheritdoc/>
    public int Read(long offset, Span<byte> buffer)
    {
        try
        {
            return _file.Read(buffer, offset) ? buffer.Length : (int)Math.Clamp(Length - offset, 0, buffer.Length);
        }
        catch (DbRecoveryException e)
        {
            throw new IOException(e.Message, e);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _connection.Dispose();
}

/// <summary>
/// A database as it will be once it is recovered: the file, over it the pages of a WAL or of a hot journal, and on top a header
/// that lets SQLite read it as a plain file. Nothing is changed, and nothing else is opened.
/// </summary>
internal sealed class OverlayImage : IDatabaseImage, IDisposable
{
    private readonly IDatabaseImage _file;
    private readonly int _pageSize;
    private readonly IReadOnlyDictionary<uint, long> _pages;
    private readonly SafeFileHandle? _journal;
    private readonly byte[]? _header;

    /// <summary>Lays an overlay.</summary>
    /// <param name="file">The file below.</param>
    /// <param name="pageSize">The page size.</param>
    /// <param name="length">The bytes of the whole.</param>
    /// <param name="journalPath">Where the pages above are; null for none.</param>
    /// <param name="pages">The offsets of those pages in it.</param>
    /// <param name="header">A header in place of a destroyed one; null where the file's own stands.</param>
    internal OverlayImage(IDatabaseImage file, int pageSize, long length, string? journalPath, IReadOnlyDictionary<uint, long> pages, byte[]? header = null)
    {
        (_file, _pageSize, Length, _pages, _header) = (file, pageSize, length, pages, header);
        _journal = journalPath is null ? null : File.OpenHandle(journalPath, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
    }

    /// <inheritdoc/>
    public long Length { get; }

    /// <inheritdoc/>
    public int Read(long offset, Span<byte> buffer)
    {
        var wanted = (int)Math.Clamp(Length - offset, 0, buffer.Length);
        for (var done = 0; done < wanted;)
        {
            var within = (int)((offset + done) % _pageSize);
            var part = buffer.Slice(done, Math.Min(_pageSize - within, wanted - done));
            var page = (uint)((offset + done) / _pageSize) + 1;
            var read = _journal is not null && _pages.TryGetValue(page, out var at)
                ? RandomAccess.Read(_journal, part, at + within)
                : _file.Read(offset + done, part);
            part[read..].Clear();
            done += part.Length;
        }
        PatchHeader(offset, buffer[..wanted]);
        return wanted;
    }

    /// <inheritdoc/>
    public void Dispose() => _journal?.Dispose();

    private void PatchHeader(long offset, Span<byte> read)
    {
        for (var i = 0; offset + i < SqliteHeader.Size && i < read.Length; i++)
        {
            var at = (int)offset + i;
            if (_header is not null)
                read[i] = _header[at];
            // as a rollback database it asks for no -wal and no -shm; the WAL's pages are laid over it already
            if (at is 18 or 19)
                read[i] = 1;
        }
    }
}
