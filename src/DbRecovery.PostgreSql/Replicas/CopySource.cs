using System.Globalization;
using DbRecovery.PostgreSql.Connections;

namespace DbRecovery.PostgreSql.Replicas;

/// <summary>What has to be known of the server that a replica is copied from.</summary>
internal sealed record CopySource
{
    /// <summary>The cluster that it belongs to.</summary>
    public required string SystemId { get; init; }
    /// <summary>The bytes of what lies in the data folder.</summary>
    public required long Bytes { get; init; }
    /// <summary>The tablespaces: place and bytes.</summary>
    public required IReadOnlyList<(string Place, long Bytes)> Tablespaces { get; init; }
    /// <summary>Whether its configuration is in its data folder, and so in every copy of it.</summary>
    public required bool ConfigurationWithin { get; init; }
    /// <summary>The addresses that it listens on.</summary>
    public required string ListenAddresses { get; init; }

    private const string Query = """
        SELECT (SELECT system_identifier::text FROM pg_control_system()), current_setting('config_file') LIKE current_setting('data_directory') || '/%', current_setting('listen_addresses'),
               (SELECT sum(pg_tablespace_size(oid))::bigint FROM pg_tablespace WHERE spcname IN ('pg_default', 'pg_global')),
               (SELECT coalesce(array_agg(pg_tablespace_size(oid)::text || ' ' || pg_tablespace_location(oid)), '{}') FROM pg_tablespace WHERE spcname NOT IN ('pg_default', 'pg_global'))
        """;

    internal static async Task<CopySource> ReadAsync(ServerQuery query, ClusterDefinition cluster, NodeDefinition source, CancellationToken cancellationToken)
    {
        var row = (await query.RowsAsync(ServerLogin.Of(cluster, source), "reading the size of the source", Query, cancellationToken).ConfigureAwait(false))[0];
        return new CopySource
        {
            SystemId = (string)row[0]!,
            ConfigurationWithin = row[1] is true,
            ListenAddresses = (string)row[2]!,
            Bytes = (long)row[3]!,
            Tablespaces = [.. ((string[])row[4]!).Select(s => s.Split(' ', 2)).Select(s => (s[1], long.Parse(s[0], CultureInfo.InvariantCulture)))],
        };
    }
}
