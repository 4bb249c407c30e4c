#Requires -Version 7.4
# What a damaged file still holds, brought into a new one. Needs the built module; the application is tests/Workload.
BeforeAll {
    . "$PSScriptRoot/Place.ps1"
    $place = Enter-Place 'salvage'
    $broken = "$place/broken.db"
    & $workload create $broken --megabytes 1 --journal delete
    & $workload damage $broken data --pages 2 | Out-Null
    $hash = (Get-FileHash -LiteralPath $broken).Hash
}

AfterAll { Exit-Place $place }

Describe 'Export-DbSalvage' {
    It 'says what can be read with -WhatIf, and writes nothing' {
        $looked = Export-DbSalvage -Path $broken -Destination "$place/never.db" -WhatIf
        $looked.Tables.Count | Should -BeGreaterThan 0
        $looked.Destination | Should -BeNullOrEmpty
        Test-Path -LiteralPath "$place/never.db" | Should -BeFalse
    }
    It 'reads what is left into a new file, and leaves the damaged one as it is' {
        $report = Export-DbSalvage -Path $broken -Destination "$place/new.db"
        $report | Should -BeOfType ([DbRecovery.SalvageReport])
        $report.RowsWritten | Should -BeGreaterThan 0
        @($report.Tables | Where-Object { -not $_.Complete }).Count | Should -BeGreaterThan 0
        (Test-DbHealth -Engine sqlite -Path "$place/new.db" -Level Deep).Faults.Id | Should -Not -Contain 'sqlite.corrupt'
        (Get-FileHash -LiteralPath $broken).Hash | Should -Be $hash
        foreach ($line in (@($report), $report.Tables | ForEach-Object { $_ | Format-Table | Out-String -Width 120 }) -split "`r?`n") { $line.TrimEnd().Length | Should -BeLessOrEqual 120 }
    }
    It 'replaces no file' {
        Set-Content -LiteralPath "$place/there.db" -Value 'mine'
        { Export-DbSalvage -Path $broken -Destination "$place/there.db" -ErrorAction Stop } | Should -Throw -ErrorId 'TargetExists*'
        Get-Content -LiteralPath "$place/there.db" | Should -Be 'mine'
    }
    It 'names a file that is not there' {
        { Export-DbSalvage -Path "$place/nothing.db" -Destination "$place/x.db" -ErrorAction Stop } | Should -Throw -ErrorId 'DatabaseNotFound*'
    }
}
