namespace DbRecovery;

/// <summary>The facts that PostgreSQL gives.</summary>
public static class PostgreSqlFacts
{
    /// <summary>Why no session was had: refused, timeout, unreachable, unknown-host, broken, hung (the port takes connections and nothing answers), tls, certificate, or the SQLSTATE of the server's refusal.</summary>
    public static readonly FactDefinition ConnectError = new("pg.connectError", FactType.Text, null, "why no session was had: refused, timeout, unreachable, unknown-host, broken, hung (the port takes connections and nothing answers), tls, certificate, or the SQLSTATE of the server's refusal");
    /// <summary>The server's version as server_version_num, such as 150004.</summary>
    public static readonly FactDefinition Version = new("pg.version", FactType.Int, null, "the server's version as server_version_num, such as 150004");
    /// <summary>The server replays a log: it is a standby.</summary>
    public static readonly FactDefinition InRecovery = new("pg.inRecovery", FactType.Bool, null, "the server replays a log: it is a standby");
    /// <summary>The timeline that is written or replayed.</summary>
    public static readonly FactDefinition Timeline = new("pg.timeline", FactType.Int, null, "the timeline that is written or replayed");
    /// <summary>When the server's main process started, in seconds since 1970.</summary>
    public static readonly FactDefinition StartedAt = new("pg.startedAt", FactType.Number, "s", "when the server's main process started, in seconds since 1970");
    /// <summary>Changes of the start time in the last 10 minutes, as the watch remembers them.</summary>
    public static readonly FactDefinition Restarts = new("pg.restarts", FactType.Int, null, "changes of the start time in the last 10 minutes, as the watch remembers them");
    /// <summary>New transactions are read-only by default.</summary>
    public static readonly FactDefinition DefaultReadOnly = new("pg.defaultReadOnly", FactType.Bool, null, "new transactions are read-only by default");
    /// <summary>Replay of a standby is paused, or about to be.</summary>
    public static readonly FactDefinition ReplayPaused = new("pg.replayPaused", FactType.Bool, null, "replay of a standby is paused, or about to be");
    /// <summary>The state of the standby's receiver: streaming, and so on; empty where there is none.</summary>
    public static readonly FactDefinition ReceiverStatus = new("pg.receiverStatus", FactType.Text, null, "the state of the standby's receiver: streaming, and so on; empty where there is none");
    /// <summary>The host that the receiver is connected to.</summary>
    public static readonly FactDefinition SenderHost = new("pg.senderHost", FactType.Text, null, "the host that the receiver is connected to");
    /// <summary>Its port.</summary>
    public static readonly FactDefinition SenderPort = new("pg.senderPort", FactType.Int, null, "its port");
    /// <summary>The host of primary_conninfo; empty where none is set.</summary>
    public static readonly FactDefinition ConfiguredHost = new("pg.configuredHost", FactType.Text, null, "the host of primary_conninfo; empty where none is set");
    /// <summary>The port of primary_conninfo.</summary>
    public static readonly FactDefinition ConfiguredPort = new("pg.configuredPort", FactType.Int, null, "the port of primary_conninfo");
    /// <summary>Primary_slot_name; empty where none is set.</summary>
    public static readonly FactDefinition ConfiguredSlot = new("pg.configuredSlot", FactType.Text, null, "primary_slot_name; empty where none is set");
    /// <summary>The time since the last message of the upstream, by the standby's own clock.</summary>
    public static readonly FactDefinition ReceiptAge = new("pg.receiptAge", FactType.Number, "s", "the time since the last message of the upstream, by the standby's own clock");
    /// <summary>The time since the last transaction that the standby applied was committed, by the clocks of both servers.</summary>
    public static readonly FactDefinition ReplayAge = new("pg.replayAge", FactType.Number, "s", "the time since the last transaction that the standby applied was committed, by the clocks of both servers");
    /// <summary>Synchronous_standby_names.</summary>
    public static readonly FactDefinition SyncNames = new("pg.syncNames", FactType.Text, null, "synchronous_standby_names");
    /// <summary>Standbys that a commit waits for; 0 for none.</summary>
    public static readonly FactDefinition SyncRequired = new("pg.syncRequired", FactType.Int, null, "standbys that a commit waits for; 0 for none");
    /// <summary>Standbys that stream and count as synchronous.</summary>
    public static readonly FactDefinition SyncPresent = new("pg.syncPresent", FactType.Int, null, "standbys that stream and count as synchronous");
    /// <summary>Sessions whose commit waits for a standby.</summary>
    public static readonly FactDefinition SyncWaiters = new("pg.syncWaiters", FactType.Int, null, "sessions whose commit waits for a standby");
    /// <summary>The longest such wait.</summary>
    public static readonly FactDefinition SyncWaitLongest = new("pg.syncWaitLongest", FactType.Number, "s", "the longest such wait");
    /// <summary>The longest time of a statement that waits for the disk of the log.</summary>
    public static readonly FactDefinition LogWaitLongest = new("pg.logWaitLongest", FactType.Number, "s", "the longest time of a statement that waits for the disk of the log");
    /// <summary>Prepared transactions.</summary>
    public static readonly FactDefinition PreparedCount = new("pg.preparedCount", FactType.Int, null, "prepared transactions");
    /// <summary>The age of the oldest prepared transaction.</summary>
    public static readonly FactDefinition PreparedOldest = new("pg.preparedOldest", FactType.Number, "s", "the age of the oldest prepared transaction");
    /// <summary>Data pages have checksums.</summary>
    public static readonly FactDefinition Checksums = new("pg.checksums", FactType.Bool, null, "data pages have checksums");
    /// <summary>Pages that failed their checksum since the statistics were reset, over all databases.</summary>
    public static readonly FactDefinition ChecksumFailures = new("pg.checksumFailures", FactType.Int, null, "pages that failed their checksum since the statistics were reset, over all databases");
    /// <summary>Wal_log_hints: without it or checksums there is no rewind.</summary>
    public static readonly FactDefinition WalLogHints = new("pg.walLogHints", FactType.Bool, null, "wal_log_hints: without it or checksums there is no rewind");
    /// <summary>Checksums or wal_log_hints are on, and full_page_writes is.</summary>
    public static readonly FactDefinition Rewindable = new("pg.rewindable", FactType.Bool, null, "checksums or wal_log_hints are on, and full_page_writes is");
    /// <summary>Max_connections.</summary>
    public static readonly FactDefinition MaxConnections = new("pg.maxConnections", FactType.Int, null, "max_connections");
    /// <summary>Connections that only superusers get.</summary>
    public static readonly FactDefinition ReservedConnections = new("pg.reservedConnections", FactType.Int, null, "connections that only superusers get");
    /// <summary>Sessions of clients.</summary>
    public static readonly FactDefinition ConnectionsUsed = new("pg.connectionsUsed", FactType.Int, null, "sessions of clients");
    /// <summary>Archive_mode.</summary>
    public static readonly FactDefinition ArchiveMode = new("pg.archiveMode", FactType.Text, null, "archive_mode");
    /// <summary>The last attempt to archive failed.</summary>
    public static readonly FactDefinition ArchiveFailing = new("pg.archiveFailing", FactType.Bool, null, "the last attempt to archive failed");
    /// <summary>Failed attempts to archive since the statistics were reset.</summary>
    public static readonly FactDefinition ArchiveFailedCount = new("pg.archiveFailedCount", FactType.Int, null, "failed attempts to archive since the statistics were reset");
    /// <summary>The file that last could not be archived.</summary>
    public static readonly FactDefinition ArchiveLastFailed = new("pg.archiveLastFailed", FactType.Text, null, "the file that last could not be archived");
    /// <summary>The greatest age of a database's oldest unfrozen transaction.</summary>
    public static readonly FactDefinition XidAge = new("pg.xidAge", FactType.Int, "transactions", "the greatest age of a database's oldest unfrozen transaction");
    /// <summary>The database that it is in.</summary>
    public static readonly FactDefinition XidAgeDatabase = new("pg.xidAgeDatabase", FactType.Text, null, "the database that it is in");
    /// <summary>What holds old rows back: a session, a prepared transaction or a slot.</summary>
    public static readonly FactDefinition XminHolder = new("pg.xminHolder", FactType.Text, null, "what holds old rows back: a session, a prepared transaction or a slot");
    /// <summary>The age of the oldest open transaction of a client.</summary>
    public static readonly FactDefinition LongestTransaction = new("pg.longestTransaction", FactType.Number, "s", "the age of the oldest open transaction of a client");
    /// <summary>The longest time that a session holds a transaction open and does nothing.</summary>
    public static readonly FactDefinition IdleInTransaction = new("pg.idleInTransaction", FactType.Number, "s", "the longest time that a session holds a transaction open and does nothing");
    /// <summary>Sessions that hold a transaction open and do nothing.</summary>
    public static readonly FactDefinition IdleInTransactionCount = new("pg.idleInTransactionCount", FactType.Int, null, "sessions that hold a transaction open and do nothing");
    /// <summary>Sessions that wait for a lock of another.</summary>
    public static readonly FactDefinition Blocked = new("pg.blocked", FactType.Int, null, "sessions that wait for a lock of another");
    /// <summary>The longest such wait.</summary>
    public static readonly FactDefinition BlockedLongest = new("pg.blockedLongest", FactType.Number, "s", "the longest such wait");
    /// <summary>The sessions at the root of the queues, as 'pid 123 (app, user): 5 waiting'.</summary>
    public static readonly FactDefinition RootBlockers = new("pg.rootBlockers", FactType.List, null, "the sessions at the root of the queues, as 'pid 123 (app, user): 5 waiting'");
    /// <summary>Each database with its size, as 'name: 123'.</summary>
    public static readonly FactDefinition DatabaseSizes = new("pg.databaseSizes", FactType.List, "B", "each database with its size, as 'name: 123'");
    /// <summary>Settings that replication and failover depend on, as 'name=value'.</summary>
    public static readonly FactDefinition Settings = new("pg.settings", FactType.List, null, "settings that replication and failover depend on, as 'name=value'");
    /// <summary>The oldest position of the log that is still there.</summary>
    public static readonly FactDefinition OldestWal = new("pg.oldestWal", FactType.Text, null, "the oldest position of the log that is still there");
    /// <summary>The size of the log's folder.</summary>
    public static readonly FactDefinition WalBytes = new("pg.walBytes", FactType.Int, "B", "the size of the log's folder");
    /// <summary>Queries that replay has cancelled on a standby.</summary>
    public static readonly FactDefinition ConflictsCancelled = new("pg.conflictsCancelled", FactType.Int, null, "queries that replay has cancelled on a standby");
    /// <summary>Indexes that are not valid, as 'database: schema.index'.</summary>
    public static readonly FactDefinition InvalidIndexes = new("pg.invalidIndexes", FactType.List, null, "indexes that are not valid, as 'database: schema.index'");
    /// <summary>Constraints that are not validated, as 'database: table.constraint'.</summary>
    public static readonly FactDefinition InvalidConstraints = new("pg.invalidConstraints", FactType.List, null, "constraints that are not validated, as 'database: table.constraint'");
    /// <summary>Sequences that are behind the keys they give, as 'database: schema.sequence 5 &lt; 9'.</summary>
    public static readonly FactDefinition SequencesBehind = new("pg.sequencesBehind", FactType.List, null, "sequences that are behind the keys they give, as 'database: schema.sequence 5 < 9'");
    /// <summary>What amcheck or a read found damaged, as 'database: schema.table: message'.</summary>
    public static readonly FactDefinition CorruptObjects = new("pg.corruptObjects", FactType.List, null, "what amcheck or a read found damaged, as 'database: schema.table: message'");
    /// <summary>Whether the deep check ran: yes, no, or the databases without the extension.</summary>
    public static readonly FactDefinition Amcheck = new("pg.amcheck", FactType.Text, null, "whether the deep check ran: yes, no, or the databases without the extension");
    /// <summary>The user may see what belongs to pg_monitor.</summary>
    public static readonly FactDefinition CanMonitor = new("pg.canMonitor", FactType.Bool, null, "the user may see what belongs to pg_monitor");
    /// <summary>Where this node's timeline left the earlier ones, as 'timeline: position'.</summary>
    public static readonly FactDefinition TimelineForks = new("pg.timelineForks", FactType.List, null, "where this node's timeline left the earlier ones, as 'timeline: position'");
}
