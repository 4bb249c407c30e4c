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

    private static async Task<DateTime> LoadedAsync(NpgsqlConnection connection, CancellationToken cancellationToken) =>
        (DateTime)(await ReplicationSessions.RowAsync(connection, "SELECT pg_conf_load_time()", cancellationToken).ConfigureAwait(false))![0]!;
}
