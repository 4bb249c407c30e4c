namespace DbRecovery;

/// <summary>The facts that an SQLite node gives. The observer of the database writes them, the rules of the engine read them.</summary>
public static class SqliteFacts
{
    /// <summary>Whether the folder of the database exists.</summary>
    public static readonly FactDefinition FolderExists = new("sqlite.folderExists", FactType.Bool, null, "the folder of the database file exists");
    /// <summary>Whether the folder may be written (journals are made there).</summary>
    public static readonly FactDefinition FolderWritable = new("sqlite.folderWritable", FactType.Bool, null, "this user may create files in the folder (SQLite puts its journals there)");
    /// <summary>Whether the file exists.</summary>
    public static readonly FactDefinition FileExists = new("sqlite.fileExists", FactType.Bool, null, "the database file exists");
    /// <summary>What is at the path.</summary>
    public static readonly FactDefinition FileKind = new("sqlite.fileKind", FactType.Text, null, "what is at the path: file, folder, device, or none");
    /// <summary>Whether the file may be read.</summary>
    public static readonly FactDefinition FileReadable = new("sqlite.fileReadable", FactType.Bool, null, "this user may read the file");
    /// <summary>Whether the file may be written.</summary>
    public static readonly FactDefinition FileWritable = new("sqlite.fileWritable", FactType.Bool, null, "this user may write the file and its file system is not read-only");
    /// <summary>Whether the file system is mounted read-only.</summary>
    public static readonly FactDefinition FileSystemReadOnly = new("sqlite.fileSystemReadOnly", FactType.Bool, null, "the file system is mounted read-only");
    /// <summary>The file's size.</summary>
    public static readonly FactDefinition FileSize = new("sqlite.fileSize", FactType.Int, "B", "the size of the database file");
    /// <summary>The state of the 100-byte header.</summary>
    public static readonly FactDefinition Header = new("sqlite.header", FactType.Text, null, "the state of the file's header: ok, missing (no file), empty (zero bytes), truncated (shorter than the header), foreign (not an SQLite header), invalid (SQLite's magic with impossible fields)");
    /// <summary>The page size in the header.</summary>
    public static readonly FactDefinition PageSize = new("sqlite.pageSize", FactType.Int, "B", "the page size in the header");
    /// <summary>The page count that the header declares.</summary>
    public static readonly FactDefinition PageCount = new("sqlite.pageCount", FactType.Int, "pages", "the database size in pages, from the header and the WAL");
    /// <summary>Bytes that the header declares and the file lacks.</summary>
    public static readonly FactDefinition MissingBytes = new("sqlite.missingBytes", FactType.Int, "B", "bytes that the header declares and neither the file nor the WAL has; above 0 the file was truncated");
    /// <summary>The journal mode.</summary>
    public static readonly FactDefinition JournalMode = new("sqlite.journalMode", FactType.Text, null, "wal, or rollback (delete, truncate and persist look alike from outside)");
    /// <summary>The change counter.</summary>
    public static readonly FactDefinition ChangeCounter = new("sqlite.changeCounter", FactType.Int, null, "the file change counter of the header; in WAL mode it does not count every transaction");
    /// <summary>The WAL's size.</summary>
    public static readonly FactDefinition WalSize = new("sqlite.walSize", FactType.Int, "B", "the size of the -wal file; 0 where there is none");
    /// <summary>Whether recovery is needed and nobody is doing it.</summary>
    public static readonly FactDefinition RecoveryNeeded = new("sqlite.recoveryNeeded", FactType.Bool, null, "a hot -journal, or a -wal with committed frames, is there and no process has the database open");
    /// <summary>What needs recovery.</summary>
    public static readonly FactDefinition RecoveryFile = new("sqlite.recoveryFile", FactType.Text, null, "the journal or WAL from which the database must be recovered");
    /// <summary>The strongest lock that another process holds.</summary>
    public static readonly FactDefinition Lock = new("sqlite.lock", FactType.Text, null, "the strongest lock that other processes hold: none, shared, reserved, pending, exclusive, wal-writer");
    /// <summary>Who holds locks.</summary>
    public static readonly FactDefinition LockHolders = new("sqlite.lockHolders", FactType.List, null, "the processes that hold a lock, as 'pid 123 (name): lock'");
    /// <summary>Who has the file open.</summary>
    public static readonly FactDefinition OpenBy = new("sqlite.openBy", FactType.List, null, "the processes that have the file open, as 'pid 123 (name)'");
    /// <summary>Whether a writer waited in vain for a lock.</summary>
    public static readonly FactDefinition WriteBlocked = new("sqlite.writeBlocked", FactType.Bool, null, "a write lock could not be had within the busy timeout");
    /// <summary>The result code of opening and reading.</summary>
    public static readonly FactDefinition OpenError = new("sqlite.openError", FactType.Int, null, "the extended result code of opening the database and reading its schema; 0 is ok");
    /// <summary>The text of that code.</summary>
    public static readonly FactDefinition OpenErrorText = new("sqlite.openErrorText", FactType.Text, null, "SQLite's message for openError; empty when ok");
    /// <summary>Whether the database looks encrypted.</summary>
    public static readonly FactDefinition LooksEncrypted = new("sqlite.looksEncrypted", FactType.Bool, null, "the whole file looks random from its first byte, as an encrypted database does");
    /// <summary>Which structure check ran.</summary>
    public static readonly FactDefinition StructureCheck = new("sqlite.structureCheck", FactType.Text, null, "which check ran: none, quick_check, integrity_check");
    /// <summary>What the structure check reported.</summary>
    public static readonly FactDefinition StructureErrors = new("sqlite.structureErrors", FactType.List, null, "the lines of the structure check other than ok, at most 100");
    /// <summary>The same, counted.</summary>
    public static readonly FactDefinition StructureErrorCount = new("sqlite.structureErrorCount", FactType.Int, null, "the number of lines of the structure check other than ok, at most 100");
    /// <summary>Which tables and indexes are damaged.</summary>
    public static readonly FactDefinition DamagedObjects = new("sqlite.damagedObjects", FactType.List, null, "the tables and indexes whose pages are damaged, as 'table orders: page 7 ...', at most 20; empty where the structure check found nothing or only what concerns no page");
    /// <summary>Rows with broken foreign keys.</summary>
    public static readonly FactDefinition ForeignKeyViolations = new("sqlite.foreignKeyViolations", FactType.Int, "rows", "rows whose foreign key has no parent, at most 10,000 counted");
    /// <summary>The tables with broken foreign keys.</summary>
    public static readonly FactDefinition ForeignKeyTables = new("sqlite.foreignKeyTables", FactType.List, null, "tables with such rows, as 'child -> parent: count'");
    /// <summary>Whether the database was certainly not written since the last backup.</summary>
    public static readonly FactDefinition UnwrittenSinceBackup = new("sqlite.unwrittenSinceBackup", FactType.Bool, null, "change counter and WAL prove that SQLite wrote nothing since the last backup; unknown where they cannot prove it");
    /// <summary>Pages that differ though nothing was written.</summary>
    public static readonly FactDefinition SilentDamage = new("sqlite.silentDamagePages", FactType.Int, "pages", "pages whose hash differs from the last backup's though SQLite wrote nothing since");
    /// <summary>Which pages those are and what they belong to.</summary>
    public static readonly FactDefinition SilentDamageWhere = new("sqlite.silentDamageWhere", FactType.List, null, "those pages with the object they belong to, as 'page 7 (table orders)', at most 100");
}
