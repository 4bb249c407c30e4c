#Requires -Version 7.4
# Rows out of a backup, from PowerShell. Needs the built module; the application is tests/Workload.
BeforeAll {
    . "$PSScriptRoot/Place.ps1"
    $place = Enter-Place 'rows' @'
clusters:
  app:
    engine: sqlite
    nodes: [ { name: app-db, path: app.db } ]
    backups: { repository: main }
repositories:
  main: { path: backup }
'@
    & $workload create "$place/app.db" --megabytes 1 --journal delete
    $backup = New-DbBackup -Cluster app
    # the application changes rows that the backup has
    & $workload churn "$place/app.db" --rows 40
}

AfterAll { Exit-Place $place }

Describe 'Restore-DbBackup -Table' {
    It 'compares, and writes nothing' {
        $before = (Get-FileHash -LiteralPath "$place/app.db").Hash
        $out = @($backup | Restore-DbBackup -Table customers)
        $differences = @($out | Where-Object { $_ -is [DbRecovery.RowDifference] })
        $result = $out[-1]
        $result | Should -BeOfType ([DbRecovery.RowRestoreResult])
        $differences.Count | Should -Be ($result.Missing + $result.Changed + $result.Added)
        $differences.Count | Should -BeGreaterThan 0
        (Get-FileHash -LiteralPath "$place/app.db").Hash | Should -Be $before
    }
    It 'chooses rows by key and by condition' {
        ($backup | Restore-DbBackup -Table orders -Key 1, 2)[-1].RowsInBackup | Should -Be 2
        ($backup | Restore-DbBackup -Table orders -Where 'id in (1, 2, 3)')[-1].RowsInBackup | Should -Be 3
        $line = @($backup | Restore-DbBackup -Table items -Where 'line = 1 and order_id < 3')[-1].RowsInBackup
        $line | Should -BeGreaterThan 0
        ($backup | Restore-DbBackup -Table items -Key @(, @(1, 1)))[-1].RowsInBackup | Should -Be 1
        ($backup | Restore-DbBackup -Table items -Key '1,1')[-1].RowsInBackup | Should -Be 1
    }
    It 'restores a table into a new file without a question' {
        $result = $backup | Restore-DbBackup -Table customers -Destination ./customers.db
        $result.Path | Should -Be "$place/customers.db"
        Test-Path -LiteralPath "$place/customers.db" | Should -BeTrue
        { $backup | Restore-DbBackup -Table customers -Destination ./customers.db -ErrorAction Stop } | Should -Throw -ErrorId 'TargetExists*'
    }
    It 'plans with -WhatIf, and changes nothing' {
        $before = (Get-FileHash -LiteralPath "$place/app.db").Hash
        $plan = $backup | Restore-DbBackup -Table customers -Apply Missing, Changed -WhatIf | Where-Object { $_ -is [DbRecovery.RowRestorePlan] }
        $plan.Insert + $plan.Update | Should -BeGreaterThan 0
        $plan.Statements.Count | Should -BeGreaterThan 0
        (Get-FileHash -LiteralPath "$place/app.db").Hash | Should -Be $before
        Test-Path -Path "$([WildcardPattern]::Escape($place))/*.sql" | Should -BeFalse
    }
    It 'writes what was named, and names the script that undoes it' {
        $result = @($backup | Restore-DbBackup -Table customers -Apply Missing, Changed, Added -UndoScript ./undo.sql -Confirm:$false)[-1]
        $result.Written | Should -BeGreaterThan 0
        $result.UndoScript | Should -Be "$place/undo.sql"
        Test-Path -LiteralPath "$place/undo.sql" | Should -BeTrue
        $again = @($backup | Restore-DbBackup -Table customers)[-1]
        $again.Missing + $again.Changed + $again.Added | Should -Be 0
    }
    It 'says what is wrong' {
        { $backup | Restore-DbBackup -Table ordes -ErrorAction Stop } | Should -Throw -ErrorId 'ObjectNotFound*'
        { $backup | Restore-DbBackup -Table orders -Where '1; drop table orders' -ErrorAction Stop } | Should -Throw -ErrorId 'ParameterInvalid*'
        { $backup | Restore-DbBackup -Where 'id = 1' -ErrorAction Stop } | Should -Throw -ErrorId 'ParameterInvalid*'
    }
    It 'shows tables that fit into 100 columns' {
        foreach ($group in @($backup | Restore-DbBackup -Table customers) | Group-Object { $_.GetType().FullName }) {
            foreach ($text in ($group.Group | Select-Object -First 20 | Format-Table | Out-String -Width 100) -split "`r?`n") { $text.TrimEnd().Length | Should -BeLessOrEqual 100 }
        }
    }
}
