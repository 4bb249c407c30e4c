#Requires -Version 7.4
# What the tests of this folder share, dot-sourced in BeforeAll: the built module, the application (tests/Workload), and places to work in.
$root = (Resolve-Path "$PSScriptRoot/../..").Path
Import-Module "$root/DbRecovery.psd1" -Force
$workload = "$root/artifacts/workload/workload$($IsWindows ? '.exe' : '')"
if (-not (Test-Path -LiteralPath $workload)) {
    dotnet build "$root/tests/Workload" -c Release -o "$root/artifacts/workload" -v quiet | Out-Null
    if ($LASTEXITCODE) { throw 'tests/Workload does not build' }
}
$saved = @{}

# Makes a folder of its own and goes there; its path has what a careless pattern trips over.
function Enter-Place([string] $Name, [string] $Inventory, [hashtable] $Environment = @{}) {
    $place = Join-Path ([IO.Path]::GetTempPath()) "dbrecovery [$Name] $([guid]::NewGuid())"
    New-Item -ItemType Directory $place | Out-Null
    if ($Inventory) { Set-Content -LiteralPath "$place/dbrecovery.yml" -Value $Inventory }
    # what the caller has set must not reach a test
    $variables = @{ DBRECOVERY_STATE = "$place/state"; DBRECOVERY_INVENTORY = $null; DBRECOVERY_PASSPHRASE = $null; DBRECOVERY_KEY_FILE = $null } + $Environment
    foreach ($variable in $variables.Keys) {
        if (-not $saved.ContainsKey($variable)) { $saved[$variable] = [Environment]::GetEnvironmentVariable($variable) }
        [Environment]::SetEnvironmentVariable($variable, $variables[$variable])
    }
    Push-Location -LiteralPath $place
    $place
}

# Waits until something holds; what it gives is what it gave last.
function Wait-For([scriptblock] $Condition) {
    $clock = [Diagnostics.Stopwatch]::StartNew()
    do { $value = & $Condition } until ($value -or $clock.Elapsed.TotalMinutes -ge 2)
    $value
}

# Goes back and leaves nothing behind.
function Exit-Place([string] $Place) {
    Pop-Location
    foreach ($variable in @($saved.Keys)) { [Environment]::SetEnvironmentVariable($variable, $saved[$variable]) }
    $saved.Clear()
    Remove-Item -LiteralPath $Place -Recurse -Force
}
