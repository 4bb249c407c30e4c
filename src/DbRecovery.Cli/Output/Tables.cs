using System.Globalization;
using DbRecovery.Shells;
using Spectre.Console;

namespace DbRecovery.Cli.Output;

/// <summary>A column: its heading and what stands in it.</summary>
internal sealed record TableColumn<T>(string Heading, Func<T, string> Cell, bool Right = false);

/// <summary>One table a type.</summary>
internal static class Tables
{
    private static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);

    /// <summary>The columns of a type.</summary>
    public static IReadOnlyList<TableColumn<T>> Columns<T>() => (IReadOnlyList<TableColumn<T>>)(typeof(T).Name switch
    {
        nameof(HealthReport) => (object)new TableColumn<HealthReport>[]
        {
            new("Cluster", r => r.Cluster), new("Status", r => r.Status.ToString()), new("Level", r => r.Level.ToString()),
            new("Faults", r => r.Faults.Count == 0 ? "-" : string.Join(", ", r.Faults.Select(f => f.Id))),
            new("Not passed", r => Names(r.Checks.Where(c => c.Verdict is CheckVerdict.Warn or CheckVerdict.Fail).Select(c => c.Name))),
            new("Took", r => SizeText.Duration(r.Duration), true),
        },
        nameof(NodeLine) => new TableColumn<NodeLine>[]
        {
            new("Cluster", n => n.Cluster), new("Node", n => n.Node), new("Address", n => n.Address), new("Status", n => n.Status), new("Role", n => n.Role),
            new("Position", n => n.Position), new("Lag", n => n.Lag, true),
        },
        nameof(Fault) => new TableColumn<Fault>[]
        {
            new("Id", f => f.Id), new("Severity", f => f.Severity.ToString()), new("Confidence", f => f.Confidence.ToString()),
            new("Cluster", f => f.Cluster), new("Node", f => f.Node ?? "-"), new("Summary", f => f.Summary),
        },
        nameof(RunbookInfo) => new TableColumn<RunbookInfo>[]
        {
            new("Name", r => r.Name), new("Version", r => r.Version), new("Faults", r => string.Join(", ", r.Faults)),
            new("Destructive", r => r.Destructive ? "yes" : "no"), new("Steps", r => Number(r.Steps.Count), true), new("Description", r => r.Description),
        },
        nameof(LintResult) => new TableColumn<LintResult>[]
        {
            new("File", r => r.File), new("Name", r => r.Name ?? "-"), new("Valid", r => r.Valid ? "yes" : "NO"), new("Findings", r => Number(r.Findings.Count), true),
        },
        nameof(IncidentReport) => new TableColumn<IncidentReport>[]
        {
            new("Id", i => i.Id), new("Cluster", i => i.Cluster), new("State", i => i.State.ToString()), new("Fault", i => i.Fault.Id),
            new("Runbook", i => i.Runbook), new("Recovery", i => SizeText.Duration(i.RecoveryTime), true),
        },
        nameof(RecoveryStatus) => new TableColumn<RecoveryStatus>[]
        {
            new("Cluster", s => s.Cluster), new("Paused", s => s.Paused ? "yes" : "no"), new("Until", s => SizeText.Moment(s.Until)),
            new("Cooldowns", s => Names(s.Cooldowns.Keys)), new("Reason", s => s.Reason ?? "-"),
        },
        nameof(SetupItem) => new TableColumn<SetupItem>[]
        {
            new("Node", i => i.Node), new("Item", i => i.Name), new("State", i => i.State == SetupState.Missing ? "MISSING" : i.State.ToString()), new("Found", i => i.Found ?? "-"), new("What", i => i.What),
        },
        nameof(BackupInfo) => new TableColumn<BackupInfo>[]
        {
            new("Id", b => b.Id), new("Cluster", b => b.Cluster), new("Kind", b => b.Kind.ToString()), new("Size", b => SizeText.Size(b.SizeBytes), true),
            new("Stored", b => SizeText.Size(b.StoredBytes), true), new("Proof", b => b.Proof is null ? "never" : b.Proof.Passed ? "passed" : "FAILED"),
            new("Finished", b => SizeText.Moment(b.FinishedAt)),
        },
        nameof(BackupTestResult) => new TableColumn<BackupTestResult>[]
        {
            new("Backup", t => t.Proof.BackupId), new("Cluster", t => t.Backup.Cluster), new("Passed", t => t.Passed ? "yes" : "NO"),
            new("Checks", t => $"{t.Proof.Checks.Count(c => c.Passed)}/{t.Proof.Checks.Count}", true), new("Restore", t => SizeText.Duration(t.Proof.RestoreDuration), true),
            new("Not passed", t => Names(t.Proof.Checks.Where(c => !c.Passed).Select(c => c.Name))),
        },
        nameof(RestoreResult) => new TableColumn<RestoreResult>[]
        {
            new("Backup", r => r.BackupId), new("Cluster", r => r.Cluster), new("Size", r => SizeText.Size(r.SizeBytes), true),
            new("Duration", r => SizeText.Duration(r.Duration), true), new("Path", r => r.Path), new("Kept", r => r.PreviousPath ?? "-"),
        },
        nameof(ReportResult) => new TableColumn<ReportResult>[]
        {
            new("Clusters", r => Number(r.Clusters), true), new("Incidents", r => Number(r.Incidents), true), new("Backups", r => Number(r.Backups), true),
            new("Drills", r => Number(r.Drills), true), new("Size", r => SizeText.Size(r.SizeBytes), true), new("Path", r => r.Path),
        },
        nameof(RetentionDecision) => new TableColumn<RetentionDecision>[]
        {
            new("Id", d => d.Backup.Id), new("Cluster", d => d.Backup.Cluster), new("Kind", d => d.Backup.Kind.ToString()),
            new("Decision", d => d.Keep ? "keep" : d.Removed ? "removed" : "remove"), new("Because", d => d.Reasons.Count == 0 ? "no rule keeps it" : string.Join(", ", d.Reasons)),
        },
        nameof(PruneResult) => new TableColumn<PruneResult>[]
        {
            new("Repository", r => r.Repository), new("Planned", r => r.Planned ? "yes" : "no"), new("Trashed", r => $"{Number(r.TrashedPacks)} ({SizeText.Size(r.TrashedBytes)})", true),
            new("Freed", r => SizeText.Size(r.FreedBytes), true), new("Waiting", r => SizeText.Size(r.WaitingBytes), true), new("Waiting for", r => r.WaitingFor ?? "-"),
            new("Repacked", r => Number(r.RepackedPacks), true),
        },
        nameof(DrillResult) => new TableColumn<DrillResult>[]
        {
            new("Damage", d => d.Damage), new("Result", d => d.Skipped is not null ? "skipped" : d.Passed ? "passed" : "FAILED"), new("Score", d => d.Skipped is not null ? "-" : Number(d.Score), true),
            new("Detected", d => SizeText.Duration(d.DetectionTime), true), new("Recovered", d => SizeText.Duration(d.RecoveryTime), true),
            new("Lost", d => d.LostRows is { } lost ? Number(lost) : "-", true), new("Runbook", d => d.Runbook ?? "-"),
        },
        nameof(PlannedDamage) => new TableColumn<PlannedDamage>[]
        {
            new("Damage", d => d.Damage.Name), new("Expected fault", d => d.Damage.ExpectedFault), new("What is done", d => d.Skipped is { } why ? $"skipped: {why}" : d.Damage.Description),
        },
        nameof(RowDifference) => new TableColumn<RowDifference>[]
        {
            new("Table", d => d.Table), new("Kind", d => d.Kind.ToString()), new("Key", d => RowText.Values(d.Key)), new("Columns", d => RowText.Names(d)),
            new("In the backup", d => RowText.Shown(d, d.InBackup)), new("In the database", d => RowText.Shown(d, d.InDatabase)),
        },
        nameof(RowRestoreResult) => new TableColumn<RowRestoreResult>[]
        {
            new("Table", r => r.Table), new("In backup", r => Number(r.RowsInBackup), true), new("Missing", r => Number(r.Missing), true), new("Changed", r => Number(r.Changed), true),
            new("Added", r => Number(r.Added), true), new("Written", r => Number(r.Written), true), new("Where", r => r.Path ?? r.UndoScript ?? r.StagingTable ?? "-"),
        },
        nameof(RepositoryReport) => new TableColumn<RepositoryReport>[]
        {
            new("Repository", r => r.Repository), new("Passed", r => r.Passed ? "yes" : "NO"), new("Damaged", r => Number(r.Damage.Count), true), new("Backups", r => Number(r.Backups), true),
            new("Read", r => SizeText.Size(r.BytesChecked), true), new("Trusted", r => Counted.Of(r.PacksTrusted, "pack"), true), new("Took", r => SizeText.Duration(r.Duration), true),
        },
        nameof(RepositoryRepairResult) => new TableColumn<RepositoryRepairResult>[]
        {
            new("Repository", r => r.Repository), new("Planned", r => r.Planned ? "yes" : "no"), new("Actions", r => Number(r.Actions.Count), true), new("Rescued", r => Number(r.BlobsRescued), true),
            new("Refilled", r => Number(r.BlobsRefilled), true), new("Lost", r => Number(r.BlobsLost), true), new("Damage left", r => r.Planned ? "-" : Number(r.Damage.Count), true),
        },
        nameof(BackupCopyResult) => new TableColumn<BackupCopyResult>[]
        {
            new("Backup", c => c.BackupId), new("Cluster", c => c.Cluster), new("Destination", c => c.Destination), new("Copied", c => c.Skipped ? "was there" : "yes"),
            new("Size", c => SizeText.Size(c.SizeBytes), true), new("Stored", c => SizeText.Size(c.StoredBytes), true), new("Took", c => SizeText.Duration(c.Duration), true),
        },
        nameof(RepositoryKeyInfo) => new TableColumn<RepositoryKeyInfo>[]
        {
            new("Id", k => k.Id[..Math.Min(8, k.Id.Length)]), new("Label", k => k.Label ?? "-"), new("Kind", RepositoryKeyText.Kind), new("State", k => k.State.ToString()),
            new("Epoch", k => k.Epoch is { } epoch ? Number(epoch) : "-", true), new("In use", k => k.InUse is null ? "-" : k.InUse.Value ? "yes" : "no"), new("Created", k => SizeText.Moment(k.CreatedAt)),
        },
        nameof(SalvagedTable) => new TableColumn<SalvagedTable>[]
        {
            new("Table", t => t.Table), new("Rows", t => Number(t.Rows), true), new("From indexes", t => Number(t.RowsFromIndexes), true),
            new("Lost", t => t.RowsUnreadable is { } lost ? Number(lost) : "unknown", true), new("Whole", t => t.Complete ? "yes" : "NO"),
        },
        var other => throw new InvalidOperationException($"no table for {other}"),
    });

    /// <summary>Writes a table no wider than the width.</summary>
    public static void Write<T>(IReadOnlyList<T> values, TextWriter writer, int width, bool color)
    {
        var columns = Columns<T>();
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = color ? AnsiSupport.Yes : AnsiSupport.No,
            ColorSystem = color ? ColorSystemSupport.Standard : ColorSystemSupport.NoColors,
            Interactive = InteractionSupport.No,
            Out = new AnsiConsoleOutput(writer),
        });
        console.Profile.Width = width;
        var table = new Table { Border = TableBorder.Minimal };
        foreach (var column in columns)
            table.AddColumn(new Spectre.Console.TableColumn(new Text(column.Heading, new Style(decoration: color ? Decoration.Bold : Decoration.None))) { Alignment = column.Right ? Justify.Right : Justify.Left, NoWrap = column.Heading is "Id" or "Backup" });
        foreach (var value in values)
            table.AddRow(columns.Select(c => new Text(c.Cell(value), color ? StyleOf(c.Cell(value)) : null)));
        console.Write(table);
    }

    private static Style StyleOf(string cell) => cell switch
    {
        nameof(HealthStatus.Healthy) or nameof(IncidentState.Resolved) or "passed" => new Style(Color.Green),
        nameof(HealthStatus.Degraded) or nameof(IncidentState.AwaitingApproval) or nameof(IncidentState.Suppressed) or "never" => new Style(Color.Yellow),
        nameof(HealthStatus.Failed) or nameof(FaultSeverity.DataAtRisk) or nameof(FaultSeverity.Outage) or "FAILED" or "NO" or "MISSING" or "ABSENT" or "REFUSES" or "NO ANSWER" => new Style(Color.Red),
        _ => Style.Plain,
    };

    private static string Names(IEnumerable<string> names) => string.Join(", ", names.Distinct()) is { Length: > 0 } text ? text : "-";
}
