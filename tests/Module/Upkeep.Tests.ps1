#Requires -Version 7.4
# Backups are removed by rule, by name and from the pipeline; what is removed can be taken back. Needs the built module; the application is tests/Workload.
BeforeAll {
    . "$PSScriptRoot/Place.ps1"
    $place = Enter-Place 'upkeep' @'
clusters:
  app:
    engine: sqlite
    nodes: [ { name: app-db, path: app.db } ]
    backups: { repository: main, keep: { last: 2 } }
repositories:
  main: { path: backup }
'@
    & $workload create "$place/app.db" --megabytes 1
    $proved = New-DbBackup -Cluster app | Test-DbBackup
    $taken = @($proved.Backup) + @(1..3 | ForEach-Object { New-DbBackup -Cluster app })
}

AfterAll { Exit-Place $place }

Describe 'Removal of backups' {
    It 'shows every decision with its reasons and removes nothing with -WhatIf' {
        $found = Remove-DbBackup -Cluster app -WhatIf
        $found | Where-Object { $_ -is [DbRecovery.RetentionDecision] } | Should -HaveCount 4
        ($found | Where-Object { $_.Backup.Id -eq $taken[0].Id }).Reasons | Should -Contain 'last proved'
        ($found | Where-Object { $_ -is [DbRecovery.PruneResult] }).Planned | Should -BeTrue
        Get-DbBackup -Cluster app | Should -HaveCount 4
    }

    It 'names a mistake in a rule' {
        Remove-DbBackup -Cluster app -Retention 'lats=2' -Confirm:$false -ErrorVariable problem -ErrorAction SilentlyContinue
        $problem[0].FullyQualifiedErrorId | Should -BeLike 'RetentionInvalid*'
        $problem[0].ErrorDetails.RecommendedAction | Should -BeLike "*'last'*"
    }

    It 'does not remove the newest without -Force' {
        $taken[3] | Remove-DbBackup -Confirm:$false -ErrorVariable problem -ErrorAction SilentlyContinue
        $problem[0].FullyQualifiedErrorId | Should -BeLike 'DataLossNotAllowed*'
        Get-DbBackup -Cluster app | Should -HaveCount 4
    }

    It 'shows what of a pipeline would go, and what must stay and why, with -WhatIf' {
        $found = Get-DbBackup -Cluster app | Remove-DbBackup -WhatIf -ErrorAction Stop
        $decisions = $found | Where-Object { $_ -is [DbRecovery.RetentionDecision] }
        ($decisions | Where-Object { -not $_.Keep }).Backup.Id | Sort-Object | Should -Be ($taken[1, 2].Id | Sort-Object)
        ($decisions | Where-Object { $_.Backup.Id -eq $taken[0].Id }).Reasons | Should -Contain 'last proved'
        ($decisions | Where-Object { $_.Backup.Id -eq $taken[3].Id }).Reasons | Should -Contain 'newest'
        ($found | Where-Object { $_ -is [DbRecovery.PruneResult] }).Planned | Should -BeTrue
        Get-DbBackup -Cluster app | Should -HaveCount 4
    }

    It 'goes on after one of a pipeline that must stay' {
        $found = Get-DbBackup -Cluster app | Where-Object Id -In $taken[1, 3].Id | Remove-DbBackup -Confirm:$false -ErrorVariable problem -ErrorAction SilentlyContinue
        $problem | Should -HaveCount 1
        $problem[0].FullyQualifiedErrorId | Should -BeLike 'DataLossNotAllowed*'
        $problem[0].TargetObject | Should -Be $taken[3].Id
        ($found | Where-Object Removed).Backup.Id | Should -Be $taken[1].Id
        Get-DbBackup -Cluster app | Should -HaveCount 3
        (Remove-DbBackup -Id $taken[1].Id -Cluster app -Undo).Id | Should -Be $taken[1].Id
    }

    It 'removes by the rule of the inventory, and takes back' {
        $found = Remove-DbBackup -Cluster app -Confirm:$false
        ($found | Where-Object Removed).Backup.Id | Should -Be $taken[1].Id
        Get-DbBackup -Cluster app | Should -HaveCount 3
        (Remove-DbBackup -Id $taken[1].Id -Cluster app -Undo).Id | Should -Be $taken[1].Id
        (Get-DbBackup -Cluster app -Id $taken[1].Id | Test-DbBackup).Passed | Should -BeTrue
    }

    It 'removes from the pipeline and frees the space at once' {
        Get-DbBackup -Cluster app -Id $taken[2].Id | Remove-DbBackup -Grace 0s -Confirm:$false | Out-Null
        $result = Optimize-DbRepository -Repository main -Repack -Grace 0s
        $result | Should -BeOfType DbRecovery.PruneResult
        Get-DbBackup -Cluster app | Test-DbBackup | ForEach-Object Passed | Should -Not -Contain $false
    }
}
