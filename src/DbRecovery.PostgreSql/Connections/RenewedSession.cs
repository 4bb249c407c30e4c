using Npgsql;

namespace DbRecovery.PostgreSql.Connections;

/// <summary>
/// A session that is opened again after an error that ended it. The driver takes every error of the classes 53, 58 and XX for the end of the
/// server and drops the connection; a damaged index is no reason not to look at the next one.
/// </summary>
internal sealed class RenewedSession(PostgreSqlConnections connections, ServerLogin login, Func<TimeSpan> left) : IAsyncDisposable
{
    private LinkSession? _session;

    /// <summary>Runs something within the time that is left.</summary>
    /// <exception cref="NoSessionException">There is no session any more.</exception>
    /// <exception cref="ServerSilentException">It did not end in time.</exception>
    internal async Task<T> RunAsync<T>(Func<NpgsqlConnection, CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        if (_session is not { IsOpen: true })
        {
            await DisposeAsync().ConfigureAwait(false);
            var (connection, failure) = await connections.TryOpenAsync(login, left(), cancellationToken).ConfigureAwait(false);
            _session = connection is null ? throw new NoSessionException(failure!) : new LinkSession(connections, login, connection, kept: false);
        }
        return await _session.RunAsync(work, left(), cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_session is not null)
            await _session.DisposeAsync().ConfigureAwait(false);
        _session = null;
    }
}

/// <summary>A session was not had.</summary>
/// <param name="failure">Why.</param>
internal sealed class NoSessionException(ConnectionFailure failure) : Exception(failure.Message)
{
    /// <summary>Why.</summary>
    internal ConnectionFailure Failure => failure;
}
