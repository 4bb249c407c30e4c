using System.Collections.Concurrent;

namespace DbRecovery.PowerShell.Hosting;

/// <summary>
/// Runs work on another thread while the pipeline's thread carries out what the work posts: only that thread may write to a
/// cmdlet's streams.
/// </summary>
/// <param name="unfinished">What to do about work that was cancelled and does not end; null: nothing.</param>
internal sealed class PipelinePump(string? unfinished = null) : IDisposable
{
    // Long enough for a step that must not be torn, short enough that a stuck one does not hold a session for ever.
    private static readonly TimeSpan EndAfterCancel = TimeSpan.FromSeconds(60);

    private readonly BlockingCollection<Action> _queue = new();

    /// <summary>Has an action carried out by the pipeline's thread, without waiting. Nothing once the work has ended.</summary>
    /// <returns>Whether it will be carried out.</returns>
    public bool Post(Action action)
    {
        try
        {
            if (_queue.IsAddingCompleted)
                return false;
            _queue.Add(action);
            return true;
        }
        catch (InvalidOperationException)
        {
            // the work ended in between; what it still had to say came too late to be of use
            return false;
        }
    }

    /// <summary>Has a function carried out by the pipeline's thread, and waits for its value.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.Cancelled"/>: the command has ended, and nobody can be asked.</exception>
    public Task<T> AskAsync<T>(Func<T> function, CancellationToken cancellationToken)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        var asked = Post(() =>
        {
            try
            {
                done.TrySetResult(function());
            }
            catch (Exception e)
            {
                done.TrySetException(e);
            }
        });
        if (!asked)
            throw new DbRecoveryException(ErrorIds.Cancelled, ErrorKind.Failed, "the command that could have been asked has ended");
        return done.Task.WaitAsync(cancellationToken);
    }

    /// <summary>Starts the work, carries out what it posts until it ends, and gives what came of it. Call on the pipeline's thread.</summary>
    public T Run<T>(Func<CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        var task = Task.Run(() => work(cancellationToken), CancellationToken.None);
        task.ContinueWith(_ => _queue.CompleteAdding(), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        long? cancelledAt = null;
        while (!_queue.IsCompleted)
        {
            if (_queue.TryTake(out var action, 100, CancellationToken.None))
                action();
            if (!cancellationToken.IsCancellationRequested)
                continue;
            cancelledAt ??= Environment.TickCount64;
            if (Environment.TickCount64 - cancelledAt > EndAfterCancel.TotalMilliseconds)
                throw new DbRecoveryException(ErrorIds.Cancelled, ErrorKind.Timeout, "the operation was cancelled and has not ended yet", unfinished);
        }
        return task.GetAwaiter().GetResult();
    }

    public void Dispose() => _queue.Dispose();
}
