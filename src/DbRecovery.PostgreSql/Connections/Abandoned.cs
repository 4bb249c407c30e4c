using System.Collections.Concurrent;
using Npgsql;

namespace DbRecovery.PostgreSql.Connections;

/// <summary>
/// Clears away sessions that did not answer in time. The driver cancels a statement by a second connection that it opens and waits for
/// on the thread that asked, so a hung server would hold that thread: it is done on threads of its own, a bounded number, and nobody waits.
/// </summary>
internal sealed class Abandoned(TimeProvider clock) : IAsyncDisposable
{
    private const int MostThreads = 32;
    private const int StackSize = 256 * 1024;
    private static readonly TimeSpan ClosingTime = TimeSpan.FromSeconds(1);

    private readonly BlockingCollection<CancellationTokenSource> _work = [];
    private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly object _gate = new();
    private int _threads;
    private int _pending;

    /// <summary>Takes a session that is still being opened.</summary>
    internal static void Opening(NpgsqlConnection connection, Task opening, CancellationTokenSource stop)
    {
        // nothing runs on the server yet: this cancels without a second connection
        stop.Cancel();
        _ = EndAsync(connection, opening, stop);
    }

    /// <summary>Takes a session whose statement is still being carried out.</summary>
    internal void Running(NpgsqlConnection connection, Task statement, CancellationTokenSource stop)
    {
        _ = EndAsync(connection, statement, stop);
        lock (_gate)
        {
            if (_work.IsAddingCompleted)
                return;
            _work.Add(stop);
            if (++_pending <= _threads || _threads == MostThreads)
                return;
            _threads++;
            new Thread(Run, StackSize) { IsBackground = true, Name = "dbrecovery-abandoned" }.Start();
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            _work.CompleteAdding();
            if (_pending == 0)
                return;
        }
        try
        {
            await _closed.Task.WaitAsync(ClosingTime, clock).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // they are background threads: what still hangs ends with the process
        }
    }

    private void Run()
    {
        foreach (var stop in _work.GetConsumingEnumerable())
        {
            try
            {
                stop.Cancel();
            }
            catch (ObjectDisposedException)
            {
                // it ended by itself
            }
            lock (_gate)
            {
                if (--_pending == 0 && _work.IsAddingCompleted)
                    _closed.TrySetResult();
            }
        }
    }

    private static async Task EndAsync(NpgsqlConnection connection, Task task, CancellationTokenSource stop)
    {
        await task.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        try
        {
            await connection.DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception e) when (e is NpgsqlException or InvalidOperationException or IOException or ObjectDisposedException)
        {
            // it is gone, which is what was wanted
        }
        stop.Dispose();
    }
}
