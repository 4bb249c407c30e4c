using System.Globalization;
using DbRecovery.PostgreSql.Connections;

namespace DbRecovery.PostgreSql.Replication;

/// <summary>Where a server's log ends: of a running one as it says, of a stopped one as its control data say.</summary>
internal sealed class LogEnd(ReplicationSessions sessions, INodeCommands commands)
{
    private static readonly TimeSpan CommandTime = TimeSpan.FromSeconds(20);

    private const int ProgramMissing = 97;

    // What was received is on disk up to there; what came from an archive was only replayed. No function gives the timeline of a standby whose
    // receiver has ended: its control file may say the one before, and its log's files know better, which not every role may list.
    private const string Control = "(SELECT timeline_id FROM pg_control_checkpoint()), (SELECT min_recovery_end_timeline FROM pg_control_recovery())";
    private const string Files = "(SELECT max(('x' || left(name, 8))::bit(32)::int) FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$')";

    internal Task<LogPosition> ReceivedAsync(ClusterDefinition cluster, NodeDefinition node, TimeSpan timeout, CancellationToken cancellationToken) =>
        sessions.RunKeptAsync(cluster, node, "asking how far its log goes", changes: false, timeout, async (c, t) =>
            await ReceivedAsync(c, t).ConfigureAwait(false) is [long position, var timeline]
                ? ReplicationSessions.Position(position, (long?)timeline)
                : throw new DbRecoveryException(ErrorIds.StepFailed, ErrorKind.Failed, $"'{node.Name}' has neither received nor replayed anything yet", target: node.Name), cancellationToken);

    private static async Task<object?[]?> ReceivedAsync(Npgsql.NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        try
        {
            return await ReplicationSessions.RowAsync(connection, Received($"{Control}, {Files}"), cancellationToken).ConfigureAwait(false);
        }
        catch (Npgsql.PostgresException e) when (e.SqlState == PostgreSqlErrors.InsufficientPrivilege)
        {
            return await ReplicationSessions.RowAsync(connection, Received(Control), cancellationToken).ConfigureAwait(false);
        }
    }

    private static string Received(string sources) => $"""
        SELECT CASE WHEN pg_is_in_recovery() THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) - '0/0' ELSE pg_current_wal_flush_lsn() - '0/0' END::int8,
               CASE WHEN pg_is_in_recovery() THEN coalesce((SELECT received_tli FROM pg_stat_wal_receiver), greatest({sources}))
                    ELSE ('x' || left(pg_walfile_name(pg_current_wal_flush_lsn()), 8))::bit(32)::int END::int8
        """;

    internal async Task<LogPosition?> ShutdownPositionAsync(ClusterDefinition cluster, NodeDefinition node, CancellationToken cancellationToken)
    {
        if (node.DataDir is null || node.BinDir is null)
        {
            throw new DbRecoveryException(ErrorIds.CapabilityMissing, ErrorKind.NotSupported,
                $"the inventory does not give '{(node.DataDir is null ? "dataDir" : "binDir")}' of the node '{node.Name}', so its control data cannot be read", "Add it to the node.", node.Name);
        }
        var outcome = await commands.RunAsync(cluster, node, new NodeCommand
        {
            Arguments = ["sh", "-c", $"[ -x \"$1\" ] || exit {ProgramMissing}; LC_ALL=C exec \"$1\" -D \"$2\"", "sh", node.BinDir.TrimEnd('/') + "/pg_controldata", node.DataDir],
            RunAs = node.RunAs, Timeout = CommandTime,
        }, cancellationToken).ConfigureAwait(false);
        if (outcome.ExitCode == ProgramMissing)
        {
            throw new DbRecoveryException(ErrorIds.CapabilityMissing, ErrorKind.MissingDependency, $"the program '{node.BinDir}/pg_controldata' is not on the machine of '{node.Name}'",
                "Install the server's programs there, or correct 'binDir' of the node.", node.Name);
        }
        var values = outcome.Output.Split('\n').Select(l => l.Split(':', 2)).Where(p => p.Length == 2).GroupBy(p => p[0], StringComparer.Ordinal).ToDictionary(g => g.Key, g => g.First()[1].Trim(), StringComparer.Ordinal);
        if (outcome.ExitCode != 0 || !values.TryGetValue("Database cluster state", out var state))
            throw new DbRecoveryException(ErrorIds.StepFailed, ErrorKind.Failed, $"the control data of '{node.Name}' cannot be read: {outcome.Error.Trim()}", target: node.Name);
        if (state is not ("shut down" or "shut down in recovery"))
            return null;
        // a standby ends where it has replayed to, which its last restart point need not say
        var end = state == "shut down" ? values["Latest checkpoint location"] : Further(values["Latest checkpoint location"], values["Minimum recovery ending location"]);
        return ReplicationSessions.Position(SqlText.ParseLsn(end)!.Value, long.Parse(values["Latest checkpoint's TimeLineID"], CultureInfo.InvariantCulture));
    }

    private static string Further(string a, string b) => SqlText.ParseLsn(a) >= SqlText.ParseLsn(b) ? a : b;
}
