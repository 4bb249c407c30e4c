using System.Text.Json.Serialization;

namespace DbRecovery;

/// <summary>One cluster of the inventory: its nodes and the policy by which it is kept. A single database is a cluster of one node.</summary>
public sealed record ClusterDefinition
{
    /// <summary>The cluster's name, unique in the inventory.</summary>
    public required string Name { get; init; }
    /// <summary>The engine's id, such as <c>sqlite</c> or <c>postgresql</c>.</summary>
    public required string Engine { get; init; }
    /// <summary>The nodes, at least one.</summary>
    public required IReadOnlyList<NodeDefinition> Nodes { get; init; }
    /// <summary>How to log in; null for an engine without users.</summary>
    public AuthSettings? Auth { get; init; }
    /// <summary>What DbRecovery may do by itself.</summary>
    public PolicySettings Policy { get; init; } = new();
    /// <summary>What the data must look like.</summary>
    public ExpectationSettings Expects { get; init; } = new();
    /// <summary>Where and how often it is backed up; null where nothing is configured.</summary>
    public BackupSettings? Backups { get; init; }
    /// <summary>How its instances are started, stopped and fenced; null where the inventory gives no way.</summary>
    public ControlSettings? Control { get; init; }
    /// <summary>The ways by which applications reach the primary.</summary>
    public IReadOnlyList<RouteDefinition> Routes { get; init; } = [];
    /// <summary>The cluster manager that owns the cluster; null: DbRecovery does.</summary>
    public ClusterManager? ManagedBy { get; init; }
    /// <summary>Checks of the user's own.</summary>
    public IReadOnlyList<CustomCheck> Checks { get; init; } = [];
    /// <summary>The inventory file that it came from; null for a target given on the command line.</summary>
    public string? InventoryPath { get; init; }

    /// <summary>The node of that name.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.NodeNotFound"/>.</exception>
    public NodeDefinition Node(string name) =>
        Nodes.FirstOrDefault(n => n.Name == name)
        ?? throw new DbRecoveryException(ErrorIds.NodeNotFound, ErrorKind.NotFound, $"cluster '{Name}' has no node '{name}'",
            $"Its nodes are: {string.Join(", ", Nodes.Select(n => n.Name))}.", name);
}

/// <summary>One instance of a database: a server's address, or a file.</summary>
public sealed record NodeDefinition
{
    /// <summary>The node's name, unique in its cluster.</summary>
    public required string Name { get; init; }
    /// <summary>The host name or address of a server.</summary>
    public string? Host { get; init; }
    /// <summary>The port of a server.</summary>
    public int? Port { get; init; }
    /// <summary>The absolute path of an embedded database's file.</summary>
    public string? Path { get; init; }
    /// <summary>A higher number is preferred as a failover candidate, all else being equal.</summary>
    public int Priority { get; init; } = 100;
    /// <summary>The failure zone.</summary>
    public string? Zone { get; init; }
    /// <summary>Whether it may become primary.</summary>
    public bool Candidate { get; init; } = true;
    /// <summary>The node that a cascading replica follows; null: whoever is primary.</summary>
    public string? Upstream { get; init; }
    /// <summary>The absolute path of the data folder, on the node's own machine.</summary>
    public string? DataDir { get; init; }
    /// <summary>The absolute path of the folder with the server's programs, on the node's own machine.</summary>
    public string? BinDir { get; init; }
    /// <summary>The operating system's user that the server runs as.</summary>
    public string? RunAs { get; init; }

    /// <summary>The address as people write it: the path, or host:port, with [] around an IPv6 address.</summary>
    [JsonIgnore]
    public string Address => Path ?? (Port is { } port ? new Endpoint(Host ?? Name, port).ToString() : Host ?? Name);

    /// <summary>The name of its replication slot where it follows another node: its own, in the letters that a slot may have (lower case, digits, underscore).</summary>
    [JsonIgnore]
    public string SlotName => new([.. Name.ToLowerInvariant().Select(c => char.IsAsciiLetterOrDigit(c) ? c : '_').Take(LongestSlotName)]);

    // PostgreSQL's NAMEDATALEN - 1
    private const int LongestSlotName = 63;
}

/// <summary>How to log in to a cluster's nodes.</summary>
public sealed record AuthSettings
{
    /// <summary>The user name.</summary>
    public string? User { get; init; }
    /// <summary>Where the password is kept.</summary>
    public SecretReference? Password { get; init; }
    /// <summary>How the connection is protected.</summary>
    public TlsMode Tls { get; init; } = TlsMode.Prefer;
    /// <summary>The absolute path of the certificates that are trusted, as PEM; null: those of the system.</summary>
    public string? RootCertificate { get; init; }
    /// <summary>The database to connect to; null: the engine's own, such as <c>postgres</c>.</summary>
    public string? Database { get; init; }
    /// <summary>How replicas log in to their upstream; null: as DbRecovery itself does.</summary>
    public ReplicationLogin? Replication { get; init; }
}

/// <summary>How a connection is protected; the words are libpq's.</summary>
public enum TlsMode
{
    /// <summary>Never TLS.</summary>
    Disable,
    /// <summary>TLS where the server has it.</summary>
    Prefer,
    /// <summary>TLS, whatever the certificate.</summary>
    Require,
    /// <summary>TLS with a certificate that a trusted authority signed.</summary>
    VerifyCa,
    /// <summary>The same, and the certificate names the host.</summary>
    VerifyFull,
}

/// <summary>How replicas log in to their upstream.</summary>
/// <param name="User">The user name.</param>
/// <param name="Password">Where the password is kept; null: the replicas' own passfile has it, or none is needed.</param>
public sealed record ReplicationLogin(string User, SecretReference? Password);

/// <summary>What DbRecovery may do by itself.</summary>
public sealed record PolicySettings
{
    /// <summary>Whether a runbook may run without a person asking for it (watch mode).</summary>
    public bool AutoRecover { get; init; }
    /// <summary>Committed data, in bytes, that a recovery may lose without an approval.</summary>
    public long MaxDataLossBytes { get; init; }
    /// <summary>The time after a recovery in which the same fault class does not start another; null: the runbook's own.</summary>
    public TimeSpan? Cooldown { get; init; }
    /// <summary>Whether a server whose process is gone is first started again where it was, when its data is whole.</summary>
    public bool RestartInPlace { get; init; } = true;
    /// <summary>
    /// The time, from the first look that is not answered, in which a node that does not answer must be called down; a refused or broken connection is
    /// known at once. A look is begun every <see cref="Poll"/>: what hangs right after one was answered is called down up to that much later.
    /// </summary>
    public TimeSpan DetectWithin { get; init; } = TimeSpan.FromSeconds(2);
    /// <summary>The time between two rounds of the watch; what happens in between is told by the open connections.</summary>
    public TimeSpan Poll { get; init; } = TimeSpan.FromSeconds(1);
    /// <summary>Rounds that must agree on an outage before anything is done.</summary>
    public int Confirmations { get; init; } = 2;
    /// <summary>Replicas that must have a transaction before it is acknowledged; 0: replication is asynchronous.</summary>
    public int Synchronous { get; init; }
    /// <summary>Bytes that a candidate may be behind the furthest replica; null: any, the loss alone decides.</summary>
    public long? MaxLagBytes { get; init; }
}

/// <summary>What the data must look like, whatever the engine says of itself.</summary>
public sealed record ExpectationSettings
{
    /// <summary>Tables that must exist, by name (<c>schema.table</c> where the engine has schemas).</summary>
    public IReadOnlyDictionary<string, TableExpectation> Tables { get; init; } = new Dictionary<string, TableExpectation>();
    /// <summary>The longest time that a light read may take; null: judged against the baseline only.</summary>
    public TimeSpan? MaxLatency { get; init; }
    /// <summary>Free space, in bytes, that the disk must have; null: a share of the database's size.</summary>
    public long? MinFreeBytes { get; init; }
}

/// <summary>What a table must look like.</summary>
/// <param name="MinRows">The least number of rows.</param>
public sealed record TableExpectation(long MinRows = 0);

/// <summary>Where and how often a cluster is backed up.</summary>
public sealed record BackupSettings
{
    /// <summary>The repository's name in the inventory.</summary>
    public required string Repository { get; init; }
    /// <summary>The age of the newest backup past which <c>backup.stale</c> is a fault.</summary>
    public TimeSpan MaxAge { get; init; } = TimeSpan.FromDays(1);
    /// <summary>The age of the newest proof past which <c>backup.unverified</c> is a fault.</summary>
    public TimeSpan MaxProofAge { get; init; } = TimeSpan.FromDays(7);
    /// <summary>Which backups are kept when old ones are removed; null where that is not said: everything is.</summary>
    public RetentionRule? Keep { get; init; }
    /// <summary>Files that belong to the database, such as its application's configuration: absolute paths that every backup takes along.</summary>
    public IReadOnlyList<string> Files { get; init; } = [];
    /// <summary>The interval of continuous protection; null: the shell's default.</summary>
    public TimeSpan? Every { get; init; }
}

/// <summary>A check of the user's own: a query that gives one value, and the bound that it must keep.</summary>
public sealed record CustomCheck
{
    /// <summary>The check's name.</summary>
    public required string Name { get; init; }
    /// <summary>The query; its first column of its first row is the value.</summary>
    public required string Query { get; init; }
    /// <summary>The fault id that is raised when the bound is broken; starts with <c>custom.</c>.</summary>
    public required string Fault { get; init; }
    /// <summary>The severity of that fault.</summary>
    public FaultSeverity Severity { get; init; } = FaultSeverity.Degraded;
    /// <summary>The value must be at least this.</summary>
    public double? AtLeast { get; init; }
    /// <summary>The value must be at most this.</summary>
    public double? AtMost { get; init; }
    /// <summary>The value, as text, must be this.</summary>
    public string? Is { get; init; }
    /// <summary>The longest time that the query may take.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(5);
}

/// <summary>A place for backups, from the inventory.</summary>
public sealed record RepositoryDefinition
{
    /// <summary>The repository's name.</summary>
    public required string Name { get; init; }
    /// <summary>The absolute path of a directory.</summary>
    public required string Path { get; init; }
    /// <summary>How its content is encrypted; null for a repository in the clear. One that is asked to be encrypted and is not is refused.</summary>
    public RepositoryEncryption? Encryption { get; init; }
}

/// <summary>What opens an encrypted repository: a passphrase or a key file.</summary>
/// <param name="Passphrase">Where the passphrase is kept.</param>
/// <param name="KeyFile">The absolute path of a key file.</param>
public sealed record RepositoryEncryption(SecretReference? Passphrase, string? KeyFile);

/// <summary>A way to reach people, from the inventory: a webhook or a command.</summary>
public sealed record NotificationChannel
{
    /// <summary>The channel's name.</summary>
    public required string Name { get; init; }
    /// <summary>The address to which the message is posted as JSON.</summary>
    public Uri? Webhook { get; init; }
    /// <summary>Headers of the webhook's request; their values are secrets.</summary>
    public IReadOnlyDictionary<string, SecretReference> Headers { get; init; } = new Dictionary<string, SecretReference>();
    /// <summary>A program and its arguments; the message is its standard input as JSON.</summary>
    public IReadOnlyList<string> Command { get; init; } = [];
}
