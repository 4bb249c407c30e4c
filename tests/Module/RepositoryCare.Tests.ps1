#Requires -Version 7.4
# Repositories checked, repaired and copied from, by the module.
BeforeAll {
    $root = (Resolve-Path "$PSScriptRoot/../..").Path
    Import-Module "$root/DbRecovery.psd1" -Force
    $lab = Join-Path ([IO.Path]::GetTempPath()) "dbrecovery-care-$([guid]::NewGuid())"
    New-Item -ItemType Directory $lab | Out-Null
    $workload = "$root/artifacts/workload/workload$($IsWindows ? '.exe' : '')"
    if (-not (Test-Path -LiteralPath $workload)) {
        dotnet build "$root/tests/Workload" -c Release -o "$root/artifacts/workload" -v quiet | Out-Null
        if ($LASTEXITCODE) { throw 'tests/Workload does not build' }
    }
    & $workload create "$lab/shop.db" --megabytes 3 --journal delete
    $target = @{ Path = "$lab/shop.db"; Repository = "$lab/repository" }
    $backup = New-DbBackup @target

    function Edit-Byte([string] $File, [double] $Where) {
        $bytes = [IO.File]::ReadAllBytes($File)
        $at = [int](($bytes.Length - 1) * $Where)
        $bytes[$at] = $bytes[$at] -bxor 1
        [IO.File]::WriteAllBytes($File, $bytes)
    }
}

AfterAll {
    Remove-Item -LiteralPath $lab -Recurse -Force
}

Describe 'Repositories' {
    It 'copies backups through the pipeline, and skips what is there' {
        $copies = @($backup | Copy-DbBackup -Destination "$lab/other")
        $copies.Count | Should -Be 1
        $copies[0].Skipped | Should -BeFalse
        $copies[0].BackupId | Should -Be $backup.Id
        (Get-DbBackup -Repository "$lab/other" | Test-DbBackup).Passed | Should -BeTrue
        ($backup | Copy-DbBackup -Destination "$lab/other").Skipped | Should -BeTrue
    }
    It 'hands copies and proofs on' {
        $test = $backup | Copy-DbBackup -Destination "$lab/third" | Test-DbBackup
        $test.Passed | Should -BeTrue
        $test.Backup.Repository | Should -Be "$lab/third"
        ($test | Restore-DbBackup -Destination "$lab/from-third.db").Path | Should -Be "$lab/from-third.db"
        ($backup | Test-DbRepository).Repository | Should -Be "$lab/repository"
        (Test-DbRepository "$lab/third" | Repair-DbRepository -WhatIf).Planned | Should -BeTrue
        (Test-DbRepository "$lab/third" | Optimize-DbRepository).Location | Should -Be "$lab/third"
    }
    It 'copies nothing with -WhatIf' {
        $backup | Copy-DbBackup -Destination "$lab/never" -WhatIf | Should -BeNullOrEmpty
        Test-Path "$lab/never" | Should -BeFalse
    }
    It 'finds nothing wrong with a good one' {
        $report = Test-DbRepository "$lab/repository"
        $report.Passed | Should -BeTrue
        $report.Backups | Should -Be 1
        (Test-DbRepository "$lab/repository").PacksTrusted | Should -BeGreaterThan 0
    }
    It 'names the backup and the tables that damage hits, plans with -WhatIf, and repairs' {
        Edit-Byte (Get-ChildItem "$lab/repository/packs" -Recurse -Filter *.pack)[0].FullName 0.5
        $report = Test-DbRepository "$lab/repository"
        $report.Passed | Should -BeFalse
        $report.Damage[0].Backups | Should -Be $backup.Id
        $report.Damage[0].Objects | Should -Match '^(table|index) '

        $plan = Repair-DbRepository "$lab/repository" -From "$lab/other" -WhatIf
        $plan.Planned | Should -BeTrue
        $plan.BlobsRefilled | Should -Be 1
        Test-Path "$lab/repository/quarantine" | Should -BeFalse
        $WhatIfPreference = $true
        try { (Repair-DbRepository "$lab/repository" -From "$lab/other").Planned | Should -BeTrue }
        finally { $WhatIfPreference = $false }
        Test-Path "$lab/repository/quarantine" | Should -BeFalse

        $result = Repair-DbRepository "$lab/repository" -From "$lab/other" -Confirm:$false
        $result.Passed | Should -BeTrue
        (Test-DbRepository "$lab/repository" -Full).Passed | Should -BeTrue
        (Test-DbRepository "$lab/repository" -Decode).Decoded | Should -BeTrue
        ($backup | Test-DbBackup).Passed | Should -BeTrue
    }
    It 'ends a backup whose manifest cannot be mended only where that is asked for' {
        $path = "$lab/given-up"
        $lost = New-DbBackup -Path "$lab/shop.db" -Repository $path
        $manifest = (Get-ChildItem "$path/backups" -Recurse -Filter manifest.json).FullName
        Set-Content -LiteralPath $manifest -Value 'none'
        (Repair-DbRepository $path -Confirm:$false).Passed | Should -BeFalse
        $plan = Repair-DbRepository $path -GiveUp -WhatIf
        ($plan.Actions | Where-Object Kind -EQ GiveUpBackup).Text | Should -Match $lost.Id
        $manifest | Should -Exist
        (Repair-DbRepository $path -GiveUp -Confirm:$false).Passed | Should -BeTrue
        $manifest | Should -Not -Exist
        @(Get-ChildItem "$path/quarantine").Count | Should -Be 1
    }
    It 'says what is wrong with a repository that is not there' {
        Test-DbRepository "$lab/nowhere" -ErrorVariable problem -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        $problem[0].FullyQualifiedErrorId | Should -Match '^RepositoryInvalid'
        Test-DbRepository 'unknown' -ErrorVariable problem -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        $problem[0].FullyQualifiedErrorId | Should -Match '^Repository|^InventoryNotFound'
    }
}
