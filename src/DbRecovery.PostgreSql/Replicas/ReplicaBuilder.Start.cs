using DbRecovery.PostgreSql.Connections;
using DbRecovery.PostgreSql.Replication;

namespace DbRecovery.PostgreSql.Replicas;

// What every way back ends with: configuration, slot, start, stream.
internal sealed partial class ReplicaBuilder
{
    private static readonly TimeSpan StandStill = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LongestPause = TimeSpan.FromMilliseconds(200);

    private const string ReadSettings = "f=$D/postgresql.auto.conf; [ -f \"$S/rewound\" ] && [ -f \"$S/own/postgresql.auto.conf\" ] && f=$S/own/postgresql.auto.conf; [ -f \"$f\" ] || exit 0; cat \"$f\"";

    private async Task SettleAsync(NodePlace at, Comparison found, NodeDefinition primary, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var old = await _shell.RunAsync(at, "reading the configuration", ReadSettings, [], timeout, cancellationToken, outputLimit: 1024 * 1024).ConfigureAwait(false);
        var text = StandbySettings.Set(old, await StandbySettingsAsync(at, primary, old, cancellationToken).ConfigureAwait(false));
        var history = found.Primary.HistoryText.Length > 0;
        await _shell.RunAsync(at, "making it a standby", Settle,
            [history ? TimelineHistory.FileName(found.Primary.Timeline) : "", found.Primary.HistoryText, found.Folder.ConfigFile ?? ""], timeout, cancellationToken, text).ConfigureAwait(false);
    }

    /// <summary>Whom it follows, and by which slot; what its text said beside that stays.</summary>
    private async Task<List<KeyValuePair<string, string>>> StandbySettingsAsync(NodePlace at, NodeDefinition primary, string old, CancellationToken cancellationToken)
    {
        var replicator = at.Cluster.Auth?.Replication;
        var password = (await PasswordAsync(replicator is null ? at.Cluster.Auth?.Password : replicator.Password, cancellationToken).ConfigureAwait(false))?.TrimEnd('\n');
        var text = UpstreamText.Write(UpstreamText.Of(at.Cluster, at.Node, primary, StandbySettings.Get(old, "primary_conninfo"), password));
        return [new("primary_conninfo", text), new("primary_slot_name", at.Node.SlotName)];
    }

    private List<PlannedAct> StartActs(NodePlace at, NodeDefinition primary) =>
    [
        .. instances.Start(at.Cluster, at.Node, letGo: true).Acts,
        new PlannedAct(ActKind.Wait, at.Node.Name, $"until it streams from '{primary.Name}'"),
    ];

    private async Task StartAsync(NodePlace at, NodeDefinition primary, Deadline deadline, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        await EnsureUsableSlotAsync(at, primary, deadline, progress, cancellationToken).ConfigureAwait(false);
        // it was held down until it could do no harm, which is now
        await instances.Start(at.Cluster, at.Node, letGo: true).RunAsync(deadline.Left, progress, cancellationToken).ConfigureAwait(false);
        await WaitUntilStreamsAsync(at, primary, deadline, cancellationToken).ConfigureAwait(false);
    }

    // a standby that replays much before it asks for more gets on meanwhile; one that stands still will not stream
    private async Task WaitUntilStreamsAsync(NodePlace at, NodeDefinition primary, Deadline deadline, CancellationToken cancellationToken)
    {
        var (login, clock) = (ServerLogin.Of(at.Cluster, at.Node), _query.Clock);
        var (moved, last, pause) = (clock.GetTimestamp(), "", TimeSpan.FromMilliseconds(10));
        while (true)
        {
            _ = deadline.Left;
            // without the right to see it, a receiver's row says as much as its status
            var row = (await _query.RowsAsync(login, "waiting for the stream",
                "SELECT pg_is_in_recovery(), coalesce(pg_last_wal_replay_lsn()::text, ''), (SELECT coalesce(status, 'streaming') FROM pg_stat_wal_receiver LIMIT 1)", cancellationToken).ConfigureAwait(false))[0];
            if (row[0] is not true)
                throw new DbRecoveryException(ErrorIds.StepFailed, ErrorKind.Failed, $"'{at.Node.Name}' started, and is no standby", "Stop it, and look at its configuration.", at.Node.Name);
            if (row[2] is "streaming")
                return;
            if (!last.Equals(row[1]))
                (moved, last) = (clock.GetTimestamp(), (string)row[1]!);
            if (clock.GetElapsedTime(moved) > StandStill)
            {
                throw new DbRecoveryException(ErrorIds.StepFailed, ErrorKind.Failed, $"'{at.Node.Name}' started, and does not stream from '{primary.Name}'; it stands at {last}",
                    "Its log says why: most often the primary no longer has the log that it needs, and it must be rebuilt.", at.Node.Name);
            }
            await Task.Delay(pause, clock, cancellationToken).ConfigureAwait(false);
            pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
        }
    }

    // a former primary's slots of its replicas would hold back its log for ever; they follow another node now
    private async Task DropOldSlotsAsync(NodePlace at, CancellationToken cancellationToken)
    {
        string[] names = [.. at.Cluster.Nodes.Where(n => n.Name != at.Node.Name && n.Upstream != at.Node.Name).Select(n => n.SlotName)];
        try
        {
            await _query.RowsAsync(ServerLogin.Of(at.Cluster, at.Node), "dropping the slots of its former replicas",
                "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_type = 'physical' AND NOT active AND slot_name = ANY($1)", cancellationToken, (object)names).ConfigureAwait(false);
        }
        catch (DbRecoveryException)
        {
            // a slot that came into use meanwhile, or a right that is missing: the next observation reports what is left
        }
    }

    // a slot whose log is gone is of no use to anybody
    private async Task EnsureUsableSlotAsync(NodePlace at, NodeDefinition primary, Deadline deadline, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var lost = await _query.RowsAsync(ServerLogin.Of(at.Cluster, primary), "looking at the slot",
            "SELECT 1 FROM pg_replication_slots WHERE slot_name = $1 AND wal_status = 'lost' AND NOT active", cancellationToken, at.Node.SlotName).ConfigureAwait(false);
        if (lost.Count > 0)
            await replication.DropSlot(at.Cluster, primary, at.Node.SlotName).RunAsync(deadline.Left, progress, cancellationToken).ConfigureAwait(false);
        await replication.EnsureSlots(at.Cluster, primary, [at.Node]).RunAsync(deadline.Left, progress, cancellationToken).ConfigureAwait(false);
    }
}
