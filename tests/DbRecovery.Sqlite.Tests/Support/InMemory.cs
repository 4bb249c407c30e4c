using DbRecovery.Sqlite.Native;

namespace DbRecovery.Sqlite.Tests;

/// <summary>A file in memory, as a backup gives it and as SQLite reads it.</summary>
internal sealed class InMemory(byte[] content) : IBackupFileReader, IDatabaseImage
{
    public int Reads { get; private set; }

    public long Length => content.Length;

    public int Read(long offset, Span<byte> destination)
    {
        Reads++;
        var count = (int)Math.Clamp(Length - offset, 0, destination.Length);
        content.AsSpan((int)offset, count).CopyTo(destination);
        return count;
    }

    public void Dispose()
    {
    }
}
