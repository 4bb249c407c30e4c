using System.Globalization;
using System.Text;
using DbRecovery.PostgreSql.Connections;

namespace DbRecovery.PostgreSql.Replicas;

/// <summary>What has to be known of the primary that others shall follow.</summary>
internal sealed record PresentPrimary
{
    /// <summary>The cluster that it belongs to.</summary>
    public required string SystemId { get; init; }
    /// <summary>The timelines that led to its own.</summary>
    public required TimelineHistory History { get; init; }
    /// <summary>Its history file; empty on the first timeline.</summary>
    public required string HistoryText { get; init; }
    /// <summary>The timeline in its control file: before PostgreSQL 16 the old one until a checkpoint is done.</summary>
    public required int ControlTimeline { get; init; }
    /// <summary>The end of its log.</summary>
    public required long End { get; init; }
    /// <summary>Whether it logs whole pages.</summary>
    public required bool FullPageWrites { get; init; }
    /// <summary>Its tablespaces, without the two that every cluster has: oid and place.</summary>
    public required IReadOnlyDictionary<string, string> Tablespaces { get; init; }

    /// <summary>Its timeline.</summary>
    public int Timeline => History.Timeline;

    // its own clock of timelines is the name of the log's file: what the control data say is old until a checkpoint
    private const string Query = """
        SELECT pg_is_in_recovery(), (SELECT system_identifier::text FROM pg_control_system()),
               CASE WHEN pg_is_in_recovery() THEN NULL ELSE left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) END,
               (SELECT timeline_id FROM pg_control_checkpoint()), current_setting('full_page_writes')::bool,
               (SELECT coalesce(array_agg(oid::text || ' ' || pg_tablespace_location(oid)), '{}') FROM pg_tablespace WHERE spcname NOT IN ('pg_default', 'pg_global')),
               CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_current_wal_insert_lsn()::text END
        """;

    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.WrongNode"/>: it is no primary; the errors of connecting; <see cref="ErrorIds.PrivilegeMissing"/>.</exception>
    internal static Task<PresentPrimary> ReadAsync(ServerQuery query, ClusterDefinition cluster, NodeDefinition primary, CancellationToken cancellationToken) =>
        query.RunAsync(ServerLogin.Of(cluster, primary), "reading the primary's timeline", async (connection, token) =>
        {
            var row = (await ServerQuery.RowsAsync(connection, Query, token).ConfigureAwait(false))[0];
            if (row[0] is true)
            {
                throw new DbRecoveryException(ErrorIds.WrongNode, ErrorKind.Refused, $"'{primary.Name}' is a standby: nobody can be made to follow it as the primary",
                    "Name the primary; 'topology' shows who it is.", primary.Name);
            }
            var timeline = int.Parse((string)row[2]!, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            var history = timeline == 1 ? "" : Encoding.UTF8.GetString((byte[])(await ServerQuery.RowsAsync(connection,
                "SELECT pg_read_binary_file('pg_wal/' || $1)", token, TimelineHistory.FileName(timeline)).ConfigureAwait(false))[0][0]!);
            return new PresentPrimary
            {
                SystemId = (string)row[1]!,
                History = TimelineHistory.Parse(timeline, history),
                HistoryText = history,
                ControlTimeline = Convert.ToInt32(row[3], CultureInfo.InvariantCulture),
                End = LogText.Parse((string)row[6]!),
                FullPageWrites = row[4] is true,
                Tablespaces = ((string[])row[5]!).Select(s => s.Split(' ', 2)).ToDictionary(s => s[0], s => s[1], StringComparer.Ordinal),
            };
        }, ServerQuery.LookTime, cancellationToken);
}
