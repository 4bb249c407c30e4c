using System.Globalization;
using DbRecovery.PostgreSql.Connections;
using DbRecovery.PostgreSql.Replication;

namespace DbRecovery.PostgreSql.Replicas;

// Following again in the old data folder: as it is, or after a rewind.
internal sealed partial class ReplicaBuilder
{
    // what is in a data folder and not PostgreSQL's own: configuration, keys, logs
    private const string Own = """
        own() { case $1 in pg_hba.conf|pg_ident.conf|pg_log) return 0;; base|global|PG_VERSION|pg_*|backup_label*|tablespace_map*|backup_manifest*|*.signal|postmaster.*|current_logfiles*|lost+found|postgresql.auto.conf.*|.s.PGSQL.*) return 1;; esac; }
        flush() { sync -f "$1" 2>/dev/null || sync; }
        # $1 a folder, $2 a configuration file elsewhere; one elsewhere that is not known yet is the server's to judge when it starts
        accepted() {
          [ -n "$2" ] || [ -e "$1/postgresql.conf" ] || return 0
          c=$("$B/postgres" -C primary_conninfo -D "$1" ${2:+-c "config_file=$2" -c "data_directory=$1"}) || fail "the server does not accept its configuration"
          [ -n "$c" ] || fail "primary_conninfo is not set"
        }

        """;

    // copies only, except for logs, so that whoever starts it now finds everything
    private const string Bar = Own + """
        umask 077; mkdir -p "$S/own" || fail "'$S' cannot be made: the folder above must be writable"
        for p in "$D"/* "$D"/.[!.]*; do e=${p##*/}; [ -e "$p" ] && own "$e" || continue
          case $e in log|pg_log) [ -e "$S/own/$e" ] || mv "$p" "$S/own/$e" || exit 1;; *) rm -rf "$S/own/$e"; cp -a "$p" "$S/own/$e" || exit 1;; esac
        done
        rm -f "$S/rewound"; flush "$S"; chmod o+x "$D" && flush "$D"
        """;

    // $1 whether a password comes in, $2 the source, $3 a configuration file elsewhere, $4 the timeline to note, or empty for a dry run
    private const string Run = """
        need pg_rewind; [ "$1" = 1 ] && secret
        set -- "$2" "$3" "$4" --no-ensure-shutdown
        r=$("$B/postgres" -C restore_command -D "$D" ${2:+-c "config_file=$2"} 2>/dev/null)
        if [ -n "$r" ] && [ -z "$2" ]; then set -- "$@" --restore-target-wal
        elif [ -n "$r" ] && "$B/pg_rewind" --help | grep -q config-file; then set -- "$@" --restore-target-wal --config-file="$2"; fi
        s=$1; t=$3; shift 3
        if [ -z "$t" ]; then exec "$B/pg_rewind" -D "$D" --source-server="$s" --dry-run "$@"; fi
        "$B/pg_rewind" -D "$D" --source-server="$s" "$@" && sync && echo "$t" > "$S/rewound"
        """;

    // $1 a history file's name, or empty, $2 its content, $3 a configuration file elsewhere; the input is postgresql.auto.conf
    private const string Settle = Own + """
        umask 077; need postgres
        if [ -f "$S/rewound" ]; then for p in "$S"/own/* "$S"/own/.[!.]*; do [ -e "$p" ] || continue; rm -rf "$D/${p##*/}"; mv "$p" "$D/${p##*/}" || exit 1; done; fi
        cat > "$D/postgresql.auto.conf.tmp" && mv -f "$D/postgresql.auto.conf.tmp" "$D/postgresql.auto.conf" || exit 1
        if [ -n "$1" ] && [ ! -e "$D/pg_wal/$1" ]; then printf '%s' "$2" > "$D/pg_wal/$1" || exit 1; fi
        : > "$D/standby.signal"; rm -f "$D/recovery.signal"
        [ -f "$D/standby.signal" ] || fail "standby.signal is not there"
        accepted "$D" "$3"
        flush "$D"; chmod o-x "$D" && rm -rf "$S/own" "$S/rewound"; rmdir "$S" 2>/dev/null; :
        """;

    /// <inheritdoc/>
    public NodeOperation StartAsReplica(ClusterDefinition cluster, NodeDefinition node, NodeDefinition primary)
    {
        var at = NodePlace.Of(cluster, node);
        return new NodeOperation(
            [ArchiveAct(at), SettingsAct(at, primary), .. replication.EnsureSlots(cluster, primary, [node]).Acts, .. StartActs(at, primary)],
            async (timeout, progress, token) =>
            {
                var deadline = Deadline.In(timeout, _query.Clock);
                var found = await CompareAsync(at, primary, token).ConfigureAwait(false);
                if (found.Assessment.Diverged)
                    throw new DbRecoveryException(ErrorIds.StepFailed, ErrorKind.Refused, $"'{node.Name}' has writes that '{primary.Name}' lacks: it cannot follow as it is", "Rewind it, or rebuild it.", node.Name);
                var archived = await ArchivePendingAsync(at, found.Folder, copy: true, deadline.Left, token).ConfigureAwait(false);
                await SettleAsync(at, found, primary, deadline.Left, token).ConfigureAwait(false);
                await StartAsync(at, primary, deadline, progress, token).ConfigureAwait(false);
                await DropOldSlotsAsync(at, token).ConfigureAwait(false);
                return new OperationOutcome($"'{node.Name}' follows '{primary.Name}' as it was; nothing had to be undone.{archived}");
            });
    }

    /// <inheritdoc/>
    public NodeOperation Rewind(ClusterDefinition cluster, NodeDefinition node, NodeDefinition primary)
    {
        var at = NodePlace.Of(cluster, node);
        var command = $"{at.BinDir}/pg_rewind -D {at.DataDir} --source-server=\"{SourceText(cluster, primary)}\" --no-ensure-shutdown";
        return new NodeOperation(
            [
                new PlannedAct(ActKind.Command, node.Name, $"only if it was not stopped cleanly: {RecoveryCommand(at)}"),
                ArchiveAct(at),
                .. replication.AfterPromotion(cluster, primary).Acts.Select(a => a with { Detail = $"only if its control file still has the old timeline: {a.Detail}" }),
                .. replication.EnsureSlots(cluster, primary, [node]).Acts,
                new PlannedAct(ActKind.Command, node.Name, $"{command} --dry-run"),
                new PlannedAct(ActKind.Modify, at.DataDir, $"copy its configuration to {at.Side}, and chmod o+x: no server starts on it until the rewind has ended well"),
                new PlannedAct(ActKind.Command, node.Name, command, Destructive: true),
                SettingsAct(at, primary),
                .. StartActs(at, primary),
            ],
            (timeout, progress, token) => RewindAsync(at, primary, Deadline.In(timeout, _query.Clock), progress, token));
    }

    private async Task<OperationOutcome> RewindAsync(NodePlace at, NodeDefinition primary, Deadline deadline, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var found = await CompareAsync(at, primary, cancellationToken).ConfigureAwait(false);
        if (found.Assessment is not { Diverged: true, NotRewindableBecause: null })
        {
            throw new DbRecoveryException(ErrorIds.StepFailed, ErrorKind.Refused,
                $"'{at.Node.Name}' cannot be rewound: {found.Assessment.NotRewindableBecause ?? "it has nothing that the primary lacks"}", target: at.Node.Name);
        }
        var archived = "";
        if (found.Folder.RewoundTo is null)
        {
            if (found.NeedsRecovery)
                await RecoverAsync(at, found.Folder, deadline.Left, cancellationToken).ConfigureAwait(false);
            archived = await ArchivePendingAsync(at, found.Folder, copy: true, deadline.Left, cancellationToken).ConfigureAwait(false);
            if (found.Primary.ControlTimeline != found.Primary.Timeline)
                await replication.AfterPromotion(at.Cluster, primary).RunAsync(deadline.Left, progress, cancellationToken).ConfigureAwait(false);
            // from now on the primary keeps the log that the node will ask for
            await EnsureUsableSlotAsync(at, primary, deadline, progress, cancellationToken).ConfigureAwait(false);
            await RewindFilesAsync(at, found, primary, deadline, progress, cancellationToken).ConfigureAwait(false);
        }
        await SettleAsync(at, found, primary, deadline.Left, cancellationToken).ConfigureAwait(false);
        await StartAsync(at, primary, deadline, progress, cancellationToken).ConfigureAwait(false);
        return new OperationOutcome($"'{at.Node.Name}' was rewound to '{primary.Name}' and follows it.{archived}");
    }

    private async Task RewindFilesAsync(NodePlace at, Comparison found, NodeDefinition primary, Deadline deadline, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var password = await PasswordAsync(at.Cluster.Auth?.Password, cancellationToken).ConfigureAwait(false);
        // pg_rewind says nothing of it where nobody reads along
        Task<OperationProgress?> Rewinding(TimeSpan since) => Task.FromResult<OperationProgress?>(new OperationProgress($"Rewinding {at.Node.Name}", $"to {primary.Name}", (long)since.TotalSeconds, null, "s"));
        string[] arguments = [password is null ? "0" : "1", SourceText(at.Cluster, primary), found.Folder.ConfigFile ?? ""];
        var tried = await ToldAsync(_shell.TryAsync(at, Run, [.. arguments, ""], deadline.Left, cancellationToken, password), progress, Rewinding).ConfigureAwait(false);
        if (tried.ExitCode != 0 || (tried.Output + tried.Error).Contains("no rewind required", StringComparison.Ordinal))
            throw new DbRecoveryException(ErrorIds.StepFailed, ErrorKind.Failed, $"'{at.Node.Name}' cannot be rewound, and was not changed: {NodeShell.LastWords(tried)}", "Rebuild it.", at.Node.Name);
        await _shell.RunAsync(at, "saving the configuration", Bar, [], deadline.Left, cancellationToken).ConfigureAwait(false);
        var done = await ToldAsync(_shell.TryAsync(at, Run, [.. arguments, found.Primary.Timeline.ToString(CultureInfo.InvariantCulture)], deadline.Left, cancellationToken, password), progress, Rewinding).ConfigureAwait(false);
        if (done.ExitCode != 0)
        {
            throw new DbRecoveryException(ErrorIds.StepFailed, ErrorKind.Failed,
                $"the rewind of '{at.Node.Name}' broke off: {NodeShell.LastWords(done)}. Its folder is in an unknown state, and its mode keeps every server from starting on it", "Rebuild it.", at.Node.Name);
        }
    }

    private static string SourceText(ClusterDefinition cluster, NodeDefinition primary)
    {
        var login = ServerLogin.Of(cluster, primary);
        return LibpqText.Of(login, null, PostgreSqlConnections.ApplicationName, login.Database);
    }

    private async Task<string?> PasswordAsync(SecretReference? reference, CancellationToken cancellationToken)
    {
        if (reference is null)
            return null;
        var password = (await secrets.ResolveAsync(reference, cancellationToken).ConfigureAwait(false)).Reveal();
        return password.Contains('\n', StringComparison.Ordinal)
            ? throw new DbRecoveryException(ErrorIds.SecretUnavailable, ErrorKind.InvalidInput, $"the password '{reference.Name}' has a line break, which PostgreSQL's programs cannot be given")
            : password + "\n";
    }

    private static PlannedAct SettingsAct(NodePlace at, NodeDefinition primary) => new(ActKind.Modify, at.DataDir,
        $"its own postgresql.conf, postgresql.auto.conf, pg_hba.conf and pg_ident.conf; standby.signal; primary_conninfo to {primary.Address}, primary_slot_name = '{at.Node.SlotName}'");
}
