namespace DbRecovery.PostgreSql.Replicas;

// What waits for the archive must be there, or be kept, before the folder changes: a standby forgets it, and a rewind removes it.
internal sealed partial class ReplicaBuilder
{
    // $1 a configuration file elsewhere, $2 where to what cannot be archived is copied; %p and %f are put in as the server does
    private const string Archive = """
        need postgres; cd "$D" || exit 1
        get() { "$B/postgres" -C "$1" -D "$D" ${config:+-c "config_file=$config"} 2>/dev/null; }
        config=$1; kept=$2; mode=$(get archive_mode) || mode=on
        [ "$mode" = off ] && exit 0
        command=$(get archive_command); library=$(get archive_library); [ -z "$library" ] || command=
        done=0; copied=0
        for r in pg_wal/archive_status/*.ready; do
          f=${r##*/}; f=${f%.ready}; [ -e "pg_wal/$f" ] || continue
          if [ -n "$command" ]; then
            c=$(C=$command P=pg_wal/$f F=$f awk 'BEGIN { c = ENVIRON["C"]; for (i = 1; i <= length(c); i++) { x = substr(c, i, 1); y = substr(c, i + 1, 1)
              if (x == "%" && y == "p") { o = o ENVIRON["P"]; i++ } else if (x == "%" && y == "f") { o = o ENVIRON["F"]; i++ } else if (x == "%" && y == "%") { o = o "%"; i++ } else o = o x } print o }')
            if timeout 60 sh -c "$c" </dev/null >/dev/null; then mv "$r" "${r%.ready}.done"; done=$((done + 1)); continue; fi
            command=
          fi
          [ -n "$kept" ] || continue
          umask 077; mkdir -p "$kept" && cp -p "pg_wal/$f" "$kept/" || fail "'$f' waits for the archive and can be neither archived nor copied to '$kept'"
          copied=$((copied + 1))
        done
        [ "$copied" = 0 ] || sync
        echo "$done $copied"
        """;

    private static PlannedAct ArchiveAct(NodePlace at) => new(ActKind.Command, at.Node.Name,
        $"for every segment of its log that waits for the archive: its archive_command; what cannot be archived is copied to {Unarchived(at)}");

    private static string Unarchived(NodePlace at) => at.DataDir + ".unarchived";

    /// <summary>Archives what waits; what cannot be archived is copied, where the folder itself does not stay. Gives a sentence about it, or nothing.</summary>
    private async Task<string> ArchivePendingAsync(NodePlace at, DataFolder folder, bool copy, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var output = await _shell.RunAsync(at, "archiving its log", Archive, [folder.ConfigFile ?? "", copy ? Unarchived(at) : ""], timeout, cancellationToken).ConfigureAwait(false);
        return output.Trim().Split(' ') switch
        {
            [var done, "0"] => done == "0" ? "" : $" {done} segments of its log that waited for the archive were archived.",
            [_, var copied] => $" {copied} segments of its log could not be archived and are kept in '{Unarchived(at)}': the archive lacks them.",
            _ => "",
        };
    }
}
