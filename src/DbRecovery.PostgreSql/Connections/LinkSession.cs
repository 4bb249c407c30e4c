using Npgsql;

namespace DbRecovery.PostgreSql.Connections;

/// <summary>One session that is used by one caller at a time, with what was learnt of the server when it was opened.</summary>
internal sealed class LinkSession(PostgreSqlConnections connections, ServerLogin login, NpgsqlConnection connection, bool kept) : IAsyncDisposable
{
    private readonly long _opened = connections.Clock.GetTimestamp();
    private bool _left;

    /// <summary>Whether it is the link's, and stays open after its use.</summary>
    internal bool Kept => kept;

    /// <summary>The driver's connection.</summary>
    internal NpgsqlConnection Connection => connection;

    /// <summary>Whether it can be used.</summary>
    internal bool IsOpen => !_left && connection.State is System.Data.ConnectionState.Open;

    /// <summary>How long ago it logged in.</summary>
    internal TimeSpan Age => connections.Clock.GetElapsedTime(_opened);

    /// <summary>Whether it lay open since an earlier use: it may have ended unseen.</summary>
    internal bool Waited { get; set; }

    /// <summary>Whether it served a look before this one: then its statements are worth preparing.</summary>
    internal bool Again { get; set; }

    /// <summary>What the first user learnt of the server, for the next; it goes with the session.</summary>
    internal object? Memory { get; set; }

    /// <summary>Runs something on the session within a time. One that does not end in time leaves the session unusable and is not waited for.</summary>
    /// <exception cref="ServerSilentException">It did not end in time.</exception>
    internal async Task<T> RunAsync<T>(Func<NpgsqlConnection, CancellationToken, Task<T>> work, TimeSpan timeout, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        // never the caller's token: see Abandoned
        var stop = new CancellationTokenSource();
        var task = work(connection, stop.Token);
        try
        {
            if (await Silence.AwaitAsync(task, login, timeout, connections.Clock, cancellationToken).ConfigureAwait(false) is { } silent)
                throw new ServerSilentException(silent);
        }
        catch when (!task.IsCompleted)
        {
            _left = true;
            connections.Left.Running(connection, task, stop);
            throw;
        }
        stop.Dispose();
        return await task.ConfigureAwait(false);
    }

    /// <summary>Waits until the session breaks.</summary>
    internal async Task ListenAsync(CancellationToken cancellationToken)
    {
        // it returns for a notification, which nobody asked for
        while (true)
            await connection.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (!_left)
            await connection.DisposeAsync().ConfigureAwait(false);
    }
}
