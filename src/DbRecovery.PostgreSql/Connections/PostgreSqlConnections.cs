using System.Collections.Concurrent;
using System.Globalization;
using Npgsql;

namespace DbRecovery.PostgreSql.Connections;

/// <summary>
/// Opens sessions, and keeps one open to each node that is observed. Every session ends within its deadline whatever the server does:
/// what does not answer is left behind and cleared away on the side.
/// </summary>
internal sealed class PostgreSqlConnections(ISecretResolver secrets, TimeProvider clock) : IAsyncDisposable
{
    /// <summary>The name that every session of DbRecovery has in <c>pg_stat_activity</c>.</summary>
    internal const string ApplicationName = "dbrecovery";

    // a plan of many small parts is never worth compiling, and its joins are written in the order in which they are best made: to look for a
    // better one takes longer than the query; a lock that somebody holds must not be waited for
    private const string SessionSettings = "-c search_path=pg_catalog -c jit=off -c join_collapse_limit=1 -c lock_timeout=2000 -c client_min_messages=error -c extra_float_digits=1 -c DateStyle=ISO";

    private readonly ConcurrentDictionary<ServerLogin, NpgsqlDataSource> _sources = new();
    private readonly ConcurrentDictionary<(string Cluster, string Node, ServerLogin Login), NodeLink> _links = new();
    private volatile bool _disposed;

    /// <summary>The clock.</summary>
    internal TimeProvider Clock => clock;

    /// <summary>Where sessions go whose statement does not end.</summary>
    internal Abandoned Left { get; } = new(clock);

    /// <summary>The kept session to a node, which need not be open.</summary>
    internal NodeLink Link(ClusterDefinition cluster, NodeDefinition node)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        var login = ServerLogin.Of(cluster, node);
        return _links.GetOrAdd((cluster.Name, node.Name, login), key => new NodeLink(this, key.Login));
    }

    /// <summary>Opens a session of the caller's own, who disposes of it.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.ConnectionFailed"/>, <see cref="ErrorIds.LoginFailed"/>, <see cref="ErrorIds.TlsFailed"/>, <see cref="ErrorIds.PrivilegeMissing"/> or <see cref="ErrorIds.SecretUnavailable"/>.</exception>
    internal Task<NpgsqlConnection> OpenAsync(ClusterDefinition cluster, NodeDefinition node, TimeSpan timeout, CancellationToken cancellationToken, string? database = null) =>
        OpenAsync(ServerLogin.Of(cluster, node, database), timeout, cancellationToken);

    /// <inheritdoc cref="OpenAsync(ClusterDefinition, NodeDefinition, TimeSpan, CancellationToken, string?)"/>
    internal async Task<NpgsqlConnection> OpenAsync(ServerLogin login, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var (connection, failure) = await TryOpenAsync(login, timeout, cancellationToken).ConfigureAwait(false);
        return connection ?? throw PostgreSqlErrors.ToError(failure!, login);
    }

    /// <summary>Runs something on a session of its own, which ends with it. All that goes wrong is an error for people.</summary>
    /// <param name="login">Where.</param>
    /// <param name="during">What is being done, as in 'the checkpoint'.</param>
    /// <param name="timeout">The time for connecting and for the work.</param>
    /// <param name="work">The work.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <exception cref="DbRecoveryException">As <see cref="OpenAsync(ServerLogin, TimeSpan, CancellationToken)"/>, and what <see cref="PostgreSqlErrors.ToError(Exception, ServerLogin, string)"/> makes of the server's errors.</exception>
    internal async Task<T> UseAsync<T>(ServerLogin login, string during, TimeSpan timeout, Func<NpgsqlConnection, CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        var started = clock.GetTimestamp();
        var session = new RenewedSession(this, login, () => timeout - clock.GetElapsedTime(started));
        await using (session.ConfigureAwait(false))
            return await session.UseAsync(during, work, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Opens a session, or says why there is none. It ends within the timeout.</summary>
    internal async Task<(NpgsqlConnection? Connection, ConnectionFailure? Failure)> TryOpenAsync(ServerLogin login, TimeSpan timeout, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        cancellationToken.ThrowIfCancellationRequested();
        if (timeout <= TimeSpan.Zero)
            return (null, new ConnectionFailure(ConnectionFailure.TimedOut, Reachability.TimedOut, "no time was left to connect"));
        NpgsqlConnection connection;
        try
        {
            connection = _sources.GetOrAdd(login, Build).CreateConnection();
        }
        catch (ArgumentException e)
        {
            return (null, new ConnectionFailure(ConnectionFailure.UnknownHost, Reachability.TimedOut, $"'{login.Host}' is no host: {e.Message}", e));
        }
        var stop = new CancellationTokenSource();
        var opening = connection.OpenAsync(stop.Token);
        try
        {
            if (await Silence.AwaitAsync(opening, login, timeout, clock, cancellationToken).ConfigureAwait(false) is { } silent)
            {
                Abandoned.Opening(connection, opening, stop);
                return (null, silent);
            }
        }
        catch (OperationCanceledException) when (!opening.IsCompleted)
        {
            Abandoned.Opening(connection, opening, stop);
            throw;
        }
        try
        {
            await opening.ConfigureAwait(false);
        }
        catch (Exception e)
        {
            await connection.DisposeAsync().ConfigureAwait(false);
            stop.Dispose();
            return (null, ConnectionFailure.Of(e));
        }
        stop.Dispose();
        return (connection, null);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _disposed = true;
        foreach (var link in _links.Values)
            await link.DisposeAsync().ConfigureAwait(false);
        _links.Clear();
        await Left.DisposeAsync().ConfigureAwait(false);
        foreach (var source in _sources.Values)
            await source.DisposeAsync().ConfigureAwait(false);
        _sources.Clear();
    }

    private NpgsqlDataSource Build(ServerLogin login)
    {
        var settings = new NpgsqlConnectionStringBuilder
        {
            Host = login.Host,
            Port = login.Port,
            Database = login.Database,
            Username = login.User,
            ApplicationName = ApplicationName,
            SslMode = login.Tls switch
            {
                TlsMode.Disable => SslMode.Disable,
                TlsMode.Prefer => SslMode.Prefer,
                TlsMode.Require => SslMode.Require,
                TlsMode.VerifyCa => SslMode.VerifyCA,
                _ => SslMode.VerifyFull,
            },
            GssEncryptionMode = GssEncryptionMode.Disable,
            Pooling = false,
            Enlist = false,
            // the deadlines are ours: this only bounds what was left behind
            Timeout = 30,
            CommandTimeout = 0,
            CancellationTimeout = 1000,
            ReadBufferSize = 4096,
            WriteBufferSize = 4096,
        };
        if (login.RootCertificate is not null && login.Tls is TlsMode.VerifyCa or TlsMode.VerifyFull)
            settings.RootCertificate = login.RootCertificate;
        if (!login.Plain)
            settings.Options = SessionSettings;
        var builder = new NpgsqlSlimDataSourceBuilder(settings.ConnectionString);
        builder.EnableTransportSecurity();
        builder.EnableArrays();
        // built-in types are enough, and to load the others costs more than the observation
        builder.ConfigureTypeLoading(types => types.EnableTypeLoading(false));
        if (login.Password is { } password)
        {
            builder.UsePasswordProvider(
                _ => throw new NotSupportedException("sessions are opened asynchronously"),
                async (_, token) => (await secrets.ResolveAsync(password, token).ConfigureAwait(false)).Reveal());
        }
        return builder.Build();
    }
}
