using System.Globalization;

namespace DbRecovery.PostgreSql.Replicas;

/// <summary>What a look at a stopped instance's data folder, and at what lies beside it, gave.</summary>
internal sealed record DataFolder
{
    /// <summary>Whether there is anything in it.</summary>
    public required bool Exists { get; init; }
    /// <summary>Whether any of it is a database's: a folder with a configuration alone waits for its first copy.</summary>
    public bool HasData { get; init; }
    /// <summary>Whether its mode keeps every server from starting on it: a rewind began and did not end.</summary>
    public bool Barred { get; init; }
    /// <summary>The timeline of the primary to which a rewind came to its end, where only what follows it is missing.</summary>
    public int? RewoundTo { get; init; }
    /// <summary>The timeline of a complete copy that lies beside it, ready to take its place; null where there is none.</summary>
    public int? CopyOf { get; init; }
    /// <summary>Whether it is a standby's.</summary>
    public bool StandbySignal { get; init; }
    /// <summary>Whether its configuration is in it.</summary>
    public bool OwnConfiguration { get; init; }
    /// <summary>Whether a backup's label is in it: a copy that was never started.</summary>
    public bool BackupLabel { get; init; }
    /// <summary>Where its log really is, if elsewhere.</summary>
    public string? LogFolder { get; init; }
    /// <summary>Its tablespaces: oid and place.</summary>
    public IReadOnlyDictionary<string, string> Tablespaces { get; init; } = new Dictionary<string, string>();
    /// <summary>The configuration file that it was last started with, if named on its command line.</summary>
    public string? ConfigFile { get; init; }
    /// <summary>Whether the program that rewinds is there.</summary>
    public bool CanRunRewind { get; init; }
    /// <summary>Its control data; null where they cannot be read.</summary>
    public ControlData? Control { get; init; }
    /// <summary>Why they cannot.</summary>
    public string? Unreadable { get; init; }

    /// <summary>A server of this user does not start on a folder that others may enter: so nobody starts a half rewound one, not even by hand.</summary>
    private const int OthersMayEnter = 1;

    private const string Script = """
        [ -f "$S/new.ready" ] && echo "copy $(cat "$S/new.ready")"
        [ -d "$D" ] && [ -n "$(ls -A "$D")" ] || { echo absent; exit 0; }
        stat -c 'mode %a' "$D"
        [ -f "$S/rewound" ] && echo "rewound $(cat "$S/rewound")"
        for f in standby.signal postgresql.conf backup_label PG_VERSION global base; do [ -e "$D/$f" ] && echo "has $f"; done
        [ -L "$D/pg_wal" ] && echo "wal $(readlink -f "$D/pg_wal")"
        for l in "$D"/pg_tblspc/*; do [ -L "$l" ] && echo "space ${l##*/} $(readlink "$l")"; done
        [ -f "$D/postmaster.opts" ] && echo "opts $(head -n 1 "$D/postmaster.opts")"
        [ -x "$B/pg_rewind" ] && echo rewind
        need pg_controldata
        echo --
        "$B/pg_controldata" -D "$D"
        """;

    internal static async Task<DataFolder> LookAsync(NodeShell shell, NodePlace at, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var outcome = await shell.TryAsync(at, Script, [], timeout, cancellationToken).ConfigureAwait(false);
        var parts = outcome.Output.Split("--\n", 2);
        var seen = parts[0].Split('\n', StringSplitOptions.RemoveEmptyEntries).ToLookup(l => l.Split(' ', 2)[0], l => l.Contains(' ') ? l[(l.IndexOf(' ') + 1)..] : "", StringComparer.Ordinal);
        var copy = Number(seen["copy"]);
        if (seen.Contains("absent"))
            return new DataFolder { Exists = false, CopyOf = copy };
        if (!seen.Contains("mode"))
            throw new DbRecoveryException(ErrorIds.AccessDenied, ErrorKind.PermissionDenied, $"the data folder '{at.DataDir}' of '{at.Node.Name}' cannot be looked at: {NodeShell.LastWords(outcome)}", target: at.Node.Name);
        var hasData = seen["has"].Any(f => f is "PG_VERSION" or "global" or "base");
        var readable = parts.Length == 2 && outcome.ExitCode == 0;
        return new DataFolder
        {
            Exists = true,
            CopyOf = copy,
            HasData = hasData,
            Barred = hasData && (Convert.ToInt32(seen["mode"].First(), 8) & OthersMayEnter) != 0,
            RewoundTo = Number(seen["rewound"]),
            StandbySignal = seen["has"].Contains("standby.signal"),
            OwnConfiguration = seen["has"].Contains("postgresql.conf"),
            BackupLabel = seen["has"].Contains("backup_label"),
            LogFolder = seen["wal"].FirstOrDefault(),
            Tablespaces = seen["space"].Select(s => s.Split(' ', 2)).ToDictionary(s => s[0], s => s[1], StringComparer.Ordinal),
            CanRunRewind = seen.Contains("rewind"),
            ConfigFile = ConfigFileOf(seen["opts"].FirstOrDefault()),
            Control = readable ? ControlData.Parse(parts[1], at.DataDir) : null,
            Unreadable = readable ? null : NodeShell.LastWords(outcome),
        };
    }

    private static int? Number(IEnumerable<string> words) => int.TryParse(words.FirstOrDefault(), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;

    // the server writes its command line with every argument in quotes
    private static string? ConfigFileOf(string? commandLine)
    {
        foreach (var word in (commandLine ?? "").Split('"'))
        {
            foreach (var prefix in (string[])["config_file=", "--config_file=", "--config-file="])
            {
                if (word.StartsWith(prefix, StringComparison.Ordinal))
                    return word[prefix.Length..];
            }
        }
        return null;
    }
}
