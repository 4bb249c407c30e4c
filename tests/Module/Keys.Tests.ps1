#Requires -Version 7.4
# Encrypted repositories and their keys, with a real database. Needs the built module; the application is tests/Workload.
BeforeAll {
    . "$PSScriptRoot/Place.ps1"
    $canary = "canary-$([guid]::NewGuid())"
    $place = Enter-Place 'keys' @'
clusters:
  app:
    engine: sqlite
    nodes: [ { name: app-db, path: app.db } ]
    backups: { repository: main }
repositories:
  main: { path: backup, encryption: { passphrase: { env: DBRECOVERY_KEYTEST } } }
  vault: { path: backup, encryption: { keyFile: vault.key } }
'@ @{ DBRECOVERY_KEYTEST = $canary }
    & $workload create "$place/app.db" --megabytes 1 | Out-Null
    $seen = [Collections.Generic.List[string]]::new()
}

AfterAll { Exit-Place $place }

Describe 'Keys of a repository' {
    BeforeAll {
        $proved = New-DbBackup -Cluster app -Verbose 4>&1 | ForEach-Object { $seen.Add("$_"); $_ } | Where-Object { $_ -is [DbRecovery.BackupInfo] } | Test-DbBackup
    }
    It 'encrypts what it stores and restores it' {
        $proved.Passed | Should -BeTrue
        ($proved | ForEach-Object Backup | Restore-DbBackup -Destination ./copy.db).SizeBytes | Should -BeGreaterThan 0
    }
    It 'lists the first key' {
        $keys = @(Get-DbRepositoryKey main)
        $keys.Count | Should -Be 1
        $keys[0].Label | Should -Be 'initial'
        $keys[0].State | Should -Be 'Current'
        $keys[0].InUse | Should -BeTrue
        ($keys | Out-String) | ForEach-Object { $seen.Add($_) }
    }
    It 'adds a key file that it makes, and a secure string' {
        Add-DbRepositoryKey -Repository main -Label vault -NewKeyFile ./vault.key -WhatIf
        Test-Path -LiteralPath "$place/vault.key" | Should -BeFalse
        $added = Add-DbRepositoryKey -Repository main -Label vault -NewKeyFile ./vault.key
        $added.Kind | Should -Be 'KeyFile'
        $secure = ConvertTo-SecureString 'a passphrase of many words' -AsPlainText -Force
        (Add-DbRepositoryKey -Repository main -Label person -Passphrase $secure).Kind | Should -Be 'Passphrase'
        (Get-DbRepositoryKey vault | Where-Object InUse).Label | Should -Be 'vault'
        @(Get-DbBackup -Repository vault).Count | Should -Be 1
    }
    It 'begins a new epoch with one key for all' {
        (Update-DbRepositoryKey -Repository main).Epoch | Select-Object -Unique | Should -Be 2
        @(Get-DbBackup -Repository vault).Count | Should -Be 1
    }
    It 'removes a key after a question, and never the last' {
        Get-DbRepositoryKey main | Where-Object Label -EQ person | Remove-DbRepositoryKey -WhatIf
        @(Get-DbRepositoryKey main).Count | Should -Be 3
        Get-DbRepositoryKey main | Where-Object Label -EQ person | Remove-DbRepositoryKey -Confirm:$false | Out-Null
        Remove-DbRepositoryKey -Repository main -Key initial -Confirm:$false | Out-Null
        { Get-DbRepositoryKey main -ErrorAction Stop } | Should -Throw -ErrorId 'RepositoryLocked*'
        { Remove-DbRepositoryKey -Repository vault -Key vault -Confirm:$false -ErrorAction Stop } | Should -Throw -ErrorId 'ParameterInvalid*'
        @(Get-DbRepositoryKey vault).Label | Should -Be 'vault'
        (Get-DbRepositoryKey vault).Epoch | Should -Be 4
    }
    It 'tells no secret anywhere' {
        $Error | ForEach-Object { $seen.Add(($_ | Out-String)); $seen.Add("$($_.Exception)") }
        $seen -join "`n" | Should -Not -Match ([regex]::Escape($canary))
        foreach ($file in Get-ChildItem -LiteralPath ./backup -Recurse -File) {
            [Text.Encoding]::Latin1.GetString([IO.File]::ReadAllBytes($file.FullName)) | Should -Not -Match "$([regex]::Escape($canary))|customers|app-db"
        }
    }
}
