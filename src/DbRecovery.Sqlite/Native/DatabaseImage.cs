using System.Runtime.InteropServices;
using DbRecovery.Sqlite.Format;
using Microsoft.Data.Sqlite;
using Microsoft.Win32.SafeHandles;
using SQLitePCL;

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

/// <summary>
/// The live database file, read through SQLite's own file object.
/// </summary>
/// <remarks>
/// A POSIX lock belongs to the process, and closing any descriptor of a file drops every lock that the process has on it: a
/// descriptor of our own, closed, would unlock the connections that this process has on the database. SQLite keeps account of
/// its own descriptors and puts such a close off. So nothing in this project opens a live database (or its -shm) by itself.
/// </remarks>
internal sealed unsafe class RawDatabaseFile : IDatabaseImage, IDisposable
{
    private const int FilePointer = 7; // SQLITE_FCNTL_FILE_POINTER
    private const int ShortRead = 522; // SQLITE_IOERR_SHORT_READ

    // sqlite3_io_methods: iVersion, then xClose, xRead, xWrite, xTruncate, xSync, xFileSize
    private const int ReadMethod = 2, FileSizeMethod = 6;

    private readonly SqliteConnection _connection;
    private readonly nint _file;

    private RawDatabaseFile(SqliteConnection connection, nint file) => (_connection, _file) = (connection, file);

    /// <summary>Opens a file, whatever is in it. Nothing is read or locked by this.</summary>
    /// <exception cref="DbRecoveryException">It cannot be opened.</exception>
    internal static RawDatabaseFile Open(string path)
    {
        var connection = SqliteConnections.OpenReadOnly(path, TimeSpan.Zero);
        nint file = 0;
        var code = sqlite3_file_control(connection.Handle!.DangerousGetHandle(), 0, FilePointer, &file);
        if (code == raw.SQLITE_OK && file != 0 && *(nint*)file != 0)
            return new RawDatabaseFile(connection, file);
        connection.Dispose();
        throw new DbRecoveryException(ErrorIds.ConnectionFailed, ErrorKind.Failed, $"SQLite gave no file object for {path} (code {code})", target: path);
    }

    /// <inheritdoc/>
    public long Length
    {
        get
        {
            long size = 0;
            var code = ((delegate* unmanaged[Cdecl]<nint, long*, int>)Method(FileSizeMethod))(_file, &size);
            return code == raw.SQLITE_OK ? size : throw new IOException($"the size of the database cannot be had (SQLite code {code})");
        }
    }

    /// <inheritdoc/>
    public int Read(long offset, Span<byte> buffer)
    {
        fixed (byte* bytes = buffer)
        {
            var code = ((delegate* unmanaged[Cdecl]<nint, byte*, int, long, int>)Method(ReadMethod))(_file, bytes, buffer.Length, offset);
            return code switch
            {
                raw.SQLITE_OK => buffer.Length,
                ShortRead => (int)Math.Clamp(Length - offset, 0, buffer.Length),
                _ => throw new IOException($"the database cannot be read at {offset} (SQLite code {code})"),
            };
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _connection.Dispose();

    private nint Method(int index)
    {
        ObjectDisposedException.ThrowIf(_connection.State != System.Data.ConnectionState.Open, this);
        return (*(nint**)_file)[index];
    }

    [DllImport(SqliteLibrary.Name, CallingConvention = CallingConvention.Cdecl)]
    private static extern int sqlite3_file_control(nint connection, nint schema, int operation, void* argument);
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
