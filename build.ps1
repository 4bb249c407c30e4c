#requires -Version 7.4
<#
.SYNOPSIS
    Runs a task of the build program.
.EXAMPLE
    ./build.ps1 test
#>
param(
    [Parameter(Position = 0)]
    [ValidateSet('build', 'demo', 'test', 'bench', 'package')]
    [string] $Task = 'build',

    [Parameter(ValueFromRemainingArguments)]
    [string[]] $Rest = @()
)
dotnet run --project (Join-Path $PSScriptRoot build) -- $Task @Rest
exit $LASTEXITCODE
