@{
    RootModule           = 'bin/DbRecovery.dll'
    ModuleVersion        = '0.1.0'
    GUID                 = '5d0f3c1e-6b0a-4c57-9a57-2f8e7c1d9b42'
    Author               = 'DbRecovery contributors'
    CompanyName          = 'DbRecovery'
    Copyright            = 'DbRecovery contributors'
    Description          = 'Brings broken databases back, and proves it: detects and names faults, recovers with runbooks that can be linted and planned, proves backups by restoring them, and keeps a record that can be trusted.'
    PowerShellVersion    = '7.4'
    CompatiblePSEditions = @('Core')
    FormatsToProcess     = @('DbRecovery.Format.ps1xml')
    CmdletsToExport      = @(
        'Add-DbRepositoryKey'
        'Approve-DbIncident'
        'Copy-DbBackup'
        'Export-DbReport'
        'Export-DbSalvage'
        'Get-DbBackup'
        'Get-DbCluster'
        'Get-DbDrill'
        'Get-DbFault'
        'Get-DbIncident'
        'Get-DbRepositoryKey'
        'Get-DbRunbook'
        'Get-DbTopology'
        'Initialize-DbCluster'
        'Invoke-DbDrill'
        'Invoke-DbFailover'
        'Invoke-DbRunbook'
        'Invoke-DbSwitchover'
        'New-DbBackup'
        'New-DbReplica'
        'Optimize-DbRepository'
        'Remove-DbBackup'
        'Remove-DbRepositoryKey'
        'Repair-DbReplica'
        'Repair-DbRepository'
        'Restore-DbBackup'
        'Resume-DbIncident'
        'Resume-DbRecovery'
        'Suspend-DbRecovery'
        'Test-DbBackup'
        'Test-DbHealth'
        'Test-DbRepository'
        'Test-DbRunbook'
        'Update-DbRepositoryKey'
        'Watch-DbHealth'
    )
    FunctionsToExport    = @()
    VariablesToExport    = @()
    AliasesToExport      = @()
    PrivateData          = @{
        PSData = @{
            Tags = @('Database', 'Recovery', 'Backup', 'Failover', 'SQLite', 'Runbook', 'PSEdition_Core', 'Linux', 'Windows', 'MacOS')
        }
    }
}
