namespace DbRecovery.PostgresLab;

/// <summary>What cluster to start.</summary>
public sealed record PgClusterOptions
{
    /// <summary>The folder of Debian's PostgreSQL 15 programs.</summary>
    public const string DefaultBinDir = "/usr/lib/postgresql/15/bin";

    /// <summary>The cluster's name; its nodes are NAME-1 (the primary), NAME-2 and so on.</summary>
    public string Name { get; init; } = "lab";
    /// <summary>The number of standbys.</summary>
    public int Standbys { get; init; } = 2;
    /// <summary>The folder with initdb and postgres.</summary>
    public string BinDir { get; init; } = DefaultBinDir;
    /// <summary>Logins by password (SCRAM-SHA-256) rather than by trust.</summary>
    public bool Scram { get; init; }
    /// <summary>Data checksums.</summary>
    public bool Checksums { get; init; } = true;
    /// <summary>wal_log_hints.</summary>
    public bool WalLogHints { get; init; }
    /// <summary>How many standbys a commit waits for: <c>ANY n (...)</c>. 0: none.</summary>
    public int Synchronous { get; init; }
    /// <summary>Whether each standby has a slot, named after it with underscores.</summary>
    public bool Slots { get; init; } = true;
    /// <summary>The last standby follows the first one instead of the primary.</summary>
    public bool Cascading { get; init; }
    /// <summary>Data of its own from initdb, with another system id than all other clusters of this process.</summary>
    public bool FreshSystemId { get; init; }
    /// <summary>Whether fsync is on. No fault of a lab needs it, so that it costs time only; figures need it.</summary>
    public bool Fsync { get; init; }
    /// <summary>The inventory gives the ports of relays (<see cref="PgNode.Relay"/>) in the place of the servers' own.</summary>
    public bool Relays { get; init; }
    /// <summary>Each standby reaches its upstream through a relay of its own (<see cref="PgNode.UpstreamRelay"/>).</summary>
    public bool UpstreamRelays { get; init; }
    /// <summary>Further settings of every node, as in postgresql.conf.</summary>
    public IReadOnlyDictionary<string, string> Settings { get; init; } = new Dictionary<string, string>();
}
