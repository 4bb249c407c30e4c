namespace DbRecovery.PostgreSql.Control;

/// <summary>
/// What is run on a node's machine: constants for any POSIX shell on Linux, one trip each. Paths are their arguments, what differs from run
/// to run is their input. A server's processes are known by their working folder, which is the data folder for each of them
/// (postmaster.c, ChangeToDataDir): a recycled process id is none, a zombie has no folder any more, and a stopped process has. The program's name
/// ends with <c>postgres</c>, as <c>edb-postgres</c> does, too.
/// </summary>
internal static class ServerScripts
{
    /// <summary>The file in a data folder while which is there the server is not started.</summary>
    internal const string HoldFile = "dbrecovery.fenced";

    /// <summary>The server is held down.</summary>
    internal const int Held = 91;
    /// <summary>The server ended while it was started.</summary>
    internal const int Ended = 92;
    /// <summary>The time was over.</summary>
    internal const int TimeOver = 93;
    /// <summary>The folder, its processes or its owner are not what is needed to tell anything.</summary>
    internal const int CannotTell = 94;
    /// <summary>The server was to be started as a replica, and would be a primary.</summary>
    internal const int NoReplica = 95;

    // $D the data folder, $P the server's processes, $M its main process, $S that one's state, $F what its pid file says
    private const string Prelude = """
        LC_ALL=C; export LC_ALL
        D=$1
        [ -e "$D/PG_VERSION" ] || { echo "there is no database in '$D', or $(id -un) may not look into it" >&2; exit 94; }
        [ -r /proc/self/stat ] || { echo "/proc is not there: processes cannot be told" >&2; exit 94; }
        [ -O "$D" ] || [ "$(id -u)" = 0 ] || { echo "$(id -un) is not the owner of '$D' and cannot see its processes" >&2; exit 94; }
        look() {
          P= M= S= F=
          { read -r F < "$D/postmaster.pid"; } 2>/dev/null
          for d in /proc/[0-9]*; do
            [ "$d/cwd" -ef "$D" ] || continue
            line=
            { read -r line < "$d/stat"; } 2>/dev/null
            case $line in *"postgres) "*|*"(postmaster) "*) ;; *) continue ;; esac
            line=${line##*) }
            case $line in [ZX]*) continue ;; esac
            P="$P ${d#/proc/}"
            [ "${d#/proc/}" = "$F" ] && M=$F S=${line%% *}
          done
        }
        now() { read -r U rest < /proc/uptime; U=${U%.*}; }
        limit() { read -r L; now; L=$((U + L)); }
        over() { echo "its state is '$(sed -n 8p "$D/postmaster.pid" 2>/dev/null)', its processes are:$P" >&2; exit 93; }
        pause() { now; [ "$U" -lt "$L" ] || over; sleep 0.01 2>/dev/null || sleep 1; }

        """;

    /// <summary>Says whether the server runs: <c>stopped</c>, or <c>running COUNT [PID STATE]</c>.</summary>
    internal const string Look = Prelude + Tell;

    private const string Tell = """
        look
        [ -n "$P" ] || { echo stopped; exit 0; }
        set -- $P
        echo "running $# $M $S"
        """;

    /// <summary>
    /// Starts the server (<c>$2</c>) and waits until its pid file says that it takes connections: the line that pg_ctl looks at, too, but
    /// ten times less often. One that runs already is waited for. What a killed one left behind ends first: the next one would refuse to
    /// start beside it, and beside a pid file whose number another process of the same user has by now. The guard is looked at until the
    /// end: a fence that is put there meanwhile may have looked while there was nothing to be seen yet. <c>$3</c>: <c>let-go</c> or <c>as-replica</c>.
    /// </summary>
    internal const string Start = Prelude + """
        W=${3:-}
        [ "$W" != let-go ] || rm -f "$D/dbrecovery.fenced" || exit 1

        """ + Guard + "\n" + """
        ready() {
          i=0
          while read -r l; do
            i=$((i + 1))
            [ $i != 1 ] || [ "$l" = "$M" ] || return 1
            [ $i != 8 ] || case $l in ready*|standby*) return 0 ;; *) return 1 ;; esac
          done 2>/dev/null < "$D/postmaster.pid"
          return 1
        }
        ended() {
          [ -n "$N" ] && tail -c "+$((N + 1))" "$O" | tail -n 20 >&2
          c=$(sed -n 's/^stderr //p' "$D/current_logfiles" 2>/dev/null)
          case $c in '') ;; /*) tail -n 10 "$c" >&2 ;; *) tail -n 10 "$D/$c" >&2 ;; esac
          exit 92
        }
        limit
        look
        while [ -n "$P" ] && [ -z "$M" ]; do pause; look; done
        N=
        if [ -z "$P" ]; then
          if [ -n "$F" ] && [ -e "/proc/$F" ]; then
            # the lock of its socket has the same number, and is this server's where it names this folder
            s=$(sed -n 5p "$D/postmaster.pid")/.s.PGSQL.$(sed -n 4p "$D/postmaster.pid").lock
            [ "$(sed -n 1p "$s" 2>/dev/null)" != "$F" ] || [ ! "$(sed -n 2p "$s")" -ef "$D" ] || rm -f "$s"
            rm -f "$D/postmaster.pid"
          fi
          O=$D/log/dbrecovery-server.log
          mkdir -p "$D/log" && touch "$O" || exit 92
          N=$(wc -c < "$O")
          cd "$D" || exit 92
          # the server's receiver would take PGPASSWORD of whoever starts it before its password file
          for v in $(env | sed -n 's/^\(PG[A-Z]*\)=.*/\1/p'); do unset "$v"; done
          guard
          # a child of nobody here: who gives up waiting ends this script with all its children
          M=$(setsid "$2" -D "$D" >> "$O" 2>&1 < /dev/null & echo $!)
        fi
        while ! { ready 2>/dev/null; }; do
          [ ! -e "$D/dbrecovery.fenced" ] || { { kill -KILL "$M"; look; kill -KILL $P; } 2>/dev/null; guard; }
          # in the middle of its exec a process shows nothing of itself for a moment: one that is gone is gone at the second look, too
          [ "/proc/$M/cwd" -ef "$D" ] || { pause; [ "/proc/$M/cwd" -ef "$D" ] || ended; }
          pause
        done
        echo "$M"
        """;

    /// <summary>Ends in order where the guard is not there, and, where <c>$2</c> is <c>as-replica</c>, the server would follow another one.</summary>
    internal const string Guarded = Prelude + "W=${2:-}\n" + Guard;

    private const string Guard = """
        guard() {
          [ ! -e "$D/dbrecovery.fenced" ] || { cat "$D/dbrecovery.fenced" >&2; exit 91; }
          [ "$W" != as-replica ] || [ -e "$D/standby.signal" ] || { echo "there is no standby.signal in '$D'" >&2; exit 95; }
        }
        guard
        """;

    /// <summary>Asks the main process for a fast shutdown and waits until none of the processes is left.</summary>
    internal const string Stop = Prelude + """
        limit
        look
        [ -z "$M" ] || kill -INT "$M"
        while [ -n "$P" ]; do pause; look; done
        """;

    /// <summary>
    /// Kills the main process first, so that it makes no more, then every other: a backend that outlives it for a moment could still commit.
    /// SIGKILL ends a stopped process, too. Says how many there were.
    /// </summary>
    internal const string Kill = Prelude + """
        limit
        look
        set -- $P
        n=$#
        while [ -n "$P" ]; do
          [ -z "$M" ] || kill -KILL "$M" 2>/dev/null
          kill -KILL $P 2>/dev/null
          look
          [ -z "$P" ] || { pause; look; }
        done
        echo "$n"
        """;

    /// <summary>Puts the guard there, whose text is the input, and then says as <see cref="Look"/> does whether the server runs.</summary>
    internal const string Hold = Prelude + """
        cat > "$D/dbrecovery.fenced" || [ -e "$D/dbrecovery.fenced" ] || exit 1
        sync "$D/dbrecovery.fenced" "$D" 2>/dev/null || sync

        """ + Tell;

    /// <summary>Takes the guard away.</summary>
    internal const string LetGo = Prelude + """
        rm -f "$D/dbrecovery.fenced"
        """;

    /// <summary>
    /// Lists what may be removed, as <c>BYTES MODIFIED PATH</c>: logs in the server's log folder (<c>$2</c> is its program, which says where
    /// that is) that nobody writes any more, the newest never, and core files. In a folder that others may log to as well, only what is
    /// named as rotated. The write-ahead log is not looked at.
    /// </summary>
    internal const string Spare = Prelude + """
        look
        R=$(cd "$D" && pwd -P)
        G=$([ -x "$2" ] && "$2" -C log_directory -D "$D" 2>/dev/null)
        : "${G:=log}"
        case $G in /*) ;; *) G=$D/$G ;; esac
        G=$(cd "$G" 2>/dev/null && pwd -P)
        case $G in
          "$R"/pg_log) W='*.log' ;;
          "$R"|"$R"/base*|"$R"/global*|"$R"/pg_*) G= ;;
          "$R"/*) W='*.log' ;;
          *) W='*.log.[0-9]*' ;;
        esac
        newest=$(ls -t "$G" 2>/dev/null | head -n 1)
        busy() {
          case ${1##*/} in "$newest"|dbrecovery-server.log) return 0 ;; esac
          while read -r kind current; do
            case $current in /*) ;; *) current=$D/$current ;; esac
            [ "$current" -ef "$1" ] && return 0
          done 2>/dev/null < "$D/current_logfiles"
          for p in $P; do
            for f in /proc/$p/fd/1 /proc/$p/fd/2; do [ "$f" -ef "$1" ] && return 0; done
          done
          return 1
        }
        {
          [ -z "$G" ] || find "$G" -maxdepth 1 -type f -mmin +10 \( -name "$W" -o -name "${W%.log*}.csv${W#'*.log'}" -o -name "${W%.log*}.json${W#'*.log'}" -o -name '*.gz' \)
          find "$R" -maxdepth 1 -type f -mmin +10 \( -name core -o -name 'core.[0-9]*' \)
        } 2>/dev/null | head -n 500 | while IFS= read -r file; do
          busy "$file" || find "$file" -maxdepth 0 -type f -printf '%s %T@ %p\n'
        done
        """;

    /// <summary>Removes files (from <c>$2</c>) that nobody has written for ten minutes still, and says the bytes of each.</summary>
    internal const string Remove = Prelude + """
        shift
        find "$@" -maxdepth 0 -type f -mmin +10 -printf '%s\n' -delete
        """;
}
