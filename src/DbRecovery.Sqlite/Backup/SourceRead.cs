using System.Text;
using DbRecovery.Sqlite.Format;

namespace DbRecovery.Sqlite.Backup;

/// <summary>The reading of a pinned database.</summary>
internal sealed record SourceRead(Snapshot Snapshot, IReadOnlyList<SchemaRow> Schema, string Activity, IProgress<OperationProgress>? Progress)
{
    private const int ChunkBytes = 1 << 20;

    // kept between stretches: with the log's help there are many short ones
    private byte[] _current = [];
    private byte[] _next = [];

    /// <summary>Reads pages in order, gives them to the writer and takes down what they point to.</summary>
    internal async Task StreamAsync(IBackupFileWriter writer, PageIndex index, List<string> problems, uint first, uint pages, CancellationToken cancellationToken)
    {
        var size = Snapshot.PageSize;
        var perChunk = (int)Math.Min(pages, (uint)Math.Max(1, ChunkBytes / size));
        if (_current.Length < perChunk * size)
            (_current, _next) = (new byte[perChunk * size], new byte[perChunk * size]);
        var total = (long)Snapshot.PageCount * size;
        var writing = Task.CompletedTask;
        try
        {
            for (var page = (long)first; page < (long)first + pages; page += perChunk)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var count = (int)Math.Min(perChunk, first + (long)pages - page);
                var bytes = _current.AsMemory(0, count * size);
                if (!Snapshot.Read((uint)page, bytes.Span))
                    problems.Add($"the file ends before page {page + count - 1}; what is missing was read as zeros");
                for (var i = 0; i < count; i++)
                    index.Add((uint)(page + i), bytes.Span.Slice(i * size, size));
                // the sink compresses and stores one chunk while the next is read
                await writing.ConfigureAwait(false);
                writing = writer.WriteAsync(bytes, cancellationToken).AsTask();
                (_current, _next) = (_next, _current);
                Progress?.Report(new OperationProgress(Activity, SqliteBackupSource.FileName, (page - 1 + count) * size, total));
            }
        }
        finally
        {
            await writing.ConfigureAwait(false);
        }
    }
}

/// <summary>The settings and the schema as SQL, for people and for a database made anew: in the backup, and never restored by itself.</summary>
internal static class SqliteDescription
{
    private const string FileName = "schema.sql";

    internal static async Task WriteAsync(IBackupSink sink, IReadOnlyDictionary<string, string> settings, IReadOnlyList<SchemaRow> schema, CancellationToken cancellationToken)
    {
        var text = Encoding.UTF8.GetBytes(Text(settings, schema));
        var writer = await sink.BeginAsync(new BackupEntry { Path = FileName, Part = BackupEntryPart.Description, ExpectedSize = text.Length }, cancellationToken).ConfigureAwait(false);
        await using var open = writer.ConfigureAwait(false);
        await writer.WriteAsync(text, cancellationToken).ConfigureAwait(false);
        await writer.CompleteAsync(cancellationToken).ConfigureAwait(false);
    }

    private static string Text(IReadOnlyDictionary<string, string> settings, IReadOnlyList<SchemaRow> schema)
    {
        var text = new StringBuilder();
        // the schema's version changes by itself when the statements below are carried out; reserved bytes have no PRAGMA
        foreach (var (name, value) in settings)
            text.Append(name is "schema_version" or "reserved_bytes" ? "-- " : "PRAGMA ").Append(name).Append('=').Append(name == "encoding" ? $"'{value}'" : value).Append(";\n");
        foreach (var row in schema.Where(r => r.Sql is not null && !r.Name.StartsWith("sqlite_", StringComparison.Ordinal)))
            text.Append(row.Sql).Append(";\n");
        return text.ToString();
    }
}
