using DbRecovery.Sqlite.Native;

namespace DbRecovery.Sqlite.Swap;

/// <summary>The two bytes of a database's header that say whether it is in WAL mode (https://sqlite.org/fileformat2.html, section 1.3.3).</summary>
internal static class JournalModeBytes
{
    /// <summary>The value of WAL mode.</summary>
    internal const byte Wal = 2;

    private const int Offset = 18;
    private const int HeaderSize = 100;

    /// <summary>The value in a file that may be live, read through SQLite's own file; null where the header does not say.</summary>
    internal static byte? OfLive(string path, SqliteFileLock? held)
    {
        if (held is not null)
            return Of(held.File);
        try
        {
            using var connection = SqliteConnections.OpenReadOnly(path, TimeSpan.Zero);
            return Of(SqliteFile.Database(connection));
        }
        catch (DbRecoveryException)
        {
            return null; // it cannot be opened, so it cannot say
        }
    }

    private static byte? Of(SqliteFile file)
    {
        Span<byte> header = stackalloc byte[HeaderSize];
        return file.Read(header, 0) ? Parse(header) : null;
    }

    /// <summary>The value in a file that nobody has open.</summary>
    internal static byte? Of(string path)
    {
        if (!File.Exists(path))
            return null;
        using var file = File.OpenHandle(path);
        Span<byte> header = stackalloc byte[HeaderSize];
        return RandomAccess.Read(file, header, 0) == HeaderSize ? Parse(header) : null;
    }

    /// <summary>Sets the value in a file that nobody has open.</summary>
    internal static void Set(string path, byte value)
    {
        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite);
        RandomAccess.Write(file, [value, value], Offset);
    }

    private static byte? Parse(ReadOnlySpan<byte> header) =>
        header.StartsWith("SQLite format 3\0"u8) && header[Offset] is 1 or 2 && header[Offset] == header[Offset + 1] ? header[Offset] : null;
}
