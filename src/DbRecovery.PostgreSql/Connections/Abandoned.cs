using System.Collections.Concurrent;
using Npgsql;

namespace DbRecovery.PostgreSql.Connections;

/// <summary>
/// Clears away sessions that did not answer in time. The driver cancels a statement by a second connection that it opens and waits for
/// on the thread that asked, so a hung server would hold that thread: it is done here, on one thread of its own, and nobody waits for it.
/// </summary>
internal sealed class Abandoned(TimeProvider clock) : IAsyncDisposable
{
    private static readonly TimeSpan ClosingTime = TimeSpan.FromSeconds(5);

    private readonly BlockingCollection<Action> _work = [];
    private readonly object _gate = new();
    private Thread? _thread;

    /// <summary>Takes a session that is still being opened.</summary>
    internal void Opening(NpgsqlConnection connection, Task opening, CancellationTokenSource stop)
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
            if (_thread is null)
            {
                _thread = new Thread(Run) { IsBackground = true, Name = "dbrecovery-abandoned" };
                _thread.Start();
            }
            _work.Add(() =>
            {
                try
                {
                    stop.Cancel();
                }
                catch (ObjectDisposedException)
                {
                    // it ended by itself
                }
            });
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Thread? thread;
        lock (_gate)
        {
            thread = _thread;
            _work.CompleteAdding();
        }
        // a background thread: what still hangs after that ends with the process
        if (thread is not null)
        {
            await Task.Run(() => thread.Join(ClosingTime)).WaitAsync(ClosingTime * 2, clock).ConfigureAwait(false);
        }
    }

    private void Run()
    {
        foreach (var action in _work.GetConsumingEnumerable())
            action();
    }

    private static async Task EndAsync(NpgsqlConnection connection, Task task, CancellationTokenSource stop)
    {
        await task.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        try
        {
            await connection.DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception e) when (e is NpgsqlException or InvalidOperationException or System.IO.IOException or ObjectDisposedException)
        {
            // it is gone, which is what was wanted
        }
        stop.Dispose();
    }
}
