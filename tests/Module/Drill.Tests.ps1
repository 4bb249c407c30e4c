#Requires -Version 7.4
# Drills from PowerShell. Needs the built module; the application is tests/Workload.
BeforeAll {
    . "$PSScriptRoot/Place.ps1"
    $place = Enter-Place 'drill' @'
clusters:
  app:
    engine: sqlite
    nodes: [ { name: two, path: two.db } ]
    expects: { tables: { customers: { minRows: 1 } } }
  bare:
    engine: sqlite
    nodes: [ { name: one, path: one.db } ]
'@
    foreach ($file in 'one.db', 'two.db') { & $workload create "$place/$file" --megabytes 1 }
    $before = Get-FileHash -LiteralPath "$place/one.db", "$place/two.db"
}

AfterAll { Exit-Place $place }

Describe 'Invoke-DbDrill' {
    It 'says with -WhatIf what it would inflict and where, and changes nothing' {
        $plan = Invoke-DbDrill app -WhatIf
        $plan | Should -BeOfType DbRecovery.DrillPlan
        $plan.Damages.Damage.Name | Should -Contain 'data-page'
        $plan.SandboxFolder | Should -BeLike '*state*'
        Test-Path -LiteralPath "$place/state" | Should -BeFalse
    }
    It 'inflicts, recovers and gives each result as an object' {
        $results = @(Invoke-DbDrill app -Damage header, index-entries -Rounds 2 -Node two -Confirm:$false)
        $results | Should -HaveCount 4
        $results | Should -BeOfType DbRecovery.DrillResult
        $results.Passed | Should -Not -Contain $false
        $results.Node | Sort-Object -Unique | Should -Be 'two'
        $results.Round | Sort-Object -Unique | Should -Be 1, 2
        ($results | Where-Object Damage -eq 'index-entries').LostRows | Should -Be 0, 0
    }
    It 'leaves the original as it was and no sandbox behind' {
        (Get-FileHash -LiteralPath "$place/one.db", "$place/two.db").Hash | Should -Be $before.Hash
        Get-ChildItem -LiteralPath "$place/state/app/drills" | ForEach-Object Name | Should -Be 'results.jsonl'
    }
    It 'takes a cluster from the pipeline, and a path without an inventory' {
        (Get-DbCluster bare | Invoke-DbDrill -Damage missing-file -Confirm:$false).Passed | Should -BeTrue
        (Invoke-DbDrill -Path "$place/two.db" -Damage empty-file -Confirm:$false).Passed | Should -BeTrue
    }
    It 'says why a damage is left out' {
        (Invoke-DbDrill bare -Damage dropped-table -Confirm:$false).Skipped | Should -BeLike '*declares no table*'
    }
    It 'names what was meant by a misspelt damage' {
        Invoke-DbDrill app -Damage heder -ErrorAction SilentlyContinue -ErrorVariable failure -Confirm:$false
        $failure[0].FullyQualifiedErrorId | Should -BeLike 'ParameterInvalid*'
        $failure[0].ErrorDetails.RecommendedAction | Should -BeLike "*'header'*"
    }
    It 'shows a table of at most 100 columns' {
        $lines = (Get-DbDrill app | Out-String -Width 100) -split '\r?\n'
        ($lines | Measure-Object Length -Maximum).Maximum | Should -BeLessOrEqual 100
        $lines -match 'index-entries\s+passed\s+100' | Should -Not -BeNullOrEmpty
    }
}

Describe 'Get-DbDrill' {
    It 'lists earlier results, newest first, by damage and number' {
        $all = @(Get-DbDrill app)
        $all | Should -HaveCount 4
        $all[0].InflictedAt | Should -BeGreaterThan $all[-1].InflictedAt
        @(Get-DbDrill app -Damage header) | Should -HaveCount 2
        @(Get-DbDrill a* -First 1) | Should -HaveCount 1
    }
    It 'refuses a cluster that is not there' {
        { Get-DbDrill nobody -ErrorAction Stop } | Should -Throw -ErrorId 'ClusterNotFound*'
    }
}
