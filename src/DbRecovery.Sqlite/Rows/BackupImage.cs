using DbRecovery.Sqlite.Format;
using DbRecovery.Sqlite.Native;

namespace DbRecovery.Sqlite.Rows;

/// <summary>A database inside a backup: only the blobs that hold the pages asked for are read.</summary>
internal sealed class BackupImage : IDatabaseImage, IDisposable
{
    private const int Ahead = 16;           // blobs decoded before they are asked for; the reader keeps twice as many
    private const int BlobGuess = 256 << 10; // the least that a blob of a database holds, as a rule
    private readonly IBackupFileReader _file;
    private readonly CancellationTokenSource _stop = new();
    private long[] _order = [];
    private Dictionary<long, int> _places = [];
    private Task[] _workers = [];
    private int _next;
    private int _read;

    internal BackupImage(IBackupFileReader file) => _file = file;

    /// <summary>What made a read fail: SQLite can only say that one did.</summary>
    internal DbRecoveryException? Error { get; private set; }

    /// <inheritdoc/>
    public long Length => _file.Length;

    /// <inheritdoc/>
    public int Read(long offset, Span<byte> buffer)
    {
        try
        {
            if (_places.TryGetValue(offset / BlobGuess, out var place))
                Volatile.Write(ref _read, Math.Max(_read, place));
            var read = _file.Read(offset, buffer);
            // as a rollback database it asks for no -wal and no -shm
            for (var i = 0; offset + i < 20 && i < read; i++)
                if (offset + i is 18 or 19)
                    buffer[i] = 1;
            return read;
        }
        catch (DbRecoveryException e)
        {
            Error ??= e;
            throw new IOException(e.Message, e);
        }
    }

    /// <summary>Decodes a table's blobs on every core, in the order in which a scan of the table needs them.</summary>
    internal void Prefetch(uint root)
    {
        if (_workers.Length > 0 || SqliteHeader.TryRead(this) is not { } header)
            return;
        _order = Leaves(root, header).Select(p => (p - 1L) * header.PageSize / BlobGuess).Distinct().ToArray();
        _places = _order.Select((o, i) => (o, i)).ToDictionary(p => p.o, p => p.i);
        if (_order.Length > 2)
            _workers = [.. Enumerable.Range(0, Math.Min(Environment.ProcessorCount, 4)).Select(_ => Task.Factory.StartNew(DecodeAhead, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default))];
    }

    private void DecodeAhead()
    {
        Span<byte> one = stackalloc byte[1];
        while (!_stop.IsCancellationRequested)
        {
            var place = Interlocked.Increment(ref _next) - 1;
            if (place >= _order.Length)
                return;
            // what is decoded too early is thrown out again before it is used
            while (place > Volatile.Read(ref _read) + Ahead)
                if (_stop.Token.WaitHandle.WaitOne(1))
                    return;
            try
            {
                _file.Read(_order[place] * BlobGuess, one);
            }
            catch (DbRecoveryException)
            {
                return; // the scan meets it, too, if it needs it
            }
        }
    }

    // the leaves of a tree in order; a damaged page ends its branch, as the scan will say better what is wrong
    private List<uint> Leaves(uint root, SqliteHeader header)
    {
        var leaves = new List<uint>();
        var visited = new HashSet<uint>();
        var page = new byte[header.PageSize];
        Walk(root, 0);
        return leaves;

        void Walk(uint number, int depth)
        {
            if (depth > 24 || number == 0 || !visited.Add(number) || Read((number - 1L) * page.Length, page) < page.Length)
                return;
            var references = new List<uint>();
            if (!BTreePage.TryParse(page, number, header.UsableSize, references, out var type, out _, out var children))
                return;
            if (type is BTreePageType.TableLeaf or BTreePageType.IndexLeaf)
            {
                leaves.Add(number);
                return;
            }
            // all leaves are at one depth: where the first child is one, none of the others need be read
            var bottom = children > 0 && IsLeaf(references[0], page.Length);
            if (bottom)
                leaves.AddRange(references.Take(children));
            else
                foreach (var child in references.Take(children))
                    Walk(child, depth + 1);
        }
    }

    private bool IsLeaf(uint number, int pageSize)
    {
        Span<byte> type = stackalloc byte[1];
        return number > 1 && Read((number - 1L) * pageSize, type) == 1 && (BTreePageType)type[0] is BTreePageType.TableLeaf or BTreePageType.IndexLeaf;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _stop.Cancel();
        Task.WaitAll(_workers);
        _stop.Dispose();
        _file.Dispose();
    }
}
