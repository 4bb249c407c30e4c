using DbRecovery.Sqlite.Format;
using DbRecovery.Sqlite.Native;

namespace DbRecovery.Sqlite.Observation;

/// <summary>What the header says, and whether the file has what it promises.</summary>
internal static class HeaderFacts
{
    private const int Samples = 16;
    private const int SampleSize = 4096;

    /// <summary>Records the header's state and fields. Gives the header, or null where it is none.</summary>
    internal static SqliteHeader? Record(string path, IDatabaseImage file, FactSet facts, CancellationToken cancellationToken)
    {
        var first = new byte[SqliteHeader.Size];
        var read = file.Read(0, first);
        var header = SqliteHeader.TryParse(first.AsSpan(0, read));
        var state = read == 0 ? "empty"
            : read < SqliteHeader.Size ? "truncated"
            : header is not null ? "ok"
            : SqliteHeader.HasMagic(first) ? "invalid" : "foreign";
        facts.Set(SqliteFacts.Header, state);
        facts.Set(SqliteFacts.LooksEncrypted, state == "foreign" && LooksRandom(file));
        if (header is null)
            return null;
        facts.Set(SqliteFacts.PageSize, header.PageSize);
        facts.Set(SqliteFacts.JournalMode, header.IsWal ? "wal" : "rollback");
        facts.Set(SqliteFacts.ChangeCounter, header.ChangeCounter);
        RecordSize(path, file, header, facts, cancellationToken);
        return header;
    }

    private static void RecordSize(string path, IDatabaseImage file, SqliteHeader header, FactSet facts, CancellationToken cancellationToken)
    {
        if (header.PageCount is not { } pages)
        {
            facts.Set(SqliteFacts.PageCount, file.Length / header.PageSize);
            facts.SetUnknown(SqliteFacts.MissingBytes, "the header was written by an SQLite that did not keep the size in it");
            return;
        }
        var missing = Math.Max(0, (long)pages * header.PageSize - file.Length);
        var walSize = facts.Int(SqliteFacts.WalSize) ?? 0;
        if (header.IsWal && walSize > 0 && (missing > 0 || walSize < 64L << 20) && WalFile.TryRead(path, withPages: missing > 0, cancellationToken) is { CommittedFrames: > 0 } wal)
        {
            pages = wal.PageCount;
            // a checkpoint writes page 1 before the pages behind it: those are still in the WAL then
            var there = file.Length / header.PageSize;
            missing = missing == 0 ? 0 : Enumerable.Range(0, (int)Math.Max(0, pages - there)).LongCount(i => !wal.Pages.ContainsKey((uint)(there + i + 1))) * header.PageSize;
        }
        facts.Set(SqliteFacts.PageCount, pages);
        facts.Set(SqliteFacts.MissingBytes, missing);
    }

    /// <summary>Whether every byte value is as frequent as any other, in samples from all over the file, the first bytes included.</summary>
    private static bool LooksRandom(IDatabaseImage file)
    {
        var length = file.Length;
        if (length < 2 * SampleSize)
            return false;
        var step = Math.Max(SampleSize, (length - SampleSize) / (Samples - 1));
        var sample = new byte[SampleSize];
        var all = new long[256];
        long taken = 0;
        for (long at = 0; at + SampleSize <= length; at += step)
        {
            var counts = new long[256];
            var read = file.Read(at, sample);
            for (var i = 0; i < read; i++)
                counts[sample[i]]++;
            // 255 degrees of freedom: random bytes lie above 400 once in a hundred million samples
            if (ChiSquare(counts, read) > 400)
                return false;
            for (var i = 0; i < all.Length; i++)
                all[i] += counts[i];
            taken += read;
        }
        return ChiSquare(all, taken) <= 400;
    }

    private static double ChiSquare(long[] counts, long total)
    {
        var expected = total / 256.0;
        return counts.Sum(count => (count - expected) * (count - expected) / expected);
    }
}
