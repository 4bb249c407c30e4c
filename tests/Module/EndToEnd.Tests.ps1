#Requires -Version 7.4
# The whole way with a real database: back up, prove, damage, look, plan, recover, report. Needs the built module; the application is tests/Workload.
BeforeAll {
    . "$PSScriptRoot/Place.ps1"
    $canary = "canary-$([guid]::NewGuid())"

    function Enter-AppPlace([string] $Journal = 'delete') {
        $place = Enter-Place 'e2e' @'
clusters:
  app:
    engine: sqlite
    nodes: [ { name: app-db, path: app.db } ]
    auth: { user: dbrecovery, password: { env: DBRECOVERY_CANARY } }
    expects: { tables: { customers: { minRows: 1 } } }
    policy: { maxDataLoss: 100MB }
    backups: { repository: main }
repositories:
  main: { path: backup }
'@ @{ DBRECOVERY_CANARY = $canary }
        $db = "$place/app.db"
        & $workload create $db --megabytes 4 --journal $Journal
        # the writer ends when its input does, or when it has written its rows
        $start = [Diagnostics.ProcessStartInfo]::new($workload, [string[]]('write', $db, '--ack', "$place/acknowledged", '--rows', '20', '--pause', '0'))
        $start.RedirectStandardInput = $true
        $start.RedirectStandardOutput = $true
        $writer = [Diagnostics.Process]::Start($start)
        if (-not $writer.WaitForExit(120000)) { $writer.Kill(); throw 'the writer did not end' }
        New-Item -ItemType Directory "$place/backup" | Out-Null
        $place
    }

    function Set-Damage([string] $Path) { & $workload damage $Path data --pages 3 | Out-Null }

    function Get-TreeHash([string] $Path) {
        Get-ChildItem -LiteralPath $Path -Recurse -File | Sort-Object FullName | ForEach-Object { "$($_.FullName) $((Get-FileHash -LiteralPath $_.FullName).Hash)" }
    }
}

Describe 'A damaged database is brought back' {
    BeforeAll {
        $place = Enter-AppPlace
        $proved = New-DbBackup -Cluster app | Test-DbBackup
        $healthy = Test-DbHealth -Cluster app -Quiet
        Set-Damage "$place/app.db"
        $damaged = Test-DbHealth -Cluster app
        $before = Get-TreeHash $place
        $plan = $damaged | Get-DbFault | Select-Object -First 1 | Invoke-DbRunbook -WhatIf -InformationAction Ignore
        $after = Get-TreeHash $place
        $streams = $damaged | Get-DbFault | Select-Object -First 1 | Invoke-DbRunbook -Confirm:$false -Verbose -Debug *>&1
        $incident = $streams | Where-Object { $_ -is [DbRecovery.IncidentReport] }
        $again = Test-DbHealth -Cluster app -Quiet
    }
    AfterAll { Exit-Place $place }
    It 'takes a backup and proves it' {
        $proved | Should -BeOfType ([DbRecovery.BackupTestResult])
        $proved.Passed | Should -BeTrue
        (Get-DbBackup -Cluster app -Latest -Proved).Id | Should -Be $proved.Backup.Id
    }
    It 'calls it healthy before the damage' { $healthy | Should -BeTrue }
    It 'names the fault' {
        $damaged.Status | Should -Be 'Failed'
        $damaged.Faults.Id | Should -Contain 'sqlite.corrupt'
    }
    It 'plans, and changes nothing with -WhatIf' {
        $plan | Should -BeOfType ([DbRecovery.RecoveryPlan])
        $plan.Steps.Count | Should -BeGreaterThan 0
        $after | Should -Be $before
    }
    It 'recovers, verified' {
        $incident.State | Should -BeIn 'Resolved', 'Probation'
        $again | Should -BeTrue
        (Test-DbHealth -Cluster app -Level Deep).Faults.Id | Should -Not -Contain 'sqlite.corrupt'
        $promised = @(Get-Content -LiteralPath "$place/acknowledged").Count
        $promised | Should -BeGreaterThan 0
        & $workload account "$place/app.db" "$place/acknowledged" | Should -Be "acknowledged $promised, present $promised, lost 0"
    }
    It 'tells transitions as information records with a tag' {
        $told = $streams | Where-Object { $_ -is [System.Management.Automation.InformationRecord] -and $_.Tags -contains 'DbRecovery' }
        $told.MessageData.State | Should -Contain 'Executing'
    }
    It 'says which inventory, runbook and backup were chosen, and why' {
        $said = @($streams | Where-Object { $_ -is [System.Management.Automation.VerboseRecord] }).Message -join "`n"
        $said | Should -Match 'sqlite-corrupt-data'
        $said | Should -Match $proved.Backup.Id
        (Get-DbCluster -Verbose 4>&1 | Out-String -Width 400) | Should -Match 'dbrecovery\.yml'
    }
    It 'keeps a record that reads as a list' {
        $text = Get-DbIncident -Cluster app -Latest | Format-List | Out-String -Width 100
        foreach ($label in 'Timeline', 'Steps', 'Loss', 'Verification') { $text | Should -Match "(?m)^$label" }
    }
    It 'writes no secret to any stream or file' {
        ($streams | Out-String -Width 4096) | Should -Not -Match ([regex]::Escape($canary))
        Get-ChildItem -LiteralPath "$place/state", "$place/backup" -Recurse -File | ForEach-Object {
            [IO.File]::ReadAllText($_.FullName).Contains($canary) | Should -BeFalse -Because $_.FullName
        }
    }
    It 'shows tables that fit into 100 columns' {
        $objects = @($damaged) + $damaged.Faults + $damaged.Checks + (Get-DbCluster) + (Get-DbRunbook) + (Get-DbIncident) + (Get-DbBackup) + $proved + $plan
        foreach ($group in $objects | Group-Object { $_.GetType().FullName }) {
            foreach ($line in ($group.Group | Format-Table | Out-String -Width 100) -split "`r?`n") { $line.TrimEnd().Length | Should -BeLessOrEqual 100 }
        }
    }
    It 'restores to a new path without a question, and over a file only with -Force' {
        $copy = Get-DbBackup -Cluster app -Latest | Restore-DbBackup -Destination ./copy.db
        Test-Path -LiteralPath "$place/copy.db" | Should -BeTrue
        $copy.Path | Should -Be "$place/copy.db"
        { Get-DbBackup -Cluster app -Latest | Restore-DbBackup -Destination ./copy.db -ErrorAction Stop } | Should -Throw -ErrorId 'TargetExists*'
        { Get-DbBackup -Cluster app -Latest | Restore-DbBackup -Destination ./copy.db -Force -Confirm:$false -ErrorAction Stop } | Should -Not -Throw
    }
    It 'pauses, refuses and goes on' {
        (Suspend-DbRecovery -Cluster app -Reason test -Duration 5m -PassThru).Paused | Should -BeTrue
        (Resume-DbRecovery -Cluster app -PassThru).Paused | Should -BeFalse
        (Resume-DbRecovery -Cluster app -Acknowledge -PassThru).Cooldowns.Count | Should -Be 0
    }
    It 'completes clusters and backups' {
        (TabExpansion2 'Test-DbHealth -Cluster a' 24).CompletionMatches.CompletionText | Should -Contain 'app'
        # a completion gives up after two seconds, which may be too few on a busy machine
        Wait-For { (TabExpansion2 'Test-DbBackup -Id ' 18).CompletionMatches.CompletionText -contains $proved.Backup.Id } | Should -BeTrue
    }
}

Describe 'A recovery that would lose data' {
    BeforeAll {
        $place = Enter-AppPlace wal
        (Get-Content -LiteralPath "$place/dbrecovery.yml") -replace '100MB', '0B' | Set-Content -LiteralPath "$place/dbrecovery.yml"
        New-DbBackup -Cluster app | Test-DbBackup | Out-Null
        & $workload churn "$place/app.db" --rows 50
        Set-Damage "$place/app.db"
        $before = (Get-FileHash -LiteralPath "$place/app.db").Hash
        $waiting = Get-DbFault -Cluster app | Select-Object -First 1 | Invoke-DbRunbook -Confirm:$false -WarningVariable warned -WarningAction SilentlyContinue
        $after = (Get-FileHash -LiteralPath "$place/app.db").Hash
    }
    AfterAll { Exit-Place $place }
    It 'waits for a person, changes nothing and says what to do' {
        $waiting.State | Should -Be 'AwaitingApproval'
        $after | Should -Be $before
        "$warned" | Should -Match "Approve-DbIncident -Id $($waiting.Id)"
        "$warned" | Should -Match '-AllowDataLoss'
    }
    It 'goes on after the approval' {
        Approve-DbIncident -Id $waiting.Id -Confirm:$false | Out-Null
        (Resume-DbIncident -Id $waiting.Id -Confirm:$false).State | Should -BeIn 'Resolved', 'Probation'
        Test-DbHealth -Cluster app -Quiet | Should -BeTrue
    }
}

Describe 'Errors' {
    BeforeAll { $place = Enter-AppPlace }
    AfterAll { Exit-Place $place }
    It 'carry id, category, target and what to do' {
        try { Get-DbCluster -Cluster ap -ErrorAction Stop } catch { $e = $_ }
        $e.FullyQualifiedErrorId | Should -Match '^ClusterNotFound,'
        $e.CategoryInfo.Category | Should -Be 'ObjectNotFound'
        $e.ErrorDetails.RecommendedAction | Should -Not -BeNullOrEmpty
    }
    It 'list the findings of a wrong inventory' {
        Set-Content -LiteralPath ./bad.yml -Value "clusters:`n  app:`n    engin: sqlite"
        try { Get-DbCluster -Inventory ./bad.yml -ErrorAction Stop } catch { $e = $_ }
        $e.FullyQualifiedErrorId | Should -Match '^InventoryInvalid,'
        $e.Exception.Findings.Count | Should -BeGreaterThan 0
        $e.ErrorDetails.Message | Should -Match 'bad\.yml:3:'
    }
    It 'of one item do not end the others' {
        Remove-Item -LiteralPath ./app.db
        $e = $null
        'nothing-1', 'nothing-2' | ForEach-Object { Test-DbBackup -Id $_ -Cluster app -ErrorAction SilentlyContinue -ErrorVariable +e }
        @($e).Count | Should -Be 2
        $e[0].FullyQualifiedErrorId | Should -Match '^BackupNotFound,'
    }
    It 'prompt nobody where nobody is' {
        $out = & (Get-Process -Id $PID).Path -NoProfile -NonInteractive -Command "Import-Module '$root/DbRecovery.psd1'; New-DbBackup -Cluster app 2>&1 | ForEach-Object { `$_.FullyQualifiedErrorId }; 'ended'"
        $out[-1] | Should -Be 'ended'
    }
}

Describe 'Stopping' {
    BeforeAll { $place = Enter-AppPlace }
    AfterAll { Exit-Place $place }
    It 'ends what is under way, without an error' {
        $shell = [powershell]::Create()
        try {
            [void]$shell.AddScript("Import-Module '$root/DbRecovery.psd1'; Set-Location -LiteralPath '$place'; while (`$true) { Test-DbHealth -Cluster app -Level Deep | Out-Null; 'round' }")
            $output = [System.Management.Automation.PSDataCollection[psobject]]::new()
            $none = [System.Management.Automation.PSDataCollection[psobject]]::new()
            $none.Complete()
            [void]$shell.BeginInvoke($none, $output)
            [System.Threading.SpinWait]::SpinUntil({ $output.Count -gt 0 }, 120000) | Should -BeTrue
            $shell.BeginStop($null, $null).AsyncWaitHandle.WaitOne(120000) | Should -BeTrue
            $shell.InvocationStateInfo.State | Should -Be 'Stopped'
            $shell.Streams.Error.Count | Should -Be 0
        }
        finally { $shell.Dispose() }
    }
}
