using System.Globalization;
using DbRecovery.PostgreSql.Connections;
using Npgsql;

namespace DbRecovery.PostgreSql.Observation;

/// <summary>What cannot change while a session is open: which server it is, and what this role may see there.</summary>
internal sealed record ServerProfile
{
    /// <summary>The oldest version that is supported.</summary>
    internal const int OldestVersion = 130000;

    private const string Query = """
        select current_setting('server_version_num')::int8, version(), extract(epoch from pg_postmaster_start_time())::float8,
          pg_has_role('pg_monitor', 'usage'), pg_has_role('pg_read_all_stats', 'usage'), pg_has_role('pg_read_all_settings', 'usage'),
          has_function_privilege('pg_catalog.pg_ls_waldir()', 'execute'),
          has_function_privilege('pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean)', 'execute'),
          case when has_function_privilege('pg_catalog.pg_control_system()', 'execute') then (select system_identifier::text from pg_control_system()) end
        """;

    /// <summary>server_version_num.</summary>
    public required int Version { get; init; }
    /// <summary>The server's own words for its version.</summary>
    public required string VersionText { get; init; }
    /// <summary>When its main process started, in seconds since 1970.</summary>
    public required double StartedAt { get; init; }
    /// <summary>The system identifier; null where it may not be seen.</summary>
    public string? SystemId { get; init; }
    /// <summary>The role has what pg_monitor gives.</summary>
    public bool Monitor { get; init; }
    /// <summary>The role sees what other roles' sessions do.</summary>
    public bool Stats { get; init; }
    /// <summary>The role sees settings that only superusers see.</summary>
    public bool Settings { get; init; }
    /// <summary>The role may list the log's folder.</summary>
    public bool WalFolder { get; init; }

    /// <summary>The role may read the histories of timelines.</summary>
    public bool HistoryFiles { get; init; }

    /// <summary>The major version.</summary>
    internal int Major => Version / 10000;

    /// <summary>Asks a session.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.VersionNotSupported"/>.</exception>
    internal static async Task<ServerProfile> ReadAsync(NpgsqlConnection connection, ServerLogin login, CancellationToken cancellationToken)
    {
        if (connection.PostgreSqlVersion.Major < OldestVersion / 10000)
            throw NotSupported(connection.PostgreSqlVersion.ToString(), login);
        var command = new NpgsqlCommand(Query, connection);
        await using (command.ConfigureAwait(false))
        {
            var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
            await using (reader.ConfigureAwait(false))
            {
                await reader.ReadAsync(cancellationToken).ConfigureAwait(false);
                return new ServerProfile
                {
                    Version = (int)reader.GetInt64(0),
                    VersionText = reader.GetString(1),
                    StartedAt = reader.GetDouble(2),
                    Monitor = reader.GetBoolean(3),
                    Stats = reader.GetBoolean(4),
                    Settings = reader.GetBoolean(5),
                    WalFolder = reader.GetBoolean(6),
                    HistoryFiles = reader.GetBoolean(7),
                    SystemId = reader.IsDBNull(8) ? null : reader.GetString(8),
                };
            }
        }
    }

    private static DbRecoveryException NotSupported(string version, ServerLogin login) => new(ErrorIds.VersionNotSupported, ErrorKind.NotSupported,
        string.Create(CultureInfo.InvariantCulture, $"{login.Address} is PostgreSQL {version}: 13 to 18 are supported"), "Upgrade the server.", login.Address);
}
