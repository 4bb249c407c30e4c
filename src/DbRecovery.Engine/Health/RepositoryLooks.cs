namespace DbRecovery.Engine.Health;

/// <summary>
/// Looks at repositories that may never answer, as a lost network disk does: a call into its file system can neither be cancelled nor ended. Each
/// look has a thread of its own, and there is one at a time: who comes while it is under way waits for the same one, so that what hangs does
/// not pile up, and who comes after its time is over is told at once.
/// </summary>
/// <param name="clock">The clock.</param>
/// <param name="longest">The time after which a look is asked to end.</param>
internal sealed class RepositoryLooks(TimeProvider clock, TimeSpan longest)
{
    private readonly Dictionary<string, Look> _underWay = new(StringComparer.Ordinal);

    /// <summary>Looks, or waits for the look that is under way.</summary>
    /// <param name="what">What is looked at; looks at the same have the same result.</param>
    /// <param name="work">The look.</param>
    /// <param name="timeout">The time that the look may have taken, counted from its beginning.</param>
    /// <param name="cancellationToken">Ends the wait, not the look: others may wait for it.</param>
    /// <exception cref="TimeoutException">It has no result yet.</exception>
    public async Task<T> LookAsync<T>(string what, Func<CancellationToken, Task<T>> work, TimeSpan timeout, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Look look;
        lock (_underWay)
        {
            if (!_underWay.TryGetValue(what, out look!))
                _underWay[what] = look = new Look(Task.Factory.StartNew(() => RunAsync(what, work), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).Unwrap(), clock.GetTimestamp());
        }
        var left = timeout - clock.GetElapsedTime(look.Began);
        var ended = (Task<T>)look.Task;
        return await (left > TimeSpan.Zero ? ended.WaitAsync(left, clock, cancellationToken) : ended.IsCompleted ? ended : throw new TimeoutException()).ConfigureAwait(false);
    }

    /// <summary>Whether a look is under way that should have ended.</summary>
    /// <param name="what">What is looked at.</param>
    public bool IsOverdue(string what)
    {
        lock (_underWay)
            return _underWay.TryGetValue(what, out var look) && clock.GetElapsedTime(look.Began) >= longest;
    }

    private async Task<T> RunAsync<T>(string what, Func<CancellationToken, Task<T>> work)
    {
        using var ends = new CancellationTokenSource(longest, clock);
        try
        {
            return await work(ends.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (ends.IsCancellationRequested)
        {
            throw new TimeoutException();
        }
        finally
        {
            // before it has ended for those who wait: whoever comes then looks anew
            lock (_underWay)
                _underWay.Remove(what);
        }
    }

    private sealed record Look(Task Task, long Began);
}
