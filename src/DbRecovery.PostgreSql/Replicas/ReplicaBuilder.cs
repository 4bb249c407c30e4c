using DbRecovery.PostgreSql.Connections;

namespace DbRecovery.PostgreSql.Replicas;

/// <summary>
/// Makes replicas with PostgreSQL's own programs on the node's machine. Beside the data folder <c>X</c> lies <c>X.dbrecovery</c> while something
/// is unfinished; a folder whose rewind did not end has a mode with which no server starts.
/// </summary>
internal sealed partial class ReplicaBuilder(
    PostgreSqlConnections connections, INodeCommands commands, ISecretResolver secrets, IInstanceControl instances, IReplicationControl replication) : IReplicaBuilder
{
    private static readonly TimeSpan LookTime = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan TellEvery = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ScanTime = TimeSpan.FromMinutes(10);

    private readonly NodeShell _shell = new(commands);
    private readonly ServerQuery _query = new(connections);

    /// <summary>A comparison with the present primary, and what the operations need of it.</summary>
    private sealed record Comparison(RejoinAssessment Assessment, DataFolder Folder, PresentPrimary Primary, IReadOnlyList<TimelineStretch> Tail)
    {
        /// <summary>Whether it must be brought to a clean end before it can be rewound.</summary>
        public bool NeedsRecovery => Assessment is { Diverged: true, NotRewindableBecause: null } && Folder is { RewoundTo: null, Control.ShutDownCleanly: false };
    }

    /// <inheritdoc/>
    public async Task<RejoinAssessment> AssessAsync(ClusterDefinition cluster, NodeDefinition node, NodeDefinition primary, bool mayRecover, CancellationToken cancellationToken)
    {
        var at = NodePlace.Of(cluster, node);
        var found = await CompareAsync(at, primary, cancellationToken).ConfigureAwait(false);
        if (!mayRecover || !found.NeedsRecovery)
            return found.Assessment;
        await RecoverAsync(at, found.Folder, ScanTime, cancellationToken).ConfigureAwait(false);
        return (await CompareAsync(at, primary, cancellationToken).ConfigureAwait(false)).Assessment;
    }

    private async Task<Comparison> CompareAsync(NodePlace at, NodeDefinition primary, CancellationToken cancellationToken)
    {
        var (present, folder) = await LookAsync(at, primary, cancellationToken).ConfigureAwait(false);
        if (!folder.HasData)
            throw new DbRecoveryException(ErrorIds.DatabaseNotFound, ErrorKind.NotFound, $"there is no data in '{at.DataDir}' of '{at.Node.Name}'", "Rebuild it from the primary.", at.Node.Name);
        if (folder.Control is not { } control)
            throw new DbRecoveryException(ErrorIds.DatabaseCorrupt, ErrorKind.CorruptData, $"the control data of '{at.Node.Name}' cannot be read: {folder.Unreadable}", "Rebuild it from the primary.", at.Node.Name);
        if (folder.Barred)
        {
            // its writes were listed before the rewind began
            var because = folder.RewoundTo == present.Timeline ? null : "a rewind of it began and did not end";
            return new Comparison(new RejoinAssessment { Diverged = true, NotRewindableBecause = because }, folder, present, []);
        }
        var history = await HistoryOfAsync(at, control.Timeline, cancellationToken).ConfigureAwait(false);
        if (history.ForkFrom(present.History) is not { } fork)
            return new Comparison(new RejoinAssessment { Diverged = true, NotRewindableBecause = "it has no timeline in common with the primary" }, folder, present, []);
        return await CompareAsync(at, folder, control, present, history, fork, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The primary and the folder of a node on which no server runs; where there are no data, none can.</summary>
    private async Task<(PresentPrimary Primary, DataFolder Folder)> LookAsync(NodePlace at, NodeDefinition primary, CancellationToken cancellationToken)
    {
        var folder = await DataFolder.LookAsync(_shell, at, LookTime, cancellationToken).ConfigureAwait(false);
        if (folder.HasData)
            await RequireStoppedAsync(at, cancellationToken).ConfigureAwait(false);
        var present = await PresentPrimary.ReadAsync(_query, at.Cluster, primary, cancellationToken).ConfigureAwait(false);
        RequireSameCluster(at, folder, present, primary);
        return (present, folder);
    }

    private async Task<Comparison> CompareAsync(
        NodePlace at, DataFolder folder, ControlData control, PresentPrimary present, TimelineHistory history, (int Timeline, long At) fork, CancellationToken cancellationToken)
    {
        var known = control.WasStandby ? control.MinimumRecoveryEnd : control.Checkpoint;
        if (fork.At == long.MaxValue)
        {
            // one timeline, and more of it than the primary has: somebody made it a primary without a promotion
            return new Comparison(known <= present.End ? new RejoinAssessment { Diverged = false } : new RejoinAssessment
            {
                Diverged = true, EndedAt = LogText.Position(known, control.Timeline), LostBytes = known - present.End,
                NotRewindableBecause = "it is ahead of the primary on the primary's own timeline, so where the histories part cannot be told",
            }, folder, present, []);
        }
        IReadOnlyList<TimelineStretch> stretches = [.. history.After(fork.Timeline, fork.At)];
        var tail = await LogTail.LookAsync(_shell, at, stretches, control.SegmentSize, ScanTime, cancellationToken).ConfigureAwait(false);
        // a standby's pages are never ahead of the place that its control data name; what it has received beyond is not followed
        var diverged = control.WasStandby ? control.MinimumRecoveryEnd > fork.At || control.Timeline != fork.Timeline
            : control.ShutDownCleanly ? control.Checkpoint >= fork.At
            : control.Checkpoint >= fork.At || tail.Records > 0;
        if (!diverged)
            return new Comparison(new RejoinAssessment { Diverged = false }, folder, present, []);
        var end = Math.Max(tail.End, known);
        return new Comparison(new RejoinAssessment
        {
            Diverged = true,
            ForkedAt = LogText.Position(fork.At, fork.Timeline),
            EndedAt = LogText.Position(end, control.Timeline),
            // a checkpoint after the fork loses nothing; where the log cannot be read any more, all of it may be writes
            LostBytes = tail.Gone ? end - fork.At : Math.Max(0, tail.LastCommitEnd - fork.At),
            NotRewindableBecause = NotRewindable(folder, control, present, tail),
        }, folder, present, stretches);
    }

    private static string? NotRewindable(DataFolder folder, ControlData control, PresentPrimary primary, LogTail tail)
    {
        var newSpaces = primary.Tablespaces.Keys.Except(folder.Tablespaces.Keys, StringComparer.Ordinal).ToList();
        return !control.Checksums && !control.LogsHints ? "it has neither data checksums nor wal_log_hints, so a rewind could not tell which pages changed"
            : !folder.CanRunRewind ? "the program pg_rewind is not on its machine"
            : !primary.FullPageWrites ? "full_page_writes is off on the primary"
            : folder.BackupLabel ? "it is a copy that was never started to its end (backup_label)"
            : tail.Gone ? "its log does not reach back to where the histories part"
            : control is { WasStandby: true, ShutDownCleanly: false } ? "it is a standby that was not stopped cleanly, and its pages are beyond the fork"
            // the rewind would point it at the same place, which on one machine is the primary's own
            : newSpaces.Count > 0 ? $"the primary has {Counted.Of(newSpaces.Count, "tablespace")} that it lacks ({string.Join(", ", newSpaces.Select(s => primary.Tablespaces[s]))})"
            : null;
    }

    private static void RequireSameCluster(NodePlace at, DataFolder folder, PresentPrimary present, NodeDefinition primary)
    {
        if (folder.Control is { } control && control.SystemId != present.SystemId)
        {
            throw new DbRecoveryException(ErrorIds.WrongNode, ErrorKind.Refused,
                $"the data of '{at.Node.Name}' are another cluster's (system id {control.SystemId}) than those of '{primary.Name}' ({present.SystemId}): they stay as they are",
                $"Correct the inventory; or, if '{at.DataDir}' may go, move it away by hand.", at.Node.Name);
        }
    }

    private async Task RequireStoppedAsync(NodePlace at, CancellationToken cancellationToken)
    {
        var status = await instances.StatusAsync(at.Cluster, at.Node, LookTime, cancellationToken).ConfigureAwait(false);
        if (status.State == InstanceState.Stopped)
            return;
        throw status.State == InstanceState.Running
            ? new DbRecoveryException(ErrorIds.DatabaseBusy, ErrorKind.Refused, $"'{at.Node.Name}' runs ({status.Detail}): its data can be compared only when it is stopped", "Stop it first.", at.Node.Name)
            : new DbRecoveryException(ErrorIds.OutcomeUnknown, ErrorKind.Refused, $"it cannot be told whether '{at.Node.Name}' runs ({status.Detail}), so its data are not touched", "Look at its machine.", at.Node.Name);
    }

    private async Task<TimelineHistory> HistoryOfAsync(NodePlace at, int timeline, CancellationToken cancellationToken)
    {
        var text = timeline == 1 ? "" : await _shell.RunAsync(at, "reading the timeline's history", "cat \"$D/pg_wal/$1\"", [TimelineHistory.FileName(timeline)], LookTime, cancellationToken).ConfigureAwait(false);
        return TimelineHistory.Parse(timeline, text);
    }

    /// <summary>Tells how far a program is, until it ends at its own deadline.</summary>
    private async Task<T> ToldAsync<T>(Task<T> work, IProgress<OperationProgress>? progress, Func<TimeSpan, Task<OperationProgress?>> told)
    {
        var since = _query.Clock.GetTimestamp();
        while (progress is not null && await Task.WhenAny(work, Task.Delay(TellEvery, _query.Clock, CancellationToken.None)).ConfigureAwait(false) != work)
        {
            if (await told(_query.Clock.GetElapsedTime(since)).ConfigureAwait(false) is { } now)
                progress.Report(now);
        }
        return await work.ConfigureAwait(false);
    }

    // its last checkpoint would remove the log that the rewind needs, hence the size
    private Task RecoverAsync(NodePlace at, DataFolder folder, TimeSpan timeout, CancellationToken cancellationToken) => _shell.RunAsync(at, "the recovery of the crashed server",
        "need postgres; \"$B/postgres\" --single -D \"$D\" -c wal_keep_size=1000000 ${1:+-c \"config_file=$1\"} template1 </dev/null", [folder.ConfigFile ?? ""], timeout, cancellationToken);

    private static string RecoveryCommand(NodePlace at) => $"{at.BinDir}/postgres --single -D {at.DataDir} -c wal_keep_size=1000000 template1";
}
