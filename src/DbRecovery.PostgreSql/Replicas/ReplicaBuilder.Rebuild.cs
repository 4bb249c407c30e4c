using System.Globalization;
using System.Text.RegularExpressions;
using DbRecovery.PostgreSql.Connections;
using DbRecovery.PostgreSql.Replication;

namespace DbRecovery.PostgreSql.Replicas;

// A new data folder beside the old one, which is moved aside and stays.
internal sealed partial class ReplicaBuilder
{
    private const long Margin = 64L << 20;
    private const string CopyName = "dbrecovery_basebackup";

    // each argument is a place that will hold a copy: what is free there, and on which disk
    private const string Room = """
        [ ! -L "$D" ] || fail "'$D' is a symbolic link: name the folder that it leads to as dataDir"
        [ -w "${D%/*}/" ] || fail "$(id -un) may not write into '${D%/*}', where the new folder is made"
        if [ -d "$D" ] && [ "$(stat -c %d "$D")" != "$(stat -c %d "${D%/*}/")" ]; then fail "'$D' is a disk of its own and cannot be moved aside"; fi
        for p in "$D" "$@"; do
          p=${p%/*}/; [ -d "$p" ] || fail "'$p' is not there"
          echo "$(stat -c %d "$p") $(df -P -k "$p" | awk 'NR == 2 { printf "%.0f", $4 * 1024 }')"
        done
        """;

    // what an earlier attempt left is ours, and named by it; $1 password, $2 source, $3 slot, $4 timeline, $5 where the log goes, then the places of tablespaces: old, new
    private const string Copy = """
        need pg_basebackup; [ "$1" = 1 ] && secret
        umask 077; mkdir -p "$S" || exit 1
        if [ -f "$S/made" ]; then while IFS= read -r p; do case $p in *.dbrecovery-*) rm -rf "$p";; esac; done < "$S/made"; fi
        rm -rf "$S/new" "$S/new.ready" "$S/made"
        source=$2; slot=$3; wal=$5; shift 5
        n=$#; while [ "$n" -gt 0 ]; do old=$1; new=$2; shift 2; n=$((n - 2)); echo "$new" >> "$S/made"
          set -- "$@" -T "$(echo "$old" | sed 's/[=\\]/\\&/g')=$(echo "$new" | sed 's/[=\\]/\\&/g')"; done
        [ -z "$wal" ] || { echo "$wal" >> "$S/made"; set -- "$@" --waldir="$wal"; }
        [ -z "$slot" ] || set -- "$@" -S "$slot"
        "$B/pg_basebackup" -D "$S/new" -d "$source" -X stream -c fast -w "$@" && sync
        """;

    // $1 where its own configuration is: own, data or none, $2 a configuration file elsewhere, $3 the timeline; the input is postgresql.auto.conf
    private const string Adopt = Own + """
        umask 077; need postgres; N=$S/new
        case $1 in own) O=$S/own;; data) O=$D;; *) O=;; esac
        rm -rf "$N/log" "$N/pg_log" "$N/dbrecovery.fenced"
        if [ -n "$O" ]; then for p in "$O"/* "$O"/.[!.]*; do e=${p##*/}; [ -e "$p" ] && own "$e" || continue
          case $e in log|pg_log|dbrecovery.fenced) ;; *) rm -rf "$N/$e"; cp -a "$p" "$N/$e" || exit 1;; esac; done; fi
        cat > "$N/postgresql.auto.conf.tmp" && mv -f "$N/postgresql.auto.conf.tmp" "$N/postgresql.auto.conf" || exit 1
        : > "$N/standby.signal"; rm -f "$N/recovery.signal"
        accepted "$N" "$2"
        flush "$N"; echo "$3" > "$S/new.ready"; flush "$S"
        """;

    // $1 what the old folder will be called
    private const string Swap = Own + """
        if [ -d "$S/new" ]; then
          [ -f "$S/new.ready" ] || fail "the copy is not complete"
          if [ -d "$D" ] && [ -z "$(ls -A "$D")" ]; then rmdir "$D" || exit 1; fi
          if [ -e "$D" ]; then [ ! -e "$1" ] || fail "'$1' is there already"; mv -T "$D" "$1" || fail "'$D' cannot be moved aside"
            # the old server's logs, where a rewind that broke off had put them
            [ ! -d "$S/own" ] || mv -T "$S/own" "$1/dbrecovery.own" || exit 1; echo "$1"; fi
          # from now on the tablespaces' new places are the server's, and no leftovers
          rm -f "$S/made"
          mv -T "$S/new" "$D" || fail "the new folder cannot take its place: it is '$S/new'"
        fi
        rm -rf "$S/own" "$S/rewound" "$S/new.ready"; flush "$D"; rmdir "$S" 2>/dev/null; :
        """;

    /// <inheritdoc/>
    public NodeOperation Rebuild(ClusterDefinition cluster, NodeDefinition node, NodeDefinition source, NodeDefinition primary)
    {
        var at = NodePlace.Of(cluster, node);
        var stamp = _query.Clock.GetUtcNow().UtcDateTime.ToString("yyyyMMdd-HHmmss", CultureInfo.InvariantCulture);
        var slots = replication.EnsureSlots(cluster, primary, [node]).Acts;
        return new NodeOperation(
            [
                new PlannedAct(ActKind.Read, node.Name, $"free space in {at.Parent}, and whether {at.DataDir} can be moved aside"),
                .. slots,
                new PlannedAct(ActKind.Command, node.Name, $"{at.BinDir}/pg_basebackup -D {at.Side}/new -d \"{CopyText(at, source)}\" -X stream -c fast -w{(source.Name == primary.Name ? $" -S {node.SlotName}" : "")}"),
                SettingsAct(at, primary),
                // the moment is that of the move: a plan that names another each time it is made could never be agreed to
                new PlannedAct(ActKind.Move, at.DataDir, $"to {Kept(at, "DATE-TIME")}, if there is anything in it; it stays there"),
                new PlannedAct(ActKind.Replace, at.DataDir, $"{at.Side}/new takes its place", Destructive: true),
                .. StartActs(at, primary),
            ],
            (timeout, progress, token) => RebuildAsync(at, source, primary, stamp, Deadline.In(timeout, _query.Clock), progress, token));
    }

    private static string Kept(NodePlace at, string stamp) => $"{at.DataDir}.kept-{stamp}";

    // the copy of a copy is named after the first: no base backup takes along a tablespace whose path is longer than 99 characters (tar's limit)
    private static string Beside(string place, string stamp) => $"{Stamp().Replace(place, "")}.dbrecovery-{stamp}";

    [GeneratedRegex(@"(\.dbrecovery-\d{8}-\d{6})+$", RegexOptions.CultureInvariant)]
    private static partial Regex Stamp();

    private static string CopyText(NodePlace at, NodeDefinition source) =>
        LibpqText.Of(ServerLogin.Of(at.Cluster, source), at.Cluster.Auth?.Replication?.User, CopyName);

    private async Task<OperationOutcome> RebuildAsync(
        NodePlace at, NodeDefinition source, NodeDefinition primary, string stamp, Deadline deadline, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var (present, folder) = await LookAsync(at, primary, cancellationToken).ConfigureAwait(false);
        var archived = folder is { Exists: true, Barred: false, Control: not null }
            ? await ArchivePendingAsync(at, folder, copy: false, deadline.Left, cancellationToken).ConfigureAwait(false) : "";
        // a copy that was complete when its maker ended is not made again
        if (folder.CopyOf != present.Timeline)
            await CopyAsync(at, folder, source, primary, present, stamp, deadline, progress, cancellationToken).ConfigureAwait(false);
        // the copy may have taken hours
        if (folder.HasData)
            await RequireStoppedAsync(at, cancellationToken).ConfigureAwait(false);
        var kept = (await _shell.RunAsync(at, "putting the new folder into place", Swap, [Kept(at, stamp)], deadline.Left, cancellationToken).ConfigureAwait(false)).Trim();
        await StartAsync(at, primary, deadline, progress, cancellationToken).ConfigureAwait(false);
        return new OperationOutcome(
            $"'{at.Node.Name}' was copied from '{source.Name}' and follows '{primary.Name}'.{(kept.Length > 0 ? $" Its old data folder is kept as '{kept}'." : "")}{archived}",
            new Dictionary<string, FactValue> { ["keptPath"] = kept });
    }

    private async Task CopyAsync(
        NodePlace at, DataFolder folder, NodeDefinition source, NodeDefinition primary, PresentPrimary present, string stamp, Deadline deadline, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var from = await CopySource.ReadAsync(_query, at.Cluster, source, cancellationToken).ConfigureAwait(false);
        if (from.SystemId != present.SystemId)
            throw new DbRecoveryException(ErrorIds.WrongNode, ErrorKind.Refused, $"'{source.Name}' is of another cluster (system id {from.SystemId}) than '{primary.Name}' ({present.SystemId})", "Correct the inventory.", source.Name);
        // without a folder of its own, a server that is started by its folder alone needs what comes with the copy
        if (folder is { OwnConfiguration: false, ConfigFile: null } && !from.ConfigurationWithin && at.Cluster.Control?.Kind == ControlKind.PgCtl)
        {
            throw new DbRecoveryException(ErrorIds.StepFailed, ErrorKind.NotSupported, $"'{at.Node.Name}' would have no configuration: '{source.Name}' keeps its own outside the data folder",
                $"Put postgresql.conf, pg_hba.conf and pg_ident.conf for it into '{at.DataDir}', or control it through systemd.", at.Node.Name);
        }
        var spaces = from.Tablespaces.Select(s => (Old: s.Place, New: Beside(s.Place, stamp), s.Bytes)).ToList();
        var log = folder.LogFolder is { } place ? Beside(place, stamp) : "";
        await RequireRoomAsync(at, from, [.. spaces.Select(s => (s.New, s.Bytes)), .. log.Length > 0 ? [(log, 0L)] : Array.Empty<(string, long)>()], deadline, cancellationToken).ConfigureAwait(false);
        var slot = source.Name == primary.Name;
        await EnsureUsableSlotAsync(at, primary, deadline, progress, cancellationToken).ConfigureAwait(false);
        var replicator = at.Cluster.Auth?.Replication;
        var password = await PasswordAsync(replicator is null ? at.Cluster.Auth?.Password : replicator.Password, cancellationToken).ConfigureAwait(false);
        await ToldAsync(_shell.RunAsync(at, "the copy by pg_basebackup", Copy,
            [password is null ? "0" : "1", CopyText(at, source), slot ? at.Node.SlotName : "", "", log, .. spaces.SelectMany(s => (string[])[s.Old, s.New])],
            deadline.Left, cancellationToken, password), progress, _ => CopiedAsync(at, source, cancellationToken)).ConfigureAwait(false);
        await AdoptAsync(at, folder, from, primary, present, deadline, cancellationToken).ConfigureAwait(false);
    }

    // the server that is copied knows how far it is until it has sent all; that it cannot be asked does not matter to the copy
    private async Task<OperationProgress?> CopiedAsync(NodePlace at, NodeDefinition source, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(TellEvery, _query.Clock);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            var rows = await _query.RowsAsync(ServerLogin.Of(at.Cluster, source), "looking how far the copy is",
                "SELECT p.backup_streamed, p.backup_total FROM pg_stat_progress_basebackup AS p JOIN pg_stat_activity AS a USING (pid) WHERE a.application_name = $1 ORDER BY a.backend_start DESC LIMIT 1",
                linked.Token, CopyName).ConfigureAwait(false);
            return rows is [var row] ? new OperationProgress($"Copying to {at.Node.Name}", $"from {source.Name}", row[0] as long? ?? 0, row[1] as long?) : null;
        }
        catch (Exception e) when (e is DbRecoveryException or OperationCanceledException)
        {
            return null;
        }
    }

    private async Task AdoptAsync(NodePlace at, DataFolder folder, CopySource from, NodeDefinition primary, PresentPrimary present, Deadline deadline, CancellationToken cancellationToken)
    {
        // a folder whose rewind broke off has the primary's configuration, and its own was saved before
        var origin = folder.Barred ? "own" : folder.Exists ? "data" : "none";
        var old = await _shell.RunAsync(at, "reading the configuration", "case $1 in own) f=$S/own;; data) f=$D;; *) f=$S/new;; esac; [ -f \"$f/postgresql.auto.conf\" ] || exit 0; cat \"$f/postgresql.auto.conf\"",
            [origin], deadline.Left, cancellationToken, outputLimit: 1024 * 1024).ConfigureAwait(false);
        // the copy's own text is the source's, which follows somebody else, or nobody
        var settings = await StandbySettingsAsync(at, primary, origin == "none" ? "" : old, cancellationToken).ConfigureAwait(false);
        if (origin == "none" && from.ConfigurationWithin)
        {
            settings.Add(new("port", (at.Node.Port ?? ServerLogin.DefaultPort).ToString(CultureInfo.InvariantCulture)));
            if (ServerLogin.Of(at.Cluster, at.Node).Host is var host && !ListensFor(from.ListenAddresses, host))
                settings.Add(new("listen_addresses", host));
        }
        await _shell.RunAsync(at, "giving the copy its configuration", Adopt,
            [origin, folder.ConfigFile ?? "", present.Timeline.ToString(CultureInfo.InvariantCulture)], deadline.Left, cancellationToken, StandbySettings.Set(old, settings)).ConfigureAwait(false);
    }

    private static bool ListensFor(string addresses, string host) =>
        addresses.Split(',', StringSplitOptions.TrimEntries).Any(a => a is "*" or "0.0.0.0" or "::" || a == host || (a == "localhost" && host is "127.0.0.1" or "::1"));

    private async Task RequireRoomAsync(NodePlace at, CopySource from, IReadOnlyList<(string Place, long Bytes)> others, Deadline deadline, CancellationToken cancellationToken)
    {
        var output = await _shell.RunAsync(at, "looking for room", Room, [.. others.Select(o => o.Place)], deadline.Left, cancellationToken).ConfigureAwait(false);
        var disks = output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split(' ')).Select(w => (Disk: w[0], Free: long.Parse(w[1], CultureInfo.InvariantCulture)))
            .Zip([from.Bytes, .. others.Select(o => o.Bytes)], (d, bytes) => (d.Disk, d.Free, Bytes: bytes));
        foreach (var disk in disks.GroupBy(d => d.Disk))
        {
            var needed = disk.Sum(d => d.Bytes) / 10 * 11 + Margin;
            if (disk.First().Free < needed)
            {
                throw new DbRecoveryException(ErrorIds.OutOfSpace, ErrorKind.OutOfSpace,
                    $"a copy for '{at.Node.Name}' needs {needed >> 20} MiB beside the old data, and {disk.First().Free >> 20} MiB are free", "Free space on its machine; the old data folder is not deleted by itself.", at.Node.Name);
            }
        }
    }
}
