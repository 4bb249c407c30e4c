#requires -Version 7.4
# Runs the module's tests and writes the counts as JSON, for the build program.
param([Parameter(Mandatory)] [string] $Report)
$ErrorActionPreference = 'Stop'
Import-Module Pester -MinimumVersion 5.0
$configuration = New-PesterConfiguration
$configuration.Run.Path = $PSScriptRoot
$configuration.Run.PassThru = $true
$configuration.Output.Verbosity = 'Normal'
$result = Invoke-Pester -Configuration $configuration
$failures = @($result.Failed | ForEach-Object { "$($_.ExpandedPath): $($_.ErrorRecord.Exception.Message -join '; ')" })
# a block or file that could not even be set up has no test of its own to fail
$failures += @($result.FailedBlocks | ForEach-Object { "$($_.ExpandedPath): $($_.ErrorRecord.Exception.Message -join '; ')" })
$failures += @($result.FailedContainers | ForEach-Object { "$($_.Item): $($_.ErrorRecord.Exception.Message -join '; ')" })
[ordered]@{
    passed   = $result.PassedCount
    failed   = [Math]::Max($result.FailedCount, $failures.Count)
    skipped  = $result.SkippedCount
    failures = $failures
    skips    = @($result.Skipped | ForEach-Object { "$($_.ExpandedPath): $($_.ErrorRecord.Exception.Message -join '; ')" })
} | ConvertTo-Json -Depth 3 | Set-Content -LiteralPath $Report
exit [int]($failures.Count -gt 0)
