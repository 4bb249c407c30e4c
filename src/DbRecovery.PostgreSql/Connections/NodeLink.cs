using Npgsql;

namespace DbRecovery.PostgreSql.Connections;

/// <summary>
/// The session to one node that stays open between observations. While nobody uses it and somebody wants to know, it listens:
/// a server that goes away says so, or its machine does, within milliseconds. Where nobody wants to know, it is closed after a while:
/// it counts against the server's connections, and keeps its database from being dropped.
/// </summary>
internal sealed class NodeLink(PostgreSqlConnections connections, ServerLogin login) : IAsyncDisposable
{
    // the port has just taken a connection
    private static readonly TimeSpan AskTime = TimeSpan.FromMilliseconds(100);

    /// <summary>How long it stays open while nobody uses it or listens.</summary>
    internal static readonly TimeSpan IdleTime = TimeSpan.FromMinutes(1);

    /// <summary>How old a login may be that stands for a new one: a password or a right to log in that was changed shows in no session that is open.</summary>
    internal static readonly TimeSpan FreshTime = TimeSpan.FromMinutes(1);

    private readonly object _gate = new();
    private LinkSession? _kept;
    private TaskCompletionSource<ObservedError>? _broken;
    private ObservedError _lastFailure = new("none", "no session was opened yet", "watching the connection");
    private CancellationTokenSource? _listenStop;
    private Task _listening = Task.CompletedTask;
    private int _waiting;
    private bool _listened;
    private HungPort? _hung;
    private ITimer? _idle;
    private bool _taken;
    private bool _disposed;

    /// <summary>Where it leads.</summary>
    internal ServerLogin Login => login;

    /// <summary>
    /// Takes the session for one use: the kept one, or a new one where there is none or another use has it. Whoever takes it gives it back.
    /// </summary>
    /// <param name="timeout">The time to open it.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <param name="fresh">
    /// For a use that may last: it logged in within <see cref="FreshTime"/>, and a new one takes the kept one's place; where somebody listens, or did a moment ago and may again, it is one beside it.
    /// </param>
    internal async Task<(LinkSession? Session, ConnectionFailure? Failure)> TakeAsync(TimeSpan timeout, CancellationToken cancellationToken, bool fresh = false)
    {
        LinkSession? kept;
        bool own;
        CancellationTokenSource? stop;
        Task listening;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            own = _taken || (fresh && _listened);
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
        if (kept is { IsOpen: true } && (!fresh || kept.Age <= FreshTime))
            return (kept, null);
        try
        {
            if (kept is { IsOpen: false })
            {
                await kept.DisposeAsync().ConfigureAwait(false);
                kept = null;
            }
            var (connection, failure) = await OpenAsync(own, timeout, cancellationToken).ConfigureAwait(false);
            if (connection is null)
            {
                if (!own)
                    Return(kept, failure!.Observed("connecting"));
                return (null, failure);
            }
            if (kept is not null)
                await kept.DisposeAsync().ConfigureAwait(false);
            return (new LinkSession(connections, login, connection, kept: !own), null);
        }
        catch when (!own)
        {
            Return(kept, null);
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
            _listened = true;
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
            {
                _waiting--;
                CloseLater();
            }
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
            _idle?.Dispose();
            kept = _taken ? null : _kept;
            stop = _taken ? null : _listenStop;
            _listenStop = null;
            _kept = null;
            Tell(new ObservedError("closed", "the session was closed here", "watching the connection"));
        }
        await EndAsync(kept, stop, _listening).ConfigureAwait(false);
        _hung?.Dispose();
    }

    private static async Task EndAsync(LinkSession? kept, CancellationTokenSource? stop, Task listening)
    {
        if (stop is not null)
        {
            await stop.CancelAsync().ConfigureAwait(false);
            await listening.ConfigureAwait(false);
            stop.Dispose();
        }
        if (kept is not null)
            await kept.DisposeAsync().ConfigureAwait(false);
    }

    // under the gate
    private void CloseLater()
    {
        if (_disposed || _taken || _waiting > 0 || _kept is null)
            return;
        _idle ??= connections.Clock.CreateTimer(_ => _ = CloseIdleAsync(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _idle.Change(IdleTime, Timeout.InfiniteTimeSpan);
    }

    private async Task CloseIdleAsync()
    {
        LinkSession kept;
        CancellationTokenSource? stop;
        Task listening;
        lock (_gate)
        {
            if (_disposed || _taken || _waiting > 0 || _kept is null)
                return;
            (kept, stop, listening) = (_kept, _listenStop, _listening);
            (_kept, _listenStop, _listened) = (null, null, false);
            _lastFailure = new ObservedError("closed", "the session was closed here: nobody used it", "watching the connection");
        }
        await EndAsync(kept, stop, listening).ConfigureAwait(false);
    }

    private async Task<(NpgsqlConnection? Connection, ConnectionFailure? Failure)> OpenAsync(bool own, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var started = connections.Clock.GetTimestamp();
        if (!own && _hung is { } hung)
        {
            if (!await hung.AnsweredAsync(timeout, connections.Clock, cancellationToken).ConfigureAwait(false))
                return (null, ConnectionFailure.Silent(timeout));
            hung.Dispose();
            _hung = null;
        }
        var (connection, failure) = await connections.TryOpenAsync(login, timeout - connections.Clock.GetElapsedTime(started), cancellationToken).ConfigureAwait(false);
        // only whoever has the link's turn comes here
        if (!own && failure?.Code == ConnectionFailure.Hung)
            _hung = await HungPort.AskAsync(login, AskTime, connections.Clock, cancellationToken).ConfigureAwait(false);
        return (connection, failure);
    }

    // false where the link was disposed of meanwhile, and nothing is kept
    private bool Return(LinkSession? session, ObservedError? error)
    {
        lock (_gate)
        {
            _taken = false;
            _kept = _disposed ? null : session;
            if (session is not null)
                session.Waited = true;
            if (_kept is null)
                Tell(error ?? _lastFailure);
            else if (_waiting > 0)
                Listen();
            CloseLater();
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
