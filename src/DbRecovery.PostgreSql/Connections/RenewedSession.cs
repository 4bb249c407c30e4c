using Npgsql;

namespace DbRecovery.PostgreSql.Connections;

/// <summary>
/// A session that is opened again after an error that ended it. The driver takes every error of the classes 53, 58 and XX for the end of the
/// server and drops the connection; a damaged index is no reason not to look at the next one.
/// </summary>
/// <param name="connections">Opens it.</param>
/// <param name="login">Where.</param>
/// <param name="left">The time that is left.</param>
/// <param name="link">The link to the same place, whose session does where that is free; null: it is always one of its own.</param>
internal sealed class RenewedSession(PostgreSqlConnections connections, ServerLogin login, Func<TimeSpan> left, NodeLink? link = null) : IAsyncDisposable
{
    // a link's server answered a moment ago: one that lets nobody in now is not waited for as long as the work may take
    private static readonly TimeSpan LongestLogin = TimeSpan.FromSeconds(15);

    private LinkSession? _session;

    /// <summary>Whether the session served a look before this one.</summary>
    internal bool Again => _session is { Again: true };

    /// <summary>Runs something within the time that is left.</summary>
    /// <exception cref="NoSessionException">There is no session any more.</exception>
    /// <exception cref="ServerSilentException">It did not end in time.</exception>
    internal async Task<T> RunAsync<T>(Func<NpgsqlConnection, CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        if (_session is not { IsOpen: true })
        {
            await DisposeAsync().ConfigureAwait(false);
            _session = await OpenAsync(cancellationToken).ConfigureAwait(false);
        }
        return await _session.RunAsync(work, left(), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The same; all that goes wrong is an error for people.</summary>
    /// <exception cref="DbRecoveryException">What <see cref="PostgreSqlErrors"/> makes of it.</exception>
    internal async Task<T> UseAsync<T>(string during, Func<NpgsqlConnection, CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        try
        {
            return await RunAsync(work, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is NoSessionException or ServerSilentException or NpgsqlException or InvalidCastException or InvalidOperationException)
        {
            throw PostgreSqlErrors.ToError(e, login, during);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_session is { } session && link is not null)
            await link.GiveBackAsync(session, null).ConfigureAwait(false);
        else if (_session is not null)
            await _session.DisposeAsync().ConfigureAwait(false);
        _session = null;
    }

    private async Task<LinkSession> OpenAsync(CancellationToken cancellationToken)
    {
        if (link is not null)
        {
            var (session, none) = await link.TakeAsync(Quantities.Least(left(), LongestLogin), cancellationToken, fresh: true).ConfigureAwait(false);
            return session ?? throw new NoSessionException(none!);
        }
        var (connection, failure) = await connections.TryOpenAsync(login, left(), cancellationToken).ConfigureAwait(false);
        return connection is null ? throw new NoSessionException(failure!) : new LinkSession(connections, login, connection, kept: false);
    }
}

/// <summary>A session was not had.</summary>
/// <param name="failure">Why.</param>
internal sealed class NoSessionException(ConnectionFailure failure) : Exception(failure.Message)
{
    /// <summary>Why.</summary>
    internal ConnectionFailure Failure => failure;
}
