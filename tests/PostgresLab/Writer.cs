using System.Collections.Concurrent;
using System.Diagnostics;
using Npgsql;

namespace DbRecovery.PostgresLab;

/// <summary>A write that a server acknowledged, and when: a <see cref="Stopwatch"/> timestamp.</summary>
public readonly record struct Acknowledged(long Id, long At);

/// <summary>
/// An application that writes one row after the other, each in a transaction of its own, and remembers outside of the database which
/// ones were acknowledged. It knows several addresses and connects anew by itself, as a driver with a list of hosts does.
/// </summary>
public sealed class Writer : IAsyncDisposable
{
    private static readonly TimeSpan Retry = TimeSpan.FromMilliseconds(2);

    private readonly IReadOnlyList<string> _connections;
    private readonly ConcurrentQueue<Acknowledged> _acknowledged = new();
    private readonly CancellationTokenSource _end = new();
    private readonly StreamWriter? _file;
    private readonly Task _work;
    private int _errors;

    private Writer(IReadOnlyList<string> connections, TimeSpan timeout, TimeSpan pause, string? file, long first)
    {
        _connections = [.. connections.Select(c => new NpgsqlConnectionStringBuilder(c)
        {
            // the client's own deadline, without a polite cancellation: a server that hangs answers neither
            Pooling = false, CommandTimeout = Seconds(timeout), Timeout = Seconds(timeout), CancellationTimeout = -1,
        }.ConnectionString)];
        _file = file is null ? null : new StreamWriter(file) { AutoFlush = true };
        _work = Task.Run(() => WriteAsync(pause, first));
    }

    /// <summary>Every write that was acknowledged, in order.</summary>
    public IReadOnlyList<Acknowledged> Acknowledgements => [.. _acknowledged];

    /// <summary>The number of acknowledged writes.</summary>
    public int Count => _acknowledged.Count;

    /// <summary>Attempts that ended with an error: what an application would have seen.</summary>
    public int Errors => Volatile.Read(ref _errors);

    /// <summary>Makes the table on a primary and starts to write.</summary>
    /// <param name="cluster">The cluster, for its table.</param>
    /// <param name="connections">Where to write: tried in turn until one takes the write. Null: every node's own port.</param>
    /// <param name="timeout">How long the application waits for an answer before it gives a connection up; whole seconds.</param>
    /// <param name="pause">The time between two writes; zero: as fast as it goes.</param>
    /// <param name="file">A file that gets the id of each acknowledged write.</param>
    /// <param name="first">The id of the first row: several that write side by side begin far from each other.</param>
    /// <param name="cancellationToken">Cancels the making of the table.</param>
    public static async Task<Writer> StartAsync(
        PgCluster cluster, IReadOnlyList<string>? connections = null, TimeSpan? timeout = null, TimeSpan pause = default, string? file = null, long first = 1, CancellationToken cancellationToken = default)
    {
        await cluster.ExecuteAsync(cluster.Primary, "create table if not exists lab_writes (id bigint primary key)", cancellationToken);
        var writer = new Writer(connections ?? [.. cluster.Nodes.Select(n => cluster.ConnectionString(n))], timeout ?? TimeSpan.FromSeconds(2), pause, file, first);
        await writer.UntilAsync(1, cancellationToken);
        return writer;
    }

    /// <summary>Waits until that many more writes were acknowledged.</summary>
    public async Task UntilAsync(int more, CancellationToken cancellationToken = default)
    {
        var wanted = Count + more;
        await Machine.UntilAsync(() => Count >= wanted || _work.IsFaulted, () => $"no {more} writes were acknowledged", cancellationToken);
        if (_work.IsFaulted)
            await _work;
    }

    /// <summary>Ends writing; the record stays.</summary>
    public async Task StopAsync()
    {
        await _end.CancelAsync();
        await _work;
    }

    /// <summary>The longest time between two acknowledged writes that follow one another.</summary>
    public TimeSpan LongestGap
    {
        get
        {
            var all = Acknowledgements;
            return all.Zip(all.Skip(1), (a, b) => Stopwatch.GetElapsedTime(a.At, b.At)).DefaultIfEmpty().Max();
        }
    }

    /// <summary>The time from a moment (a <see cref="Stopwatch"/> timestamp) to the end of the longest gap that ends after it: to the first write that the next primary took. Null where nothing was written since.</summary>
    public TimeSpan? OutageAfter(long moment)
    {
        var all = Acknowledgements;
        // what was under way at the moment may still have been acknowledged: the outage is the longest gap that ends after it
        var gaps = all.Zip(all.Skip(1)).Where(p => p.Second.At > moment).ToArray();
        return gaps.Length == 0 ? null : Stopwatch.GetElapsedTime(moment, gaps.MaxBy(p => p.Second.At - p.First.At).Second.At);
    }

    /// <summary>The acknowledged writes that a node does not have.</summary>
    public async Task<IReadOnlyList<long>> MissingAsync(PgCluster cluster, PgNode node, CancellationToken cancellationToken = default)
    {
        // what is acknowledged while this reads is none of its business
        var acknowledged = Acknowledgements;
        await using var connection = await cluster.OpenAsync(node, cancellationToken: cancellationToken);
        await using var command = new NpgsqlCommand("select id from lab_writes", connection);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var there = new HashSet<long>();
        while (await reader.ReadAsync(cancellationToken))
            there.Add(reader.GetInt64(0));
        return [.. acknowledged.Select(a => a.Id).Where(id => !there.Contains(id))];
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _end.Dispose();
        if (_file is not null)
            await _file.DisposeAsync();
    }

    private static int Seconds(TimeSpan time) => Math.Max(1, (int)Math.Ceiling(time.TotalSeconds));

    private async Task WriteAsync(TimeSpan pause, long first)
    {
        // an id is used once: of one that got no answer nobody knows whether it is there
        for (var (id, address) = (first, 0); !_end.IsCancellationRequested; address = (address + 1) % _connections.Count)
        {
            await using var connection = new NpgsqlConnection(_connections[address]);
            try
            {
                await connection.OpenAsync(_end.Token);
                await using var command = new NpgsqlCommand("insert into lab_writes values ($1)", connection) { Parameters = { new() { Value = id } } };
                for (; !_end.IsCancellationRequested; id++)
                {
                    command.Parameters[0].Value = id;
                    await command.ExecuteNonQueryAsync(_end.Token);
                    _acknowledged.Enqueue(new Acknowledged(id, Stopwatch.GetTimestamp()));
                    _file?.WriteLine(id);
                    if (pause > TimeSpan.Zero)
                        await Task.Delay(pause, _end.Token);
                }
            }
            catch (Exception e) when (e is NpgsqlException or TimeoutException or IOException or OperationCanceledException or ObjectDisposedException or InvalidOperationException)
            {
                id++;
                // what its own end cut off is none
                if (!_end.IsCancellationRequested)
                    Interlocked.Increment(ref _errors);
                await Task.Delay(pause > Retry ? pause : Retry);
            }
        }
    }
}
