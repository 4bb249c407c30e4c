using System.Collections.Concurrent;
using System.Diagnostics;
using Npgsql;

namespace DbRecovery.Benchmarks.Failover;

/// <summary>An application with some sessions that together write two hundred times a second, and that goes to the next address where one fails.</summary>
internal sealed class Load : IDisposable
{
    private const int Sessions = 8;
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(40);
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(1);
    private readonly IReadOnlyList<string> _addresses;
    private readonly CancellationTokenSource _end = new();
    private readonly ConcurrentQueue<long>[] _written = [.. Enumerable.Range(0, Sessions).Select(_ => new ConcurrentQueue<long>())];
    private readonly Task[] _work;
    private int _errors;

    /// <param name="addresses">Connection strings, tried in turn. The table is there (<see cref="WriteProbe.Prepare"/>).</param>
    public Load(IEnumerable<string> addresses)
    {
        _addresses = [.. addresses.Select(a => a + ";Pooling=false;Timeout=60;Command Timeout=60;No Reset On Close=true")];
        _work = [.. _written.Select(w => Task.Run(() => WriteAsync(w)))];
        Until(20);
    }

    /// <summary>The errors that the application has seen.</summary>
    public int Errors => Volatile.Read(ref _errors);

    /// <summary>Waits until each session wrote so many times more.</summary>
    public void Until(int more)
    {
        var wanted = _written.Select(w => w.Count + more).ToArray();
        var clock = Stopwatch.StartNew();
        while (_written.Where((w, i) => w.Count < wanted[i]).Any())
        {
            if (clock.Elapsed > s_limit)
                throw new InvalidOperationException($"the application did not get on within {s_limit}");
            Thread.Sleep(10);
        }
    }

    /// <summary>The longest time in which nothing at all was acknowledged.</summary>
    public TimeSpan LongestStop => Longest(_written.SelectMany(w => w));

    /// <summary>The longest that one session waited for an answer.</summary>
    public TimeSpan LongestWait => _written.Max(Longest) - s_pause;

    public void Dispose()
    {
        _end.Cancel();
        Task.WaitAll(_work);
        _end.Dispose();
    }

    private static TimeSpan Longest(IEnumerable<long> moments)
    {
        var sorted = moments.Order().ToArray();
        return sorted.Zip(sorted.Skip(1), Stopwatch.GetElapsedTime).DefaultIfEmpty().Max();
    }

    private async Task WriteAsync(ConcurrentQueue<long> written)
    {
        for (var address = 0; !_end.IsCancellationRequested; address = (address + 1) % _addresses.Count)
        {
            try
            {
                await using var connection = new NpgsqlConnection(_addresses[address]);
                await connection.OpenAsync(_end.Token);
                await using var command = new NpgsqlCommand("insert into bench_probe default values", connection);
                while (true)
                {
                    await command.ExecuteNonQueryAsync(_end.Token);
                    written.Enqueue(Stopwatch.GetTimestamp());
                    await Task.Delay(s_pause, _end.Token);
                }
            }
            catch (Exception e) when (e is NpgsqlException or OperationCanceledException)
            {
                if (_end.IsCancellationRequested)
                    return;
                Interlocked.Increment(ref _errors);
                await Task.Delay(5);
            }
        }
    }
}
