using System.Collections.Concurrent;
using System.Diagnostics;
using Npgsql;

namespace DbRecovery.PostgresLab;

/// <summary>What counts as taking a write.</summary>
public enum WriteProbe
{
    /// <summary>The server commits for itself, without its standbys (<c>synchronous_commit = local</c>).</summary>
    Local,
    /// <summary>The server acknowledges a commit to its client, which in a synchronous cluster needs a standby.</summary>
    Acknowledged,
}

/// <summary>A time in which a node was proved to take writes: from the first acknowledgement to the last one after which none failed.</summary>
public sealed record WritableSpan(string Node, long From, long To, int Writes);

/// <summary>
/// Asks every node itself, at least ten times a second, whether it takes a write. Two spans that overlap are two primaries at one
/// moment. A single write between two refusals proves no span; what it lost, the <see cref="Writer"/> tells.
/// </summary>
public sealed class WritableSampler : IAsyncDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(50);

    private readonly ConcurrentDictionary<string, List<WritableSpan>> _spans = new();
    private readonly CancellationTokenSource _end = new();
    private readonly Task _work;

    private WritableSampler(PgCluster cluster, WriteProbe probe) =>
        _work = Task.WhenAll(cluster.Nodes.Select(n => Task.Run(() => SampleAsync(n.Name, cluster.ConnectionString(n), probe))));

    /// <summary>Makes the table on the primary, waits until the standbys have it, and starts to ask.</summary>
    public static async Task<WritableSampler> StartAsync(PgCluster cluster, WriteProbe probe = WriteProbe.Local, CancellationToken cancellationToken = default)
    {
        await cluster.ExecuteAsync(cluster.Primary, "create table if not exists lab_canary (node text primary key, n bigint)", cancellationToken);
        await cluster.ExecuteAsync(
            cluster.Primary, $"insert into lab_canary select unnest(array[{string.Join(',', cluster.Nodes.Select(n => $"'{n.Name}'"))}]), 0 on conflict do nothing", cancellationToken);
        foreach (var standby in cluster.Standbys)
            await cluster.UntilCaughtUpAsync(standby, cluster.Primary, cancellationToken);
        return new WritableSampler(cluster, probe);
    }

    /// <summary>When each node took writes.</summary>
    public IReadOnlyList<WritableSpan> Spans => [.. _spans.Values.SelectMany(s => { lock (s) return s.ToArray(); })];

    /// <summary>The most nodes that took writes at one moment.</summary>
    public int Most
    {
        get
        {
            var spans = Spans.Where(s => s.Writes > 1).ToArray();
            return spans.Length == 0 ? 0 : spans.Max(s => spans.Where(o => o.From <= s.From && s.From <= o.To).Select(o => o.Node).Distinct().Count());
        }
    }

    /// <summary>Ends asking; the spans stay.</summary>
    public async Task StopAsync()
    {
        await _end.CancelAsync();
        await _work;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _end.Dispose();
    }

    private async Task SampleAsync(string node, string connectionString, WriteProbe probe)
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString) { Timeout = 1, CommandTimeout = 1, CancellationTimeout = -1, ApplicationName = "lab-sampler" }.ConnectionString;
        var spans = _spans.GetOrAdd(node, _ => []);
        while (!_end.IsCancellationRequested)
        {
            await using var connection = new NpgsqlConnection(settings);
            var open = false;
            try
            {
                await connection.OpenAsync(_end.Token);
                await using var command = new NpgsqlCommand(
                    $"set synchronous_commit = {(probe == WriteProbe.Local ? "local" : "on")}; update lab_canary set n = n + 1 where node = '{node}'", connection);
                while (!_end.IsCancellationRequested)
                {
                    var begun = Stopwatch.GetTimestamp();
                    await command.ExecuteNonQueryAsync(_end.Token);
                    Add(spans, node, begun, Stopwatch.GetTimestamp(), goesOn: open);
                    open = true;
                    await Task.Delay(Interval, _end.Token);
                }
            }
            catch (Exception e) when (e is NpgsqlException or TimeoutException or IOException or OperationCanceledException or ObjectDisposedException or InvalidOperationException)
            {
                // not writable now
            }
            await Task.Delay(open ? TimeSpan.FromMilliseconds(5) : Interval);
        }
    }

    /// <summary>A span begins when its first write was acknowledged, and goes on to where a later one, which was acknowledged too, was sent.</summary>
    private static void Add(List<WritableSpan> spans, string node, long begun, long acknowledged, bool goesOn)
    {
        lock (spans)
        {
            if (goesOn)
                spans[^1] = spans[^1] with { To = Math.Max(spans[^1].To, begun), Writes = spans[^1].Writes + 1 };
            else
                spans.Add(new WritableSpan(node, acknowledged, acknowledged, 1));
        }
    }
}
