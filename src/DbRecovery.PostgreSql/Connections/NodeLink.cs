using Npgsql;

namespace DbRecovery.PostgreSql.Connections;

/// <summary>
/// The session to one node that stays open between observations. While nobody uses it and somebody wants to know, it listens:
/// a server that goes away says so, or its machine does, within milliseconds.
/// </summary>
internal sealed class NodeLink(PostgreSqlConnections connections, ServerLogin login) : IAsyncDisposable
{
    private readonly object _gate = new();
    private LinkSession? _kept;
    private TaskCompletionSource<ObservedError>? _broken;
    private ObservedError _lastFailure = new("none", "no session was opened yet", "watching the connection");
    private CancellationTokenSource? _listenStop;
    private Task _listening = Task.CompletedTask;
    private int _waiting;
    private bool _taken;
    private bool _disposed;

    /// <summary>Where it leads.</summary>
    internal ServerLogin Login => login;

    /// <summary>
    /// Takes the session for one use: the kept one, or a new one where there is none or another use has it. Whoever takes it gives it back.
    /// </summary>
    internal async Task<(LinkSession? Session, ConnectionFailure? Failure)> TakeAsync(TimeSpan timeout, CancellationToken cancellationToken)
    {
        LinkSession? kept;
        bool own;
        CancellationTokenSource? stop;
        Task listening;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            own = _taken;
            kept = own ? null : _kept;
            stop = own ? null : _listenStop;
            listening = own ? Task.CompletedTask : _listening;
            if (!own)
            {
                _taken = true;
                _listenStop = null;
            }
        }
        if (stop is not null)
        {
            // listening ends without a second connection, and leaves the session as it was
            await stop.CancelAsync().ConfigureAwait(false);
            await listening.ConfigureAwait(false);
            stop.Dispose();
        }
        if (kept is { IsOpen: true })
            return (kept, null);
        try
        {
            if (kept is not null)
                await kept.DisposeAsync().ConfigureAwait(false);
            var (connection, failure) = await connections.TryOpenAsync(login, timeout, cancellationToken).ConfigureAwait(false);
            if (connection is not null)
                return (new LinkSession(connections, login, connection, kept: !own), null);
            if (!own)
                Return(null, failure!.Observed("connecting"));
            return (null, failure);
        }
        catch when (!own)
        {
            Return(null, null);
            throw;
        }
    }

    /// <summary>Gives a session back; null, or one that broke, is forgotten.</summary>
    /// <param name="session">The session.</param>
    /// <param name="error">Why there is none.</param>
    internal async Task GiveBackAsync(LinkSession session, ObservedError? error)
    {
        if (!session.Kept)
        {
            await session.DisposeAsync().ConfigureAwait(false);
            return;
        }
        if (session.IsOpen && Return(session, null))
            return;
        await session.DisposeAsync().ConfigureAwait(false);
        Return(null, error);
    }

    /// <summary>Ends when the session broke; at once where none is open.</summary>
    internal async Task<ObservedError> BrokenAsync(CancellationToken cancellationToken)
    {
        Task<ObservedError> broken;
        lock (_gate)
        {
            if (_disposed || !_taken && _kept is not { IsOpen: true })
                return _lastFailure;
            _waiting++;
            _broken ??= new TaskCompletionSource<ObservedError>(TaskCreationOptions.RunContinuationsAsynchronously);
            broken = _broken.Task;
            Listen();
        }
        try
        {
            return await broken.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            lock (_gate)
                _waiting--;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        LinkSession? kept;
        CancellationTokenSource? stop;
        lock (_gate)
        {
            if (_disposed)
                return;
            _disposed = true;
            kept = _taken ? null : _kept;
            stop = _taken ? null : _listenStop;
            _listenStop = null;
            _kept = null;
            Tell(new ObservedError("closed", "the session was closed here", "watching the connection"));
        }
        if (stop is not null)
        {
            await stop.CancelAsync().ConfigureAwait(false);
            await _listening.ConfigureAwait(false);
            stop.Dispose();
        }
        if (kept is not null)
            await kept.DisposeAsync().ConfigureAwait(false);
    }

    // false where the link was disposed of meanwhile, and nothing is kept
    private bool Return(LinkSession? session, ObservedError? error)
    {
        lock (_gate)
        {
            _taken = false;
            _kept = _disposed ? null : session;
            if (_kept is null)
                Tell(error ?? _lastFailure);
            else if (_waiting > 0)
                Listen();
            return _kept is not null || session is null;
        }
    }

    // under the gate
    private void Listen()
    {
        if (_taken || _kept is not { IsOpen: true } session || _listenStop is not null)
            return;
        _listenStop = new CancellationTokenSource();
        _listening = ListenAsync(session, _listenStop);
    }

    private async Task ListenAsync(LinkSession session, CancellationTokenSource stop)
    {
        try
        {
            await session.ListenAsync(stop.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
        }
        catch (Exception e) when (e is NpgsqlException or InvalidOperationException or ObjectDisposedException or System.IO.IOException)
        {
            lock (_gate)
                Tell(ConnectionFailure.Of(e).Observed("watching the connection"));
        }
    }

    // under the gate
    private void Tell(ObservedError error)
    {
        _lastFailure = error;
        _broken?.TrySetResult(error);
        _broken = null;
    }
}
