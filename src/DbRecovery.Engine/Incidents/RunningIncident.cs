namespace DbRecovery.Engine.Incidents;

/// <summary>An incident that this process carries out now: what a graver fault of the same cluster makes give way.</summary>
internal sealed class RunningIncident(string id, Fault fault, ClusterLease lease, Action<RunningIncident> ended) : IDisposable
{
    private readonly CancellationTokenSource _yield = new();
    private readonly TaskCompletionSource _over = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Its id.</summary>
    public string Id => id;

    /// <summary>What it recovers from.</summary>
    public Fault Fault => fault;

    /// <summary>Cancelled when it shall give way.</summary>
    public CancellationToken Yield => _yield.Token;

    /// <summary>Asks it to end between two steps and waits until it has, or the time is over.</summary>
    public async Task GiveWayAsync(TimeSpan longest, TimeProvider clock, CancellationToken cancellationToken)
    {
        try
        {
            await _yield.CancelAsync().ConfigureAwait(false);
            await _over.Task.WaitAsync(longest, clock, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is ObjectDisposedException or TimeoutException)
        {
            // it has ended this moment, or it cannot be stopped now
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        ended(this);
        // whoever waits takes the lease next
        lease.Dispose();
        _over.TrySetResult();
        _yield.Dispose();
    }
}
