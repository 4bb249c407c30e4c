#Requires -Version 7.4
# Run after the build: the module's files are in ./bin and the help in ./en-US.
BeforeDiscovery {
    $root = (Resolve-Path "$PSScriptRoot/../..").Path
    $manifest = Import-PowerShellDataFile "$root/DbRecovery.psd1"
    $cmdlets = $manifest.CmdletsToExport | ForEach-Object { @{ Name = $_ } }
}

BeforeAll {
    $root = (Resolve-Path "$PSScriptRoot/../..").Path
    $manifestPath = "$root/DbRecovery.psd1"
    Import-Module $manifestPath -Force
    $common = [System.Management.Automation.PSCmdlet]::CommonParameters + [System.Management.Automation.PSCmdlet]::OptionalCommonParameters

    function Invoke-Fresh([string] $Script, [hashtable] $Environment = @{}) {
        # a process of its own: what is loaded into this one would hide what is tested
        $file = Join-Path ([IO.Path]::GetTempPath()) "dbrecovery-$([guid]::NewGuid()).ps1"
        Set-Content -LiteralPath $file -Value $Script
        $before = @{}
        foreach ($name in $Environment.Keys) { $before[$name] = [Environment]::GetEnvironmentVariable($name); [Environment]::SetEnvironmentVariable($name, $Environment[$name]) }
        try { & (Get-Process -Id $PID).Path -NoProfile -NonInteractive -File $file 2>&1 | ForEach-Object { "$_" } }
        finally {
            foreach ($name in $before.Keys) { [Environment]::SetEnvironmentVariable($name, $before[$name]) }
            Remove-Item -LiteralPath $file
        }
    }

    function Copy-Module {
        $copy = Join-Path ([IO.Path]::GetTempPath()) "dbrecovery-$([guid]::NewGuid())"
        New-Item -ItemType Directory $copy | Out-Null
        Copy-Item "$root/DbRecovery.psd1", "$root/DbRecovery.Format.ps1xml" $copy
        Copy-Item "$root/bin" $copy -Recurse
        $copy
    }
}

Describe 'Manifest' {
    It 'is valid' {
        (Test-ModuleManifest $manifestPath).Version | Should -Be '0.1.0'
    }
    It 'exports exactly the cmdlets of the assembly' {
        $declared = (Import-PowerShellDataFile $manifestPath).CmdletsToExport | Sort-Object
        $types = [DbRecovery.PowerShell.DbCmdlet].Assembly.GetExportedTypes() | ForEach-Object {
            $a = $_.GetCustomAttributes([System.Management.Automation.CmdletAttribute], $false)
            if ($a) { "$($a[0].VerbName)-$($a[0].NounName)" }
        } | Sort-Object
        $declared | Should -Be $types
        (Get-Command -Module DbRecovery).Name | Sort-Object | Should -Be $types
    }
}

Describe 'Cmdlet <Name>' -ForEach $cmdlets {
    BeforeAll {
        $command = Get-Command $Name
        $help = Get-Help $Name -Full
    }
    It 'has a synopsis and a description' {
        $help.Synopsis | Should -Not -BeNullOrEmpty
        $help.Synopsis | Should -Not -Match "^\s*$Name\s"
        ($help.description | Out-String).Trim() | Should -Not -BeNullOrEmpty
    }
    It 'has an example that uses it' {
        @($help.examples.example).Count | Should -BeGreaterThan 0
        ($help.examples.example | ForEach-Object code) -join "`n" | Should -Match $Name
    }
    It 'has examples whose parameters are there' {
        foreach ($example in $help.examples.example) {
            $problems = $null
            $ast = [System.Management.Automation.Language.Parser]::ParseInput($example.code, [ref]$null, [ref]$problems)
            $problems | Should -BeNullOrEmpty -Because $example.code
            foreach ($call in $ast.FindAll({ $args[0] -is [System.Management.Automation.Language.CommandAst] }, $true)) {
                [System.Management.Automation.Language.StaticParameterBinder]::BindCommand($call).BindingExceptions.Values.BindingException.Message | Should -BeNullOrEmpty -Because $example.code
            }
        }
    }
    It 'explains every parameter' {
        $own = $command.Parameters.Keys | Where-Object { $_ -notin $common }
        foreach ($parameter in $own) {
            $entry = $help.parameters.parameter | Where-Object name -EQ $parameter
            ($entry.description | Out-String).Trim() | Should -Not -BeNullOrEmpty -Because "-$parameter needs a text"
        }
    }
    It 'uses approved verb and declares its output' {
        $command.Verb | Should -BeIn (Get-Verb).Verb
        $command.OutputType.Count | Should -BeGreaterThan 0
    }
    It 'takes -Inventory and -Timeout, and one pipeline parameter a set' {
        $command.Parameters.Keys | Should -Contain 'Inventory'
        $command.Parameters.Keys | Should -Contain 'Timeout'
        foreach ($set in $command.ParameterSets) {
            @($set.Parameters | Where-Object ValueFromPipeline).Count | Should -BeLessOrEqual 1
        }
    }
    It 'asks before it changes something, and only then' {
        $changes = $command.Verb -in 'Invoke', 'New', 'Restore', 'Resume', 'Suspend', 'Approve', 'Add', 'Remove', 'Update', 'Export', 'Repair', 'Copy', 'Optimize', 'Initialize'
        $command.Parameters.ContainsKey('WhatIf') | Should -Be $changes
    }
    It 'has completers where names are known' {
        foreach ($parameter in 'Cluster', 'Node', 'Engine', 'Runbook', 'Repository', 'Damage', 'From', 'Id') {
            if ($p = $command.Parameters[$parameter]) {
                $p.Attributes.Where{ $_ -is [System.Management.Automation.ArgumentCompleterAttribute] }.Count | Should -Be 1 -Because "-$parameter"
            }
        }
    }
}

Describe 'Loading' {
    It 'loads nothing of the engine at import' {
        # What the import itself loads is loaded in every process. A busy machine's runtime may load more beside it, now and then: who did is told.
        $loaded = for ($attempt = 1; $attempt -le 3; $attempt++) {
            $stacks = Join-Path ([IO.Path]::GetTempPath()) "dbrecovery-$([guid]::NewGuid()).txt"
            $names = Invoke-Fresh @"
Add-Type 'public static class Loads { public static void Record(string file) => System.AppDomain.CurrentDomain.AssemblyLoad += (_, e) => { if (e.LoadedAssembly.GetName().Name is "DbRecovery.Engine" or "YamlDotNet") System.IO.File.AppendAllText(file, e.LoadedAssembly.FullName + "\n" + System.Environment.StackTrace + "\n"); }; }'
[Loads]::Record('$stacks')
Import-Module '$manifestPath'
[AppDomain]::CurrentDomain.GetAssemblies().ForEach{ `$_.GetName().Name }
"@
            $names | Should -Contain 'DbRecovery.Abstractions'
            if (-not ($names | Where-Object { $_ -in 'DbRecovery.Engine', 'YamlDotNet' })) { break }
            Get-Content -LiteralPath $stacks -Raw
            Remove-Item -LiteralPath $stacks
        }
        @($loaded).Count | Should -BeLessThan 3 -Because ($loaded -join "`n")
        if ($loaded) { Write-Warning ($loaded -join "`n") }
    }
    It 'makes the domain types nameable, once' {
        $out = Invoke-Fresh @"
Import-Module '$manifestPath'
Import-Module '$manifestPath' -Force
try { Test-DbHealth -Path ./nothing-there.db -ErrorAction SilentlyContinue | Out-Null } catch { }
[DbRecovery.HealthReport].FullName
@([AppDomain]::CurrentDomain.GetAssemblies().Where{ `$_.GetName().Name -eq 'DbRecovery.Abstractions' }).Count
"@
        $out | Should -Be @('DbRecovery.HealthReport', '1')
    }
    It 'is not disturbed by another YamlDotNet' {
        $out = Invoke-Fresh @"
`$folder = Join-Path ([IO.Path]::GetTempPath()) "dbrecovery-`$([guid]::NewGuid())"
New-Item -ItemType Directory `$folder | Out-Null
Add-Type -TypeDefinition 'namespace YamlDotNet { public class Fake {} }' -OutputAssembly "`$folder/YamlDotNet.dll"
[Reflection.Assembly]::LoadFrom("`$folder/YamlDotNet.dll") | Out-Null
Import-Module '$manifestPath'
Set-Location `$folder
Set-Content dbrecovery.yml 'clusters: { app: { engine: sqlite, nodes: [ { name: n1, path: a.db } ] } }'
(Get-DbCluster).Name
Set-Location ([IO.Path]::GetTempPath())
Remove-Item -Recurse -Force `$folder
"@
        $out | Should -Be 'app'
    }
    It 'gives an ordinary error that names a missing file' {
        $copy = Copy-Module
        try {
            Remove-Item "$copy/bin/dependencies/DbRecovery.Runtime.dll"
            $out = Invoke-Fresh "Import-Module '$copy/DbRecovery.psd1'; try { Get-DbCluster -ErrorAction Stop } catch { `$_.FullyQualifiedErrorId; `$_.CategoryInfo.Category; `$_.Exception.Message }; 'still here'"
            $out[0] | Should -Match '^LibraryMissing,'
            $out[1] | Should -Be 'NotInstalled'
            $out[2] | Should -Match 'DbRecovery\.Runtime\.dll'
            $out[-1] | Should -Be 'still here'
        }
        finally { Remove-Item -Recurse -Force $copy }
    }
    It 'works in two runspaces at once' {
        $shells = 1..2 | ForEach-Object {
            $shell = [powershell]::Create()
            [void]$shell.AddScript("Import-Module '$manifestPath' -Force; 1..5 | ForEach-Object { try { Test-DbHealth -Path ./nothing-there.db -ErrorAction SilentlyContinue | Out-Null } catch { } }; [DbRecovery.HealthReport].AssemblyQualifiedName")
            @{ Shell = $shell; Handle = $shell.BeginInvoke() }
        }
        $names = foreach ($s in $shells) { $s.Handle.AsyncWaitHandle.WaitOne(120000) | Should -BeTrue; $s.Shell.EndInvoke($s.Handle); $s.Shell.Dispose() }
        $names.Count | Should -Be 2
        $names[0] | Should -Be $names[1]
    }
}

Describe 'Parameters' {
    It 'refuses a size or a duration that is none, by name' {
        { Suspend-DbRecovery -Cluster a -Reason b -Duration soon } | Should -Throw -ErrorId 'ParameterArgumentTransformationError*'
        { Get-DbCluster -Timeout soon } | Should -Throw -ErrorId 'ParameterArgumentTransformationError*'
    }
    It 'completes nothing, and says nothing, where there is no inventory' {
        $Error.Clear()
        $line = "Test-DbHealth -Inventory '$([IO.Path]::GetTempPath())dbrecovery-none.yml' -Cluster "
        (TabExpansion2 $line $line.Length).CompletionMatches.Where{ $_.ResultType -eq 'ParameterValue' }.Count | Should -Be 0
    }
}

Describe 'Views' {
    It 'fit into 100 columns' {
        [xml]$format = Get-Content "$root/DbRecovery.Format.ps1xml" -Raw
        foreach ($view in $format.Configuration.ViewDefinitions.View.Where{ $_.TableControl }) {
            $columns = $view.TableControl.TableHeaders.TableColumnHeader
            $columns.Count | Should -BeIn (5..7) -Because $view.Name
            ($columns | Measure-Object { [int]$_.Width } -Sum).Sum + $columns.Count - 1 | Should -BeLessOrEqual 100 -Because $view.Name
        }
    }
    It 'exist for every output type' {
        [xml]$format = Get-Content "$root/DbRecovery.Format.ps1xml" -Raw
        $viewed = $format.Configuration.ViewDefinitions.View.Where{ $_.TableControl }.ViewSelectedBy.TypeName
        foreach ($type in (Get-Command -Module DbRecovery).OutputType.Name | Where-Object { $_ -like 'DbRecovery.*' } | Sort-Object -Unique) {
            $viewed | Should -Contain $type
        }
    }
}
