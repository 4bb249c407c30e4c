#Requires -Version 7.4
# The report as a PowerShell user makes it: from the record, or from what is piped in. Needs the built module.
BeforeAll {
    . "$PSScriptRoot/Place.ps1"
    $place = Enter-Place 'report' @'
clusters:
  app:
    engine: sqlite
    nodes: [ { name: app-db, path: app.db } ]
    policy: { maxDataLoss: 100MB }
    backups: { repository: main }
repositories:
  main: { path: backup }
'@
    & $workload create "$place/app.db" --megabytes 2
    New-DbBackup -Cluster app | Test-DbBackup | Out-Null
    & $workload damage "$place/app.db" data --pages 3 | Out-Null
    $incident = Get-DbFault -Cluster app | Select-Object -First 1 | Invoke-DbRunbook -AllowDataLoss Any -Confirm:$false -InformationAction Ignore
}

AfterAll { Exit-Place $place }

Describe 'Export-DbReport' {
    It 'tells everything on record and gives the file only where asked' {
        Export-DbReport -Cluster app -Path record.html | Should -BeNullOrEmpty
        $file = Export-DbReport -Cluster app -Path record.html -Force -Health -Since 30d -PassThru
        $file | Should -BeOfType [System.IO.FileInfo]
        $file.FullName | Should -Be "$place/record.html"
        $page = Get-Content -LiteralPath $file.FullName -Raw
        $page | Should -Match ([regex]::Escape($incident.Id))
        $page | Should -Match 'integrity_check'
        $page | Should -Match 'Health now'
    }
    It 'tells only of what is piped in' {
        Get-DbIncident -Latest | Export-DbReport -Path piped.html
        $page = Get-Content -LiteralPath piped.html -Raw
        $page | Should -Match ([regex]::Escape($incident.Id))
        $page | Should -Not -Match 'Last proof'
        $everything = @(Get-DbIncident) + @(Get-DbBackup) + @(Test-DbHealth app -Level Quick) + @(Get-DbCluster)
        $everything | Export-DbReport -Path all.html
        Get-Content -LiteralPath all.html -Raw | Should -Match 'Last proof'
    }
    It 'takes an empty pipeline as nothing to tell of' {
        @() | Export-DbReport -Path empty.html
        Get-Content -LiteralPath empty.html -Raw | Should -Not -Match ([regex]::Escape($incident.Id))
    }
    It 'goes on without an object that it cannot tell of' {
        'text', (Get-DbIncident -Latest) | Export-DbReport -Path mixed.html -ErrorVariable problems -ErrorAction SilentlyContinue
        $problems.Count | Should -Be 1
        $problems[0].FullyQualifiedErrorId | Should -BeLike 'ParameterInvalid*'
        Test-Path -LiteralPath mixed.html | Should -BeTrue
    }
    It 'replaces a file only with -Force' {
        Set-Content -LiteralPath mine.html -Value 'mine'
        Export-DbReport -Path mine.html -ErrorVariable problems -ErrorAction SilentlyContinue
        $problems[0].FullyQualifiedErrorId | Should -BeLike 'TargetExists*'
        $problems[0].CategoryInfo.TargetName | Should -Be "$place/mine.html"
        Get-Content -LiteralPath mine.html | Should -Be 'mine'
    }
    It 'writes nothing with -WhatIf' {
        Export-DbReport -Path planned.html -WhatIf
        Test-Path -LiteralPath planned.html | Should -BeFalse
    }
    It 'says what is wrong with a name or an id' {
        Export-DbReport -Cluster nap -Path none.html -ErrorVariable problems -ErrorAction SilentlyContinue
        $problems[0].FullyQualifiedErrorId | Should -BeLike 'ClusterNotFound*'
        Export-DbReport -Incident nope -Path none.html -ErrorVariable problems -ErrorAction SilentlyContinue
        $problems[0].FullyQualifiedErrorId | Should -BeLike 'IncidentNotFound*'
        Test-Path -LiteralPath none.html | Should -BeFalse
    }
}
