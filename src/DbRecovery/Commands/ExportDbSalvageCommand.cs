using System.Management.Automation;
using DbRecovery.PowerShell.Completers;

namespace DbRecovery.PowerShell.Commands;

/// <summary>Reads what is left of a damaged database into a new one.</summary>
/// <remarks>Reads every row that a damaged database file still shows, page by page and around the damage, into a new file that passes the integrity check. No backup is needed. The damaged file is only read, and an existing file is never replaced. What belongs in no table for certain is kept apart in the table lost_and_found, and what cannot be read is listed table by table. With -WhatIf it only says what can be read.</remarks>
/// <example><code>Export-DbSalvage -Path ./broken.db -Destination ./new.db</code><para>Salvages a database.</para></example>
/// <example><code>(Export-DbSalvage ./broken.db ./new.db).Tables | Where-Object -not Complete | Select-Object Table, Rows, Unreadable</code><para>What could not be read, table by table.</para></example>
[Cmdlet(VerbsData.Export, "DbSalvage", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(SalvageReport))]
public sealed class ExportDbSalvageCommand : DbCmdlet
{
    /// <summary>The damaged database file. Characters such as [ ] stand for themselves. Its -wal or -journal beside it counts.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipelineByPropertyName = true)]
    [Alias("LiteralPath", "FullName", "PSPath")]
    [ValidateNotNullOrEmpty]
    public string Path { get; set; } = "";

    /// <summary>The new database file; it must not exist.</summary>
    [Parameter(Mandatory = true, Position = 1)]
    [ValidateNotNullOrEmpty]
    public string Destination { get; set; } = "";

    /// <summary>The engine of the database, such as sqlite.</summary>
    [Parameter]
    [ArgumentCompleter(typeof(EngineCompleter))]
    [ValidateNotNullOrEmpty]
    public string Engine { get; set; } = "sqlite";

    /// <inheritdoc/>
    protected override void ProcessRecord() => Try(Path, () =>
    {
        var damaged = ResolvePath(Path, nameof(Path));
        var destination = ResolvePath(Destination, nameof(Destination));
        var write = ShouldProcess(damaged, $"Salvage into '{destination}'");
        if (!write && !IsWhatIf)
            return;
        WriteObject(Work($"Salvaging {damaged}", (operation, token) =>
            operation.Runtime.SalvageAsync(Engine, damaged, write ? destination : null, operation.Progress, token)));
    });
}
