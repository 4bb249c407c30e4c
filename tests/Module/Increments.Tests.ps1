#Requires -Version 7.4
# Increments, files that go along and continuous protection through the cmdlets. Needs the built module; the application is tests/Workload.
BeforeAll {
    . "$PSScriptRoot/Place.ps1"
    $place = Enter-Place 'increments' @'
clusters:
  app:
    engine: sqlite
    nodes: [ { name: app-db, path: app.db } ]
    backups: { repository: main, files: [ app.conf ] }
repositories:
  main: { path: backup }
state: state
'@
    & $workload create "$place/app.db" --megabytes 2 --journal delete
    Set-Content -LiteralPath "$place/app.conf" -Value 'listen = 80'
    $inventory = @{ Inventory = "$place/dbrecovery.yml" }
}

AfterAll { Exit-Place $place }

Describe 'Increments' {
    It 'takes an increment over a full, and says so where there is none to compare with' {
        $first = New-DbBackup -Cluster app -Kind Incremental @inventory -WarningVariable notes -WarningAction SilentlyContinue
        $first.Kind | Should -Be 'Full'
        $notes.Count | Should -Be 1
        & $workload churn "$place/app.db" --rows 50
        $second = New-DbBackup -Cluster app -Kind Incremental @inventory
        $second.Kind | Should -Be 'Incremental'
        $second.Parent | Should -Be $first.Id
        $second.StoredBytes | Should -BeLessThan $first.StoredBytes
        ($second | Test-DbBackup @inventory).Passed | Should -BeTrue
    }

    It 'brings files back on request and keeps what was there' {
        Set-Content -LiteralPath "$place/app.conf" -Value 'changed'
        $result = Get-DbBackup -Cluster app -Latest @inventory | Restore-DbBackup -Destination "$place/copy.db" -IncludeFiles -Confirm:$false @inventory
        Get-Content -LiteralPath "$place/app.conf" | Should -Be 'listen = 80'
        Get-Content -LiteralPath $result.Files[0].PreviousPath | Should -Be 'changed'
    }

    It 'names a file that the newest backup is without, and fails for nothing' {
        Rename-Item -LiteralPath "$place/app.conf" -NewName 'away.conf'
        try { $backup = New-DbBackup -Cluster app @inventory -WarningVariable taken -WarningAction SilentlyContinue }
        finally { Rename-Item -LiteralPath "$place/away.conf" -NewName 'app.conf' }
        $backup.MissingFiles | Should -Be "$place/app.conf"
        "$taken" | Should -Match ([regex]::Escape("$place/app.conf"))
        $listed = Get-DbBackup -Cluster app @inventory -WarningVariable seen -WarningAction SilentlyContinue
        $listed[0].MissingFiles | Should -Be "$place/app.conf"
        $seen | Should -HaveCount 1
        "$seen" | Should -Match "$($backup.Id).*$([regex]::Escape("$place/app.conf"))"
        $fault = Test-DbHealth -Cluster app @inventory | Get-DbFault | Where-Object Id -eq 'backup.files-missing'
        $fault.Severity | Should -Be 'Notice'
        New-DbBackup -Cluster app @inventory | Out-Null
        Get-DbBackup -Cluster app @inventory -WarningVariable seen -WarningAction SilentlyContinue | Out-Null
        $seen | Should -BeNullOrEmpty
    }

    It 'names what stands in the way of a restore even with -WhatIf' {
        { Get-DbBackup -Cluster app -Latest @inventory | Restore-DbBackup -WhatIf -ErrorAction Stop @inventory } | Should -Throw -ErrorId 'TargetExists*'
        Get-DbBackup -Cluster app -Latest @inventory | Restore-DbBackup -Force -WhatIf @inventory | Should -BeNullOrEmpty
    }

    It 'does not leave files out in silence where rows are restored' {
        { Get-DbBackup -Cluster app -Latest @inventory | Restore-DbBackup -Table customers -IncludeFiles -ErrorAction Stop @inventory } | Should -Throw -ErrorId 'ParameterInvalid*'
    }

    It 'completes repositories' {
        $line = "Get-DbBackup -Inventory '$place/dbrecovery.yml' -Repository "
        (TabExpansion2 $line $line.Length).CompletionMatches.CompletionText | Should -Contain 'main'
    }

    It 'emits each backup of a continuous protection and ends by itself when asked' {
        $taken = @(New-DbBackup -Cluster app -Continuous -Every 200ms -Count 1 @inventory)
        $taken.Count | Should -Be 1
        $taken[0].Cluster | Should -Be 'app'
    }

    It 'ends a continuous protection when it is stopped, and leaves nothing open' {
        $shell = [powershell]::Create().AddScript({ param($module, $from) Import-Module $module; New-DbBackup -Cluster app -Continuous -Every 200ms -Inventory $from }).AddArgument("$root/DbRecovery.psd1").AddArgument($inventory.Inventory)
        try {
            $none = [System.Management.Automation.PSDataCollection[psobject]]::new()
            $none.Complete()
            $taken = [System.Management.Automation.PSDataCollection[psobject]]::new()
            $null = $shell.BeginInvoke($none, $taken)
            $deadline = [datetime]::UtcNow.AddSeconds(120)
            while ($taken.Count -eq 0 -and [datetime]::UtcNow -lt $deadline) { Start-Sleep -Milliseconds 20 }
            $taken.Count | Should -BeGreaterThan 0
            $shell.Stop()
            $shell.InvocationStateInfo.State | Should -Be 'Stopped'
            $shell.Streams.Error.Count | Should -Be 0
            Get-ChildItem -LiteralPath "$place/backup/sessions" -File -ErrorAction Ignore | Should -BeNullOrEmpty
        }
        finally { $shell.Dispose() }
    }

    It 'refuses what does not go together' {
        { New-DbBackup -Cluster app -Every 5s @inventory } | Should -Throw -ErrorId 'ParameterInvalid*'
        { New-DbBackup -Cluster app -Continuous -Kind Full @inventory } | Should -Throw -ErrorId 'ParameterInvalid*'
    }
}
