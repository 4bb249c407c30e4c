#Requires -Version 7.4
# A real primary with two standbys: looked at, drawn, changed and recovered by the commands. Needs the built module; the servers are tests/LabHost.
BeforeDiscovery {
    $lacking = (Test-Path /usr/lib/postgresql/15/bin/postgres) ? $null : 'postgresql-15 is not installed'
}

BeforeAll {
    . "$PSScriptRoot/Place.ps1"

    # Starts a cluster and gives what speaks to it; Stop-Lab ends it.
    function Start-Lab([string[]] $Arguments) {
        $program = "$root/artifacts/labhost/labhost"
        if (-not (Test-Path -LiteralPath $program)) {
            dotnet build "$root/tests/LabHost" -c Release -o "$root/artifacts/labhost" -v quiet | Out-Null
            if ($LASTEXITCODE) { throw 'tests/LabHost does not build' }
        }
        $start = [Diagnostics.ProcessStartInfo]::new($program, [string[]]$Arguments)
        $start.RedirectStandardInput = $start.RedirectStandardOutput = $true
        $lab = [Diagnostics.Process]::Start($start)
        $line = $lab.StandardOutput.ReadLine()
        if ($line -notlike 'ready *') { throw "the cluster did not start: $line" }
        $lab | Add-Member Inventory ($line -replace '^ready ') -PassThru
    }

    function Send-Lab($Lab, [string] $Command) {
        $Lab.StandardInput.WriteLine($Command)
        $answer = $Lab.StandardOutput.ReadLine()
        if ($answer -notlike 'ok*') { throw "${Command}: $answer" }
        ($answer -replace '^ok ?')
    }

    function Stop-Lab($Lab) {
        $Lab.StandardInput.Close()
        if (-not $Lab.WaitForExit(120000)) { $Lab.Kill(); throw 'the cluster did not end' }
    }

    # Runs a command in a session of its own; Output is what it has written so far.
    function Start-Session([string] $Script) {
        $session = [powershell]::Create()
        $null = $session.AddScript("Import-Module '$root/DbRecovery.psd1'; $Script")
        $given = [Management.Automation.PSDataCollection[psobject]]::new()
        $given.Complete()
        $output = [Management.Automation.PSDataCollection[psobject]]::new()
        # who reads what is there must not wait for the end
        $output.EnumeratorNeverBlocks = $true
        @{ Session = $session; Output = $output; Running = $session.BeginInvoke($given, $output) }
    }

    # Ends it as Ctrl+C does, and says how it ended.
    function Stop-Session($Started) {
        $stopping = $Started.Session.BeginStop($null, $null)
        if (-not $stopping.AsyncWaitHandle.WaitOne(120000)) { throw 'the command did not stop' }
        $Started.Session.EndStop($stopping)
        $state = $Started.Session.InvocationStateInfo.State
        $Started.Session.Dispose()
        $state
    }

    function Enter-LabPlace($Lab) {
        $place = Enter-Place 'pg'
        [Environment]::SetEnvironmentVariable('DBRECOVERY_INVENTORY', $Lab.Inventory)
        $place
    }

    $ours = "select string_agg(pid::text, ' ' order by pid) from pg_stat_activity where application_name = 'dbrecovery'"
}

Describe 'A cluster of servers' -Skip:([bool]$lacking) {
    BeforeAll {
        # a machine that takes its time to answer is no silent one
        $lab = Start-Lab '--standbys', '2', '--also', 'policy: { detectWithin: 60s }'
        $place = Enter-LabPlace $lab
        $ports = (Get-DbCluster lab).Nodes.Port
    }
    AfterAll {
        Exit-Place $place
        Stop-Lab $lab
    }
    It 'is healthy' {
        $report = Test-DbHealth lab
        $report.Status | Should -Be 'Healthy'
        $report.Nodes.Node | Should -Be 'lab-1', 'lab-2', 'lab-3'
        $report.Nodes.Role | Should -Be 'Primary', 'Replica', 'Replica'
    }
    It 'is looked at through sessions that stay open from one command to the next' {
        Test-DbHealth lab -Level Quick | Out-Null
        $first = Send-Lab $lab "ask lab-1 $ours"
        $first | Should -Not -BeNullOrEmpty
        Test-DbHealth lab -Level Quick | Out-Null
        Get-DbTopology lab | Out-Null
        Send-Lab $lab "ask lab-1 $ours" | Should -Be $first
    }
    It 'is left alone when the module is removed' {
        # a process of its own: here other runspaces may have the module, too
        $here = (Send-Lab $lab "ask lab-1 $ours") -split ' '
        $env:LAB_QUESTION = $ours
        $had, $left = & pwsh -NoProfile -NonInteractive -Command "
            function Ask { (psql -h 127.0.0.1 -p $($ports[0]) -U postgres -Atc `$env:LAB_QUESTION) -split ' ' | Where-Object { `$_ -and `$_ -notin ('$here' -split ' ') } }
            Import-Module '$root/DbRecovery.psd1'
            Test-DbHealth lab -Level Quick | Out-Null
            'had ' + ((Ask) -join ' ')
            Remove-Module DbRecovery
            `$clock = [Diagnostics.Stopwatch]::StartNew()
            do { `$left = Ask } until (-not `$left -or `$clock.Elapsed.TotalMinutes -ge 2)
            'left ' + (`$left -join ' ')"
        $had | Should -Match '^had \d+'
        $left | Should -Be 'left '
    }
    It 'has a topology: a tree to read, and objects' {
        $topology = Get-DbTopology lab
        $topology.Primary | Should -Be 'lab-1'
        $topology.Nodes.Node | Should -Be 'lab-1', 'lab-2', 'lab-3'
        $topology.Nodes.Upstream | Should -Be $null, 'lab-1', 'lab-1'
        $topology.Nodes[1].State | Should -Be 'streaming'
        ($topology | Out-String -Width 100) | Should -Match '─ lab-2'
        ($topology | Format-Table | Out-String -Width 100) | Should -Match 'Primary'
    }
    It 'can be named without an inventory, and never with a password' {
        $report = Test-DbHealth -ConnectionString "host=127.0.0.1,127.0.0.1 port=$($ports[0]),$($ports[1]) user=postgres"
        $report.Engine | Should -Be 'postgresql'
        $report.Nodes.Role | Should -Be 'Primary', 'Replica'
        (Get-DbTopology -ConnectionString "postgresql://postgres@127.0.0.1:$($ports[0])").Nodes.Count | Should -Be 1
        { Test-DbHealth -ConnectionString 'host=127.0.0.1 password=hunter2' } | Should -Throw -ErrorId 'ParameterInvalid*'
        $Error[0] | Out-String | Should -Not -Match 'hunter2.*hunter2'
    }
    It 'reports the nodes that answer beside one that does not' {
        # without an inventory a node has two seconds to answer, which a busy machine may not have for it at the first attempt
        $report = Wait-For {
            $seen = Test-DbHealth -Level Quick -ConnectionString "host=127.0.0.1,127.0.0.1 port=$($ports[0]),1 user=postgres"
            if ($seen.Observations.Reachability -notcontains 'TimedOut') { $seen }
        }
        $report.Observations.Reachability | Should -Be 'Reachable', 'Absent'
        $report.Nodes[0].Role | Should -Be 'Primary'
    }
    It 'completes nodes' {
        $line = 'Invoke-DbSwitchover lab -To '
        (TabExpansion2 $line $line.Length).CompletionMatches.CompletionText | Should -Be 'lab-1', 'lab-2', 'lab-3'
    }
    It 'refuses what is no node of it' {
        Invoke-DbSwitchover lab -To lab-9 -WhatIf -ErrorAction SilentlyContinue -ErrorVariable problem
        $problem[0].FullyQualifiedErrorId | Should -BeLike 'NodeNotFound*'
    }
    It 'refuses the primary as the next primary' {
        Invoke-DbSwitchover lab -To lab-1 -WhatIf -ErrorAction SilentlyContinue -ErrorVariable problem
        $problem[0].FullyQualifiedErrorId | Should -BeLike 'WrongNode*'
    }
    It 'plans a switchover, and changes nothing with -WhatIf' {
        $plan = Invoke-DbSwitchover lab -To lab-2 -WhatIf -InformationAction Ignore
        $plan | Should -BeOfType ([DbRecovery.RecoveryPlan])
        $plan.Fault.Id | Should -Be 'planned.switchover'
        $plan.Blocked | Should -BeNullOrEmpty
        $plan.Loss | Should -BeNullOrEmpty
        ($plan.Steps.Acts.Detail -join "`n") | Should -Match 'pg_promote'
        (Get-DbTopology lab).Primary | Should -Be 'lab-1'
        Get-DbIncident | Should -BeNullOrEmpty
    }
    It 'plans a failover, and says what would be lost' {
        $plan = Invoke-DbFailover lab -WhatIf -InformationAction Ignore
        $plan.Fault.Id | Should -Be 'planned.failover'
        ($plan.Steps.Acts.Detail -join "`n") | Should -Match 'pg_promote'
        (Get-DbTopology lab).Primary | Should -Be 'lab-1'
    }
    It 'says what its set-up lacks, with the SQL, and changes nothing with -WhatIf' {
        $before = Send-Lab $lab 'ask lab-1 select count(*) from pg_namespace'
        $items = Initialize-DbCluster lab -WhatIf -InformationAction Ignore
        $items | Should -Not -BeNullOrEmpty
        $items[0] | Should -BeOfType ([DbRecovery.SetupItem])
        Send-Lab $lab 'ask lab-1 select count(*) from pg_namespace' | Should -Be $before
    }
    It 'is piped from one command to the next' {
        (Get-DbCluster lab | Get-DbTopology).Primary | Should -Be 'lab-1'
        (Get-DbCluster lab | Invoke-DbSwitchover -To lab-2 -WhatIf -InformationAction Ignore).Cluster | Should -Be 'lab'
        Test-DbHealth lab | Get-DbFault | Get-DbRunbook | Should -BeNullOrEmpty
        $plan = (Get-DbTopology lab).Nodes | Where-Object Node -eq lab-3 | Repair-DbReplica -Rebuild Always -WhatIf -InformationAction Ignore
        ($plan.Steps.Acts.Detail -join "`n") | Should -Match 'pg_basebackup'
    }
    It 'shows every script of a plan whole in the question' {
        $told = & pwsh -NoProfile -NonInteractive -Command "Import-Module '$root/DbRecovery.psd1'; Invoke-DbSwitchover lab -To lab-2 -WhatIf | Out-Null" | Out-String
        $told | Should -Match 'stop the server and wait until none of its processes is left \(script 1 below\)'
        $told | Should -Match 'while \[ -n "\$P" \]; do pause; look; done'
        $told | Should -Not -Match 'characters more'
    }
    It 'is no wider than a terminal of 100 columns' {
        foreach ($shown in (Get-DbTopology lab), ((Get-DbTopology lab).Nodes), (Test-DbHealth lab), (Watch-DbHealth lab | Select-Object -First 1)) {
            ($shown | Out-String -Width 100) -split "`n" | ForEach-Object { $_.TrimEnd().Length | Should -BeLessOrEqual 100 -Because $_ }
        }
    }
    It 'changes nothing where nobody can be asked, and says what to do' {
        $ids = & pwsh -NoProfile -NonInteractive -Command "Import-Module '$root/DbRecovery.psd1'; Invoke-DbSwitchover lab -To lab-2 2>&1 | ForEach-Object { `$_.FullyQualifiedErrorId }"
        $ids | Should -BeLike 'ApprovalRequired*'
        (Get-DbTopology lab).Primary | Should -Be 'lab-1'
    }
    It 'has another primary after a switchover, and a record of it' {
        $incident = Invoke-DbSwitchover lab -To lab-2 -Confirm:$false
        $incident.State | Should -Be 'Resolved' -Because $incident.Summary
        $topology = Get-DbTopology lab
        $topology.Primary | Should -Be 'lab-2'
        Send-Lab $lab 'ask lab-2 select pg_is_in_recovery()' | Should -Be 'False'
        (Get-DbIncident lab -Latest).Id | Should -Be $incident.Id
        Wait-For { (Get-DbTopology lab).Nodes.Where{ $_.State -eq 'streaming' }.Count -eq 2 } | Should -BeTrue
    }
}

Describe 'A primary that is gone' -Skip:([bool]$lacking) {
    BeforeAll {
        $lab = Start-Lab '--standbys', '2', '--also', 'policy: { maxDataLoss: 1MB, detectWithin: 60s }'
        $place = Enter-LabPlace $lab
        Test-DbHealth lab | Out-Null
        Send-Lab $lab 'break lab-1'
        Send-Lab $lab 'kill lab-1'
    }
    AfterAll {
        Exit-Place $place
        Stop-Lab $lab
    }
    It 'is a fault with a plan' {
        $fault = Wait-For { Test-DbHealth lab -Level Quick | Get-DbFault | Where-Object Id -in 'pg.primary.dead', 'node.process-down' | Select-Object -First 1 }
        $fault | Should -Not -BeNullOrEmpty
        $plan = $fault | Invoke-DbRunbook -WhatIf -InformationAction Ignore
        $plan | Should -BeOfType ([DbRecovery.RecoveryPlan])
        ($plan.Steps.Acts.Detail -join "`n") | Should -Match 'pg_promote'
    }
    It 'is replaced, and comes back as a replica by the pipeline' {
        $incident = Invoke-DbFailover lab -AllowDataLoss Any -Confirm:$false
        $incident.State | Should -Be 'Resolved' -Because $incident.Summary
        $primary = (Get-DbTopology lab).Primary
        $primary | Should -BeIn 'lab-2', 'lab-3'
        # what fails is an error, beside the record of it
        $failed = Repair-DbReplica lab lab-1 -AllowDataLoss Any -Confirm:$false -ErrorAction SilentlyContinue -ErrorVariable problem
        $failed.State | Should -Be 'Failed'
        $problem[0].FullyQualifiedErrorId | Should -BeLike 'StepFailed*'
        Send-Lab $lab 'mend lab-1'
        $back = (Get-DbTopology lab).Nodes | Where-Object Node -eq 'lab-1' | Repair-DbReplica -AllowDataLoss Any -Confirm:$false
        $back.State | Should -Be 'Resolved' -Because $back.Summary
        Wait-For { (Get-DbTopology lab).Nodes.Where{ $_.State -eq 'streaming' }.Count -eq 2 } | Should -BeTrue
    }
}

Describe 'A watched cluster' -Skip:([bool]$lacking) {
    BeforeAll {
        $lab = Start-Lab '--standbys', '2', '--also', 'policy: { autoRecover: true, maxDataLoss: 64MB, detectWithin: 10s }'
        $place = Enter-LabPlace $lab
    }
    AfterAll {
        Exit-Place $place
        Stop-Lab $lab
    }
    It 'says how it is, and ends when nobody wants more' {
        $told = Watch-DbHealth lab | Select-Object -First 1
        $told | Should -BeOfType ([DbRecovery.WatchEvent])
        $told.Kind | Should -Be 'Started'
        $told.Cluster | Should -Be 'lab'
    }
    It 'takes clusters from the pipeline, and ends by itself with -For' {
        # a busy machine must have looked once
        $told = foreach ($seconds in 2, 5, 20, 60) {
            if ($seen = Get-DbCluster lab | ForEach-Object Name | Watch-DbHealth -For "${seconds}s") { $seen; break }
        }
        $told[0].Kind | Should -Be 'Started'
        { Watch-DbHealth lab -For 10 } | Should -Throw -ErrorId 'ParameterArgumentTransformationError*'
    }
    It 'ends when it is stopped' {
        $watch = Start-Session 'Watch-DbHealth lab -Every 200ms'
        Wait-For { $watch.Output.Count } | Should -BeGreaterThan 0
        Stop-Session $watch | Should -Be 'Stopped'
    }
    It 'is recovered with -Recover, and tells each step as an object' {
        $watch = Start-Session 'Watch-DbHealth lab -Recover'
        Wait-For { $watch.Output.Count } | Should -BeGreaterThan 0
        Send-Lab $lab 'break lab-1'
        Send-Lab $lab 'kill lab-1'
        Wait-For { @($watch.Output) | Where-Object { $_.Kind -eq 'Incident' -and $_.To -eq 'Probation' } } | Should -Not -BeNullOrEmpty -Because (@($watch.Output).Summary -join '; ')
        Stop-Session $watch | Should -Be 'Stopped'
        @($watch.Output).Kind | Should -Contain 'FaultRaised'
        (Get-DbTopology lab).Primary | Should -BeIn 'lab-2', 'lab-3'
        # the stop may have come in the middle of another one, such as the return of lab-1
        (Get-DbIncident lab).State | Should -Contain 'Probation'
    }
}

Describe 'A cluster that nobody prepared' -Skip:([bool]$lacking) {
    BeforeAll {
        $lab = Start-Lab '--standbys', '0', '--scram'
        $place = Enter-LabPlace $lab
        $folder = Split-Path $lab.Inventory
        $listener = [Net.Sockets.TcpListener]::new([Net.IPAddress]::Loopback, 0)
        $listener.Start()
        $port = $listener.LocalEndpoint.Port
        $listener.Stop()
        New-Item -ItemType Directory "$folder/lab-2" | Out-Null
        if ((id -u) -eq '0') { chown postgres "$folder/lab-2" }
        $text = (Get-Content -LiteralPath $lab.Inventory -Raw) -replace 'user: postgres,', 'user: keeper,' -replace '(?m)^    auth:', "      - { name: lab-2, host: 127.0.0.1, port: $port, dataDir: $folder/lab-2/data, binDir: /usr/lib/postgresql/15/bin, runAs: postgres }`n    auth:"
        Set-Content -LiteralPath $lab.Inventory -Value $text
        $admin = [pscredential]::new('postgres', (ConvertTo-SecureString (Get-Content -LiteralPath "$folder/password" -Raw).Trim() -AsPlainText))
    }
    AfterAll {
        Exit-Place $place
        Stop-Lab $lab
    }
    It 'is set up by a superuser, item by item' {
        $before = Initialize-DbCluster lab -Credential $admin -WhatIf -InformationAction Ignore
        ($before | Where-Object Name -eq role).State | Should -Be 'Missing'
        $after = Initialize-DbCluster lab -Credential $admin -Confirm:$false
        ($after | Where-Object Node -eq lab-1 | Where-Object State -eq Missing) | Should -BeNullOrEmpty
        Send-Lab $lab "ask lab-1 select rolsuper from pg_roles where rolname = 'keeper'" | Should -Be 'False'
    }
    It 'has a new replica by the role that came of it' {
        $plan = New-DbReplica lab lab-2 -WhatIf -InformationAction Ignore
        ($plan.Steps.Acts.Detail -join "`n") | Should -Match 'pg_basebackup'
        $incident = New-DbReplica lab lab-2 -Confirm:$false
        $incident.State | Should -Be 'Resolved' -Because $incident.Summary
        (Get-DbTopology lab).Nodes.State | Should -Be $null, 'streaming'
        New-DbReplica lab lab-2 -WhatIf -InformationAction Ignore | ForEach-Object { $_.Steps.Acts.Detail } | Should -Match 'is not new'
        # nothing was done, and that is said
        (New-DbReplica lab lab-2 -Confirm:$false -WarningVariable told -WarningAction SilentlyContinue).State | Should -Be 'Suppressed'
        "$told" | Should -Match 'is not new'
    }
}

Describe 'What is no cluster of servers' {
    BeforeAll {
        $place = Enter-Place 'file' "clusters:`n  app: { engine: sqlite, nodes: [ { name: app-db, path: app.db } ] }"
        & $workload create "$place/app.db" --megabytes 1
    }
    AfterAll { Exit-Place $place }
    It 'has no <_>' -ForEach 'Invoke-DbFailover', 'Invoke-DbSwitchover' {
        & $_ app -WhatIf -ErrorAction SilentlyContinue -ErrorVariable problem
        $problem[0].FullyQualifiedErrorId | Should -BeLike 'CapabilityMissing*'
    }
    It 'has no set-up' {
        Initialize-DbCluster app -WhatIf -ErrorAction SilentlyContinue -ErrorVariable problem
        $problem[0].FullyQualifiedErrorId | Should -BeLike 'CapabilityMissing*'
    }
    It 'has a topology of one' {
        (Get-DbTopology app).Nodes.Node | Should -Be 'app-db'
    }
}
