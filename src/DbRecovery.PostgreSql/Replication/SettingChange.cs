using DbRecovery.PostgreSql.Connections;
using Npgsql;

namespace DbRecovery.PostgreSql.Replication;

/// <summary>Changes settings by ALTER SYSTEM, and makes them hold without a restart.</summary>
internal static class SettingChange
{
    internal const string Reload = "SELECT pg_reload_conf()";

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(2);

    /// <summary>The statement; a null value takes the setting back to what the configuration file says.</summary>
    internal static string Statement(string setting, string? value) => value is null ? $"ALTER SYSTEM RESET {setting}" : $"ALTER SYSTEM SET {setting} = {SqlText.Literal(value)}";

    /// <summary>Runs statements and waits until the session itself has read the new settings, as every other has then or does at its next statement.</summary>
    internal static async Task ApplyAsync(NpgsqlConnection connection, TimeProvider clock, IEnumerable<string> statements, CancellationToken cancellationToken)
    {
        var before = await LoadedAsync(connection, cancellationToken).ConfigureAwait(false);
        foreach (var statement in statements)
            await ReplicationSessions.ExecuteAsync(connection, statement, cancellationToken).ConfigureAwait(false);
        await ReplicationSessions.ExecuteAsync(connection, Reload, cancellationToken).ConfigureAwait(false);
        // the session's time bounds this
        while (await LoadedAsync(connection, cancellationToken).ConfigureAwait(false) == before)
            await Task.Delay(Pause, clock, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Keeps the texts of the session's statements out of logs, so that a password in one of them is not written there.
    /// </summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.PrivilegeMissing"/>: they would be logged, and the role may not change that.</exception>
    internal static async Task SilenceAsync(NpgsqlConnection connection, ServerLogin login, CancellationToken cancellationToken)
    {
        // of a setting that does not exist here there is nothing to say
        var loud = await ReplicationSessions.RowsAsync(connection, """
            SELECT name, off FROM (VALUES ('log_statement', 'none'), ('log_min_duration_statement', '-1'), ('log_min_duration_sample', '-1'), ('log_transaction_sample_rate', '0'),
              ('log_min_error_statement', 'panic'), ('pg_stat_statements.track_utility', 'off'), ('pgaudit.log', 'none')) AS v (name, off)
            WHERE current_setting(name, true) IS DISTINCT FROM off AND coalesce(current_setting(name, true), '') <> ''
            """, cancellationToken).ConfigureAwait(false);
        foreach (var row in loud)
        {
            var name = (string)row[0]!;
            try
            {
                await ReplicationSessions.ExecuteAsync(connection, $"SET {name} = {SqlText.Literal((string)row[1]!)}", cancellationToken).ConfigureAwait(false);
            }
            catch (PostgresException e) when (e.SqlState == PostgreSqlErrors.InsufficientPrivilege)
            {
                // that one logs the statements that fail, and this one fails for lack of a right, which can be known before
                if (name == "log_min_error_statement" && await MayChangeAsync(connection, cancellationToken).ConfigureAwait(false))
                    continue;
                throw new DbRecoveryException(ErrorIds.PrivilegeMissing, ErrorKind.PermissionDenied,
                    $"the connection text of the replica at {login.Address} holds a password, and the server would log it ({name}), which '{login.User}' may not turn off for itself",
                    $"GRANT SET ON PARAMETER {name} TO {SqlText.Identifier(login.User)}; GRANT ALTER SYSTEM ON PARAMETER primary_conninfo, primary_slot_name TO {SqlText.Identifier(login.User)}; (from PostgreSQL 15), or keep the password in the password file of the server's user.", login.Address, e);
            }
        }
    }

    private static async Task<bool> MayChangeAsync(NpgsqlConnection connection, CancellationToken cancellationToken) =>
        connection.PostgreSqlVersion.Major >= 15
        && await ReplicationSessions.RowAsync(connection, "SELECT has_parameter_privilege('primary_conninfo', 'ALTER SYSTEM') AND has_parameter_privilege('primary_slot_name', 'ALTER SYSTEM')", cancellationToken).ConfigureAwait(false) is [true];

    private static async Task<DateTime> LoadedAsync(NpgsqlConnection connection, CancellationToken cancellationToken) =>
        (DateTime)(await ReplicationSessions.RowAsync(connection, "SELECT pg_conf_load_time()", cancellationToken).ConfigureAwait(false))![0]!;
}
