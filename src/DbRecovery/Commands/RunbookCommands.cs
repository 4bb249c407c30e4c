using System.Management.Automation;
using DbRecovery.PowerShell.Completers;

namespace DbRecovery.PowerShell.Commands;

/// <summary>Gets runbooks.</summary>
/// <remarks>Lists the runbooks at hand: those that ship and those of the inventory's folders. With a fault from the pipeline: those that answer it, the best match first.</remarks>
/// <example><code>Get-DbRunbook -Name sqlite-*</code><para>The runbooks for SQLite.</para></example>
/// <example><code>Test-DbHealth app | Get-DbFault | Get-DbRunbook</code><para>The runbooks that answer the faults of the cluster app.</para></example>
[Cmdlet(VerbsCommon.Get, "DbRunbook", DefaultParameterSetName = "Name")]
[OutputType(typeof(RunbookInfo))]
public sealed class GetDbRunbookCommand : DbCmdlet
{
    /// <summary>The name; * and ? are wildcards. Without it: all.</summary>
    [Parameter(Position = 0)]
    [ArgumentCompleter(typeof(RunbookCompleter))]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    public string? Name { get; set; }

    /// <summary>A fault: only runbooks that answer it.</summary>
    [Parameter(ParameterSetName = "Fault", Mandatory = true, ValueFromPipeline = true)]
    [ValidateNotNull]
    public Fault? Fault { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord() => Try(Name, () =>
        WriteObject(Work("Reading runbooks", (operation, _) =>
        {
            if (operation.Runtime.LeftOutRunbooks() is { } leftOut)
                operation.Warn(leftOut);
            return Task.FromResult(operation.Runtime.GetRunbooks(Name, Fault));
        }), enumerateCollection: true));
}

/// <summary>Checks runbook files.</summary>
/// <remarks>Lints runbooks: unknown keys, actions, parameters and facts, unreachable steps, missing verification, destructive steps without guard or limit. Each finding says file, line, column and what would be right.</remarks>
/// <example><code>Test-DbRunbook -Path ./runbooks/mine.yml | Select-Object -ExpandProperty Findings</code><para>What is wrong with a file.</para></example>
/// <example><code>Test-DbRunbook | Where-Object -Not Valid</code><para>Which of the runbooks at hand have errors.</para></example>
[Cmdlet(VerbsDiagnostic.Test, "DbRunbook", DefaultParameterSetName = "Name")]
[OutputType(typeof(LintResult))]
public sealed class TestDbRunbookCommand : DbCmdlet
{
    /// <summary>A runbook file, or a folder of them.</summary>
    [Parameter(ParameterSetName = "Path", Mandatory = true, ValueFromPipelineByPropertyName = true)]
    [Alias("LiteralPath", "FullName", "PSPath")]
    [ValidateNotNullOrEmpty]
    public string? Path { get; set; }

    /// <summary>The name of a runbook at hand; * and ? are wildcards. Without it: all.</summary>
    [Parameter(ParameterSetName = "Name", Position = 0)]
    [ArgumentCompleter(typeof(RunbookCompleter))]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    public string? Name { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord() => Try(Path ?? Name, () =>
    {
        var path = Path is null ? null : ResolvePath(Path, nameof(Path));
        var results = Work("Checking runbooks", (operation, _) => Task.FromResult(operation.Runtime.LintRunbooks(path)));
        var pattern = Name is null ? null : WildcardPattern.Get(Name, WildcardOptions.IgnoreCase);
        var found = results.Where(r => pattern is null || pattern.IsMatch(r.Name ?? System.IO.Path.GetFileNameWithoutExtension(r.File))).ToList();
        if (found.Count == 0 && Name is not null && !WildcardPattern.ContainsWildcardCharacters(Name))
            throw new DbRecoveryException(ErrorIds.RunbookNotFound, ErrorKind.NotFound, $"there is no runbook '{Name}'", "List them with Get-DbRunbook.", Name);
        WriteObject(found, enumerateCollection: true);
    });
}
