using Npgsql;

namespace DbRecovery.PostgreSql.Connections;

/// <summary>The one place where errors of the driver and of servers become errors for people.</summary>
internal static class PostgreSqlErrors
{
    /// <summary>Too many connections: the server is alive.</summary>
    internal const string TooManyConnections = "53300";
    /// <summary>The server is starting, recovering or shutting down: it is alive.</summary>
    internal const string CannotConnectNow = "57P03";
    /// <summary>A right is missing.</summary>
    internal const string InsufficientPrivilege = "42501";
    /// <summary>A statement was cancelled, by its own timeout too.</summary>
    internal const string QueryCanceled = "57014";

    /// <summary>The error for a session that was not had.</summary>
    internal static DbRecoveryException ToError(ConnectionFailure failure, ServerLogin login)
    {
        var where = $"{login.Address}, database '{login.Database}', user '{login.User}'";
        return failure.Code switch
        {
            "28P01" or "28000" or ConnectionFailure.Login => new(ErrorIds.LoginFailed, ErrorKind.PermissionDenied, $"the login was refused ({where}): {failure.Message}", Advice(failure, login), login.Address, failure.Cause),
            ConnectionFailure.Secret => new(ErrorIds.SecretUnavailable, ErrorKind.NotFound, failure.Message, (failure.Cause as DbRecoveryException)?.RecommendedAction, login.Address, failure.Cause),
            ConnectionFailure.Tls or ConnectionFailure.Certificate => new(ErrorIds.TlsFailed, ErrorKind.Failed, $"no protected connection ({where}): {failure.Message}", Advice(failure, login), login.Address, failure.Cause),
            InsufficientPrivilege => new(ErrorIds.PrivilegeMissing, ErrorKind.PermissionDenied, $"the connection was refused ({where}): {failure.Message}", Advice(failure, login), login.Address, failure.Cause),
            ConnectionFailure.TimedOut or ConnectionFailure.Hung => new(ErrorIds.ConnectionFailed, ErrorKind.Timeout, $"cannot connect ({where}): {failure.Message}", Advice(failure, login), login.Address, failure.Cause),
            _ => new(ErrorIds.ConnectionFailed, ErrorKind.Failed, $"cannot connect ({where}): {Coded(failure)}", Advice(failure, login), login.Address, failure.Cause),
        };
    }

    /// <summary>What would be right where a session was not had; null where there is nothing to advise.</summary>
    internal static string? Advice(ConnectionFailure failure, ServerLogin login) => failure.Code switch
    {
        "28P01" => $"Check the password that the inventory names under 'auth' for the user '{login.User}', and that this user may log in.",
        "28000" when failure.Message.Contains("pg_hba", StringComparison.Ordinal) =>
            $"Add a line for the database '{login.Database}', the user '{login.User}' and this machine's address to pg_hba.conf, then reload; 'no encryption' in the message means that the server wants TLS (auth: tls: require).",
        "28000" => $"Make the role: CREATE ROLE {SqlText.Identifier(login.User)} LOGIN; or correct 'auth: user' in the inventory.",
        "3D000" => $"Correct 'auth: database' in the inventory; the database '{login.Database}' is not there.",
        InsufficientPrivilege => $"GRANT CONNECT ON DATABASE {SqlText.Identifier(login.Database)} TO {SqlText.Identifier(login.User)};",
        TooManyConnections => $"The server is alive and full. End idle sessions, raise max_connections, or let DbRecovery have a reserved one (from PostgreSQL 16: GRANT pg_use_reserved_connections TO {SqlText.Identifier(login.User)} with reserved_connections above 0).",
        CannotConnectNow => "The server is alive: it starts, recovers or stops. Wait.",
        ConnectionFailure.Refused => "Check host and port, and that the server runs and listens there (listen_addresses).",
        ConnectionFailure.UnknownHost => "Check the host's name in the inventory, and this machine's name service.",
        ConnectionFailure.Unreachable or ConnectionFailure.TimedOut => "Check the network and firewalls between this machine and the host.",
        ConnectionFailure.Hung => "Look at the server's processes on its machine: they may be stopped, or wait for a disk.",
        ConnectionFailure.Secret => (failure.Cause as DbRecoveryException)?.RecommendedAction,
        ConnectionFailure.Login => "DbRecovery logs in by password (scram-sha-256, md5), certificate, peer or trust: give its role such a line in pg_hba.conf, before others that fit.",
        ConnectionFailure.Tls => "Turn TLS on in the server (ssl = on), or set 'auth: tls' in the inventory to what it offers.",
        ConnectionFailure.Certificate => "Name the authority that signed the server's certificate under 'auth: rootCertificate', and for verify-full the host as the certificate names it.",
        _ => null,
    };

    /// <summary>The error for a statement that failed on an open session.</summary>
    /// <param name="exception">What the driver threw.</param>
    /// <param name="login">Where.</param>
    /// <param name="during">What was being done, as in 'promoting'.</param>
    internal static DbRecoveryException ToError(Exception exception, ServerLogin login, string during)
    {
        if (exception is DbRecoveryException known)
            return known;
        if (exception is NoSessionException none)
            return ToError(none.Failure, login);
        if (exception is not PostgresException server)
        {
            var failure = ConnectionFailure.Of(exception);
            return failure.Code == ConnectionFailure.TimedOut
                ? new(ErrorIds.TimedOut, ErrorKind.Timeout, $"{during} on {login.Address}: {failure.Message}; whether it took effect is not known", null, login.Address, exception)
                : new(ErrorIds.ConnectionFailed, ErrorKind.Failed, $"{during} on {login.Address}: the connection was lost: {failure.Message}", Advice(failure, login), login.Address, exception);
        }
        var text = $"{during} on {login.Address}: {server.SqlState}: {server.MessageText}";
        return server.SqlState switch
        {
            InsufficientPrivilege => new(ErrorIds.PrivilegeMissing, ErrorKind.PermissionDenied, text, GrantFor(server, login), login.Address, exception),
            QueryCanceled => new(ErrorIds.TimedOut, ErrorKind.Timeout, text, "Allow more time.", login.Address, exception),
            "55P03" or "40P01" or "40001" or "55006" => new(ErrorIds.DatabaseBusy, ErrorKind.Busy, text, "Try again, or end the sessions that hold the locks.", login.Address, exception),
            "XX001" or "XX002" => new(ErrorIds.DatabaseCorrupt, ErrorKind.CorruptData, text, null, login.Address, exception),
            "53100" => new(ErrorIds.OutOfSpace, ErrorKind.OutOfSpace, text, null, login.Address, exception),
            "42P01" or "42703" or "3F000" or "42704" or "42883" => new(ErrorIds.ObjectNotFound, ErrorKind.NotFound, text, null, login.Address, exception),
            // the server ended the session: 57P01 to 57P05
            ['5', '7', 'P', ..] => new(ErrorIds.ConnectionFailed, ErrorKind.Failed, text, null, login.Address, exception),
            _ => new(ErrorIds.StepFailed, ErrorKind.Failed, text, null, login.Address, exception),
        };
    }

    /// <summary>The GRANT that the refused call needs.</summary>
    internal static string GrantFor(PostgresException refusal, ServerLogin login)
    {
        var user = SqlText.Identifier(login.User);
        return refusal.MessageText switch
        {
            var m when m.Contains("pg_promote", StringComparison.Ordinal) => $"GRANT EXECUTE ON FUNCTION pg_promote(boolean, integer) TO {user};",
            var m when m.Contains("pg_wal_replay_resume", StringComparison.Ordinal) => $"GRANT EXECUTE ON FUNCTION pg_wal_replay_resume() TO {user};",
            var m when m.Contains("pg_terminate_backend", StringComparison.Ordinal) || m.Contains("terminate process", StringComparison.Ordinal) => $"GRANT pg_signal_backend TO {user};",
            var m when m.Contains("pg_reload_conf", StringComparison.Ordinal) => $"GRANT EXECUTE ON FUNCTION pg_reload_conf() TO {user};",
            var m when m.Contains("pg_start_backup", StringComparison.Ordinal) || m.Contains("pg_stop_backup", StringComparison.Ordinal) =>
                $"GRANT EXECUTE ON FUNCTION pg_start_backup(text, boolean, boolean), pg_stop_backup(boolean, boolean) TO {user};",
            var m when m.Contains("CHECKPOINT", StringComparison.OrdinalIgnoreCase) => $"GRANT pg_checkpoint TO {user}; (from PostgreSQL 15; before that a superuser is needed)",
            var m when m.Contains("replication", StringComparison.OrdinalIgnoreCase) => $"ALTER ROLE {user} REPLICATION;",
            var m when m.Contains("set parameter", StringComparison.Ordinal) || m.Contains("ALTER SYSTEM", StringComparison.Ordinal) => $"GRANT ALTER SYSTEM ON PARAMETER <the setting> TO {user}; (from PostgreSQL 15; before that a superuser is needed)",
            _ => $"GRANT pg_monitor TO {user}; gives what watching needs; what this call needs beyond it, its message says.",
        };
    }

    private static string Coded(ConnectionFailure failure) =>
        failure.Cause is PostgresException ? $"{failure.Code}: {failure.Message}" : failure.Message;
}
