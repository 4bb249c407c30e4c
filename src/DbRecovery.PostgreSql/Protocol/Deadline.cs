namespace DbRecovery.PostgreSql.Protocol;

/// <summary>A caller's token with a time limit, and which of the two it was.</summary>
internal sealed class Deadline : IDisposable
{
    private readonly CancellationToken _caller;
    private readonly CancellationTokenSource _time;
    private readonly CancellationTokenSource _both;

    public Deadline(TimeProvider clock, TimeSpan timeout, CancellationToken caller)
    {
        _caller = caller;
        _time = new CancellationTokenSource(timeout > TimeSpan.Zero ? timeout : TimeSpan.Zero, clock);
        _both = CancellationTokenSource.CreateLinkedTokenSource(_time.Token, caller);
    }

    /// <summary>Cancelled by the caller or by the time.</summary>
    public CancellationToken Token => _both.Token;

    /// <summary>Whether it was the time, and not the caller.</summary>
    public bool Passed => _time.IsCancellationRequested && !_caller.IsCancellationRequested;

    /// <summary>Begins the time anew.</summary>
    public void Renew(TimeSpan timeout) => _time.CancelAfter(timeout);

    public void Dispose()
    {
        _both.Dispose();
        _time.Dispose();
    }
}
