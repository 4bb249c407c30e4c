namespace DbRecovery;

/// <summary>The facts that every engine gives, or that the core adds to an observation.</summary>
public static class CommonFacts
{
    /// <summary>The time that the light read took.</summary>
    public static readonly FactDefinition ProbeLatency = new("probe.latency", FactType.Number, "s", "the time that a light read took");
    /// <summary>The usual time of that read.</summary>
    public static readonly FactDefinition ProbeBaseline = new("probe.baseline", FactType.Number, "s", "the median of the last 50 probes of this node; unknown before the tenth");
    /// <summary>Free space on the disk of the data.</summary>
    public static readonly FactDefinition DiskFree = new("disk.free", FactType.Int, "B", "space on the file system of the data that this user may still fill");
    /// <summary>The size of that disk.</summary>
    public static readonly FactDefinition DiskSize = new("disk.size", FactType.Int, "B", "the size of the file system of the data");
    /// <summary>The size of the database.</summary>
    public static readonly FactDefinition DataSize = new("data.size", FactType.Int, "B", "the size of the database");
    /// <summary>Declared tables that are not there.</summary>
    public static readonly FactDefinition MissingTables = new("data.missingTables", FactType.List, null, "tables that the inventory declares and the database lacks");
    /// <summary>Declared tables with too few rows.</summary>
    public static readonly FactDefinition ShortTables = new("data.shortTables", FactType.List, null, "tables with fewer rows than the inventory declares, as 'name: 3 of at least 10'");
    /// <summary>Whether a repository is configured.</summary>
    public static readonly FactDefinition BackupConfigured = new("backup.configured", FactType.Bool, null, "the inventory names a backup repository for the cluster");
    /// <summary>Complete backups.</summary>
    public static readonly FactDefinition BackupCount = new("backup.count", FactType.Int, null, "complete backups of the cluster in its repository");
    /// <summary>The age of the newest backup.</summary>
    public static readonly FactDefinition BackupAge = new("backup.age", FactType.Number, "s", "the age of the newest complete backup");
    /// <summary>The newest backup.</summary>
    public static readonly FactDefinition BackupId = new("backup.id", FactType.Text, null, "the id of the newest complete backup");
    /// <summary>Files that the newest backup is without.</summary>
    public static readonly FactDefinition BackupMissingFiles = new("backup.missingFiles", FactType.List, null, "files that the inventory names under 'files' and the newest complete backup is without");
    /// <summary>Backups proved by a restore.</summary>
    public static readonly FactDefinition BackupProvedCount = new("backup.provedCount", FactType.Int, null, "complete backups whose last test passed");
    /// <summary>The newest proved backup.</summary>
    public static readonly FactDefinition BackupProvedId = new("backup.provedId", FactType.Text, null, "the id of the newest backup whose last test passed");
    /// <summary>The age of the newest proof.</summary>
    public static readonly FactDefinition BackupProofAge = new("backup.proofAge", FactType.Number, "s", "the time since a backup last passed a test");
}
