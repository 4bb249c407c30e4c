#Requires -Version 7.4
# Repositories checked, repaired and copied from, by the module.
BeforeAll {
    . "$PSScriptRoot/Place.ps1"
    $place = Enter-Place 'care'
    & $workload create "$place/shop.db" --megabytes 3 --journal delete
    $target = @{ Path = "$place/shop.db"; Repository = "$place/repository" }
    $backup = New-DbBackup @target

    function Edit-Byte([string] $File, [double] $Where) {
        $bytes = [IO.File]::ReadAllBytes($File)
        $at = [int](($bytes.Length - 1) * $Where)
        $bytes[$at] = $bytes[$at] -bxor 1
        [IO.File]::WriteAllBytes($File, $bytes)
    }
}

AfterAll { Exit-Place $place }

Describe 'Repositories' {
    It 'copies backups through the pipeline, and skips what is there' {
        $copies = @($backup | Copy-DbBackup -Destination "$place/other")
        $copies.Count | Should -Be 1
        $copies[0].Skipped | Should -BeFalse
        $copies[0].BackupId | Should -Be $backup.Id
        (Get-DbBackup -Repository "$place/other" | Test-DbBackup).Passed | Should -BeTrue
        ($backup | Copy-DbBackup -Destination "$place/other").Skipped | Should -BeTrue
    }
    It 'hands copies and proofs on' {
        $test = $backup | Copy-DbBackup -Destination "$place/third" | Test-DbBackup
        $test.Passed | Should -BeTrue
        $test.Backup.Repository | Should -Be "$place/third"
        ($test | Restore-DbBackup -Destination "$place/from-third.db").Path | Should -Be "$place/from-third.db"
        ($backup | Test-DbRepository).Repository | Should -Be "$place/repository"
        (Test-DbRepository "$place/third" | Repair-DbRepository -WhatIf).Planned | Should -BeTrue
        (Test-DbRepository "$place/third" | Optimize-DbRepository).Location | Should -Be "$place/third"
    }
    It 'copies nothing with -WhatIf' {
        $backup | Copy-DbBackup -Destination "$place/never" -WhatIf | Should -BeNullOrEmpty
        Test-Path -LiteralPath "$place/never" | Should -BeFalse
    }
    It 'finds nothing wrong with a good one' {
        $report = Test-DbRepository "$place/repository"
        $report.Passed | Should -BeTrue
        $report.Backups | Should -Be 1
        (Test-DbRepository "$place/repository").PacksTrusted | Should -BeGreaterThan 0
    }
    It 'names the backup and the tables that damage hits, plans with -WhatIf, and repairs' {
        Edit-Byte (Get-ChildItem -LiteralPath "$place/repository/packs" -Recurse -Filter *.pack)[0].FullName 0.5
        $report = Test-DbRepository "$place/repository"
        $report.Passed | Should -BeFalse
        $report.Damage[0].Backups | Should -Be $backup.Id
        $report.Damage[0].Objects | Should -Match '^(table|index) '

        $plan = Repair-DbRepository "$place/repository" -From "$place/other" -WhatIf
        $plan.Planned | Should -BeTrue
        $plan.BlobsRefilled | Should -Be 1
        Test-Path -LiteralPath "$place/repository/quarantine" | Should -BeFalse
        $WhatIfPreference = $true
        try { (Repair-DbRepository "$place/repository" -From "$place/other").Planned | Should -BeTrue }
        finally { $WhatIfPreference = $false }
        Test-Path -LiteralPath "$place/repository/quarantine" | Should -BeFalse

        $result = Repair-DbRepository "$place/repository" -From "$place/other" -Confirm:$false
        $result.Passed | Should -BeTrue
        (Test-DbRepository "$place/repository" -Full).Passed | Should -BeTrue
        (Test-DbRepository "$place/repository" -Decode).Decoded | Should -BeTrue
        ($backup | Test-DbBackup).Passed | Should -BeTrue
    }
    It 'ends a backup whose manifest cannot be mended only where that is asked for' {
        $path = "$place/given-up"
        $lost = New-DbBackup -Path "$place/shop.db" -Repository $path
        $manifest = (Get-ChildItem -LiteralPath "$path/backups" -Recurse -Filter manifest.json).FullName
        Set-Content -LiteralPath $manifest -Value 'none'
        (Repair-DbRepository $path -Confirm:$false).Passed | Should -BeFalse
        $plan = Repair-DbRepository $path -GiveUp -WhatIf
        ($plan.Actions | Where-Object Kind -EQ GiveUpBackup).Text | Should -Match $lost.Id
        Test-Path -LiteralPath $manifest | Should -BeTrue
        (Repair-DbRepository $path -GiveUp -Confirm:$false).Passed | Should -BeTrue
        Test-Path -LiteralPath $manifest | Should -BeFalse
        @(Get-ChildItem -LiteralPath "$path/quarantine").Count | Should -Be 1
    }
    It 'says what is wrong with a repository that is not there' {
        Test-DbRepository "$place/nowhere" -ErrorVariable problem -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        $problem[0].FullyQualifiedErrorId | Should -Match '^RepositoryInvalid'
        Test-DbRepository 'unknown' -ErrorVariable problem -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        $problem[0].FullyQualifiedErrorId | Should -Match '^Repository|^InventoryNotFound'
    }
}
