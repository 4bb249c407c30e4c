using DbRecovery.PostgreSql.Connections;
using Npgsql;

namespace DbRecovery.PostgreSql.Sql;

/// <summary>Upkeep of a live server: indexes that are not valid or damaged, and checkpoints.</summary>
internal sealed class PostgreSqlMaintenance(PostgreSqlConnections connections) : IMaintenance
{
    /// <inheritdoc/>
    public PlannedAct PlanReindex(NodeDefinition node) =>
        new(ActKind.Sql, node.Name, "in each database REINDEX (CONCURRENTLY where that can be) of the indexes that are marked as not valid, or in which amcheck finds damage");

    /// <inheritdoc/>
    public PlannedAct PlanCheckpoint(NodeDefinition node) => new(ActKind.Sql, node.Name, "CHECKPOINT");

    /// <summary>Rebuilds the indexes that are marked as not valid, and those in which amcheck finds damage, without locking out writers.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.WrongNode"/>: the node is a standby; <see cref="ErrorIds.StepFailed"/>, <see cref="ErrorIds.TimedOut"/>.</exception>
    public async Task ReindexAsync(ClusterDefinition cluster, NodeDefinition node, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var started = connections.Clock.GetTimestamp();
        var databases = await connections.UseAsync(ServerLogin.Of(cluster, node), "rebuilding indexes", timeout, async (c, token) =>
        {
            if (await c.ScalarAsync("select pg_is_in_recovery()", token).ConfigureAwait(false) is true)
            {
                throw new DbRecoveryException(ErrorIds.WrongNode, ErrorKind.Refused, $"'{node.Name}' is a standby: its indexes are the primary's",
                    "Rebuild the indexes on the primary; where only the standby's are damaged, rebuild the standby.", node.Name);
            }
            return await Databases.ReadAsync(c, prepared: false, token).ConfigureAwait(false);
        }, cancellationToken).ConfigureAwait(false);
        foreach (var database in databases)
            await RebuildAsync(ServerLogin.Of(cluster, node, database), () => timeout - connections.Clock.GetElapsedTime(started), cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public Task<string> CheckpointAsync(ClusterDefinition cluster, NodeDefinition node, TimeSpan timeout, CancellationToken cancellationToken) =>
        connections.UseAsync(ServerLogin.Of(cluster, node), "the checkpoint", timeout, async (c, token) =>
        {
            await c.ExecuteAsync("CHECKPOINT", token).ConfigureAwait(false);
            var redo = await c.ScalarAsync("select redo_lsn::text from pg_control_checkpoint()", token).ConfigureAwait(false);
            return await c.ScalarAsync("select pg_is_in_recovery()", token).ConfigureAwait(false) is true
                ? $"the standby's last restartpoint is at {redo}"
                : $"a checkpoint was written: recovery would begin at {redo}";
        }, cancellationToken);

    private async Task RebuildAsync(ServerLogin login, Func<TimeSpan> left, CancellationToken cancellationToken)
    {
        var session = new RenewedSession(connections, login, left);
        await using (session.ConfigureAwait(false))
        {
            try
            {
                foreach (var index in await BrokenIndexes.FindAsync(session, cancellationToken).ConfigureAwait(false))
                {
                    await session.RunAsync(async (c, token) =>
                    {
                        // a concurrent rebuild waits for open transactions, and nobody waits behind it
                        await c.ExecuteAsync(index.Concurrent ? "set lock_timeout = 0" : "reset lock_timeout", token).ConfigureAwait(false);
                        return await c.ExecuteAsync(index.Repair, token).ConfigureAwait(false);
                    }, cancellationToken).ConfigureAwait(false);
                }
            }
            catch (Exception e) when (e is NpgsqlException or ServerSilentException or NoSessionException or InvalidOperationException)
            {
                throw PostgreSqlErrors.ToError(e, login, $"rebuilding indexes of '{login.Database}'");
            }
        }
    }
}
