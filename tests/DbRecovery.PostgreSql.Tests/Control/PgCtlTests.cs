using DbRecovery.PostgreSql.Tests.Lab;
using DbRecovery.PostgresLab;

namespace DbRecovery.PostgreSql.Tests.Control;

/// <summary>Real servers, started and stopped by their own programs.</summary>
public sealed class PgCtlTests
{
    private static readonly PgClusterOptions Alone = new() { Standbys = 0 };

    [Fact]
    public async Task Stop_and_start_are_seen_in_the_status_and_are_done_once_only()
    {
        await using var bench = await Bench.StartAsync(Alone);
        var (node, here) = (bench.Lab.Primary, bench[bench.Lab.Primary]);
        var running = await bench.StatusAsync(node);
        Assert.Equal((InstanceState.Running, node.ProcessId), (running.State, running.ProcessId));
        // it sleeps, or does something at this moment
        Assert.Contains(running.ProcessState!.Value, "SRD");

        await bench.Control.Stop(bench.Cluster, here).RunAsync();
        await bench.Control.Stop(bench.Cluster, here).RunAsync();
        Assert.Equal(InstanceState.Stopped, (await bench.StatusAsync(node)).State);

        await bench.Control.Start(bench.Cluster, here).RunAsync();
        // it takes connections the moment the start is done
        Assert.Equal(1, await bench.Lab.ScalarAsync<int>(node, "select 1"));
        var first = node.ProcessId;
        await bench.Control.Start(bench.Cluster, here).RunAsync();
        Assert.Equal(first, node.ProcessId);
    }

    [Fact]
    public async Task Kill_leaves_no_process_though_a_backend_commits_and_though_the_server_is_stopped()
    {
        await using var bench = await Bench.StartAsync(Alone);
        var (node, here) = (bench.Lab.Primary, bench[bench.Lab.Primary]);
        await using (var writer = await Writer.StartAsync(bench.Lab))
        {
            await bench.Control.Kill(bench.Cluster, here).RunAsync();
            Assert.False(node.Runs);
            Assert.Equal(InstanceState.Stopped, (await bench.StatusAsync(node)).State);
            await bench.Control.Start(bench.Cluster, here).RunAsync();
            await writer.UntilAsync(5);
            Assert.Empty(await writer.MissingAsync(bench.Lab, node));
        }

        await node.FreezeAsync();
        Assert.Equal('T', (await bench.StatusAsync(node)).ProcessState);
        await bench.Control.Kill(bench.Cluster, here).RunAsync();
        Assert.False(node.Runs);
        // what is dead already is no error
        await bench.Control.Kill(bench.Cluster, here).RunAsync();
    }

    [Fact]
    public async Task A_main_process_that_was_killed_alone_is_not_stopped_while_children_are_left()
    {
        await using var bench = await Bench.StartAsync(Alone);
        var node = bench.Lab.Primary;
        var main = node.ProcessId!.Value;
        // its children cannot see its end: they are stopped
        await node.FreezeAsync();
        Machine.Signal(main, Machine.SigKill);
        await Machine.UntilAsync(() => !Machine.Lives(main), () => "the main process lives");
        var status = await bench.StatusAsync(node);
        Assert.Equal((InstanceState.Running, (int?)null), (status.State, status.ProcessId));
        await bench.Control.Kill(bench.Cluster, bench[node]).RunAsync();
        Assert.Equal(InstanceState.Stopped, (await bench.StatusAsync(node)).State);
    }

    [Fact]
    [System.Runtime.Versioning.UnsupportedOSPlatform("windows")]
    public async Task A_server_whose_program_has_a_name_of_its_own_is_seen_and_killed()
    {
        await using var bench = await Bench.StartAsync(Alone);
        var node = bench.Lab.Primary;
        await node.StopAsync();
        // as EDB names its own
        var (usual, own) = (Path.Combine(node.BinDir, "postgres"), Path.Combine(node.BinDir, "edb-postgres"));
        File.Move(usual, own);
        File.WriteAllText(usual, $"#!/bin/sh\nexec '{own}' \"$@\"\n");
        File.SetUnixFileMode(usual, File.GetUnixFileMode(own));
        await node.StartAsync();
        var status = await bench.StatusAsync(node);
        Assert.Equal((InstanceState.Running, node.ProcessId), (status.State, status.ProcessId));
        await bench.Control.Kill(bench.Cluster, bench[node]).RunAsync();
        Assert.False(node.Runs);
        Assert.Equal(InstanceState.Stopped, (await bench.StatusAsync(node)).State);
    }

    [Fact]
    public async Task A_pid_file_with_the_number_of_another_process_hides_nothing_and_stops_nothing()
    {
        await using var bench = await Bench.StartAsync(new PgClusterOptions { Standbys = 1 });
        var (node, other) = (bench.Lab.Primary, bench.Lab.Nodes[1]);
        await node.KillAsync();
        await Machine.UntilAsync(() => !node.Runs, () => "it runs");
        // another server of the same user: the program itself refuses to start beside that, in its folder and at its socket
        foreach (var file in (string[])[Path.Combine(node.DataDir, "postmaster.pid"), Path.Combine(node.Folder, $".s.PGSQL.{node.Port}.lock")])
            File.WriteAllText(file, File.ReadAllText(file).Replace(File.ReadLines(file).First(), $"{other.ProcessId}"));
        Assert.Equal(InstanceState.Stopped, (await bench.StatusAsync(node)).State);
        await bench.Control.Kill(bench.Cluster, bench[node]).RunAsync();
        await bench.Control.Stop(bench.Cluster, bench[node]).RunAsync();
        Assert.True(other.Runs);
        await bench.Control.Start(bench.Cluster, bench[node]).RunAsync();
        Assert.NotNull(node.ProcessId);
        Assert.True(other.Runs);
    }

    [Fact]
    public async Task What_would_be_a_second_primary_is_not_started_as_a_replica()
    {
        await using var bench = await Bench.StartAsync(new PgClusterOptions { Standbys = 1 });
        foreach (var node in bench.Lab.Nodes)
            await bench.Control.Kill(bench.Cluster, bench[node]).RunAsync();
        await bench.Control.Start(bench.Cluster, bench[bench.Lab.Primary], asReplica: true).FailsAsync(ErrorIds.WrongNode);
        Assert.False(bench.Lab.Primary.Runs);
        await bench.Control.Start(bench.Cluster, bench[bench.Lab.Nodes[1]], asReplica: true).RunAsync();
        Assert.True(await bench.Lab.ScalarAsync<bool>(bench.Lab.Nodes[1], "select pg_is_in_recovery()"));
    }

    [Fact]
    public async Task A_start_that_is_under_way_ends_where_a_fence_comes_meanwhile()
    {
        await using var bench = await Bench.StartAsync(Alone);
        var (node, here) = (bench.Lab.Primary, bench[bench.Lab.Primary]);
        // children are left that cannot see the end of their main process: the start waits for theirs
        var main = node.ProcessId!.Value;
        await node.FreezeAsync();
        Machine.Signal(main, Machine.SigKill);
        await Machine.UntilAsync(() => !Machine.Lives(main), () => "the main process lives");
        var starting = bench.Control.Start(bench.Cluster, here).RunAsync();
        await Machine.UntilAsync(() => Directory.EnumerateDirectories("/proc").Any(p => IsStart(p, node)), () => "the start does not begin");
        await bench.Control.HoldDown(bench.Cluster, here)!.RunAsync();
        await bench.Control.Kill(bench.Cluster, here).RunAsync();
        Assert.Equal(ErrorIds.StepFailed, (await Assert.ThrowsAsync<DbRecoveryException>(() => starting)).Id);
        Assert.False(node.Runs);
        await bench.Control.Start(bench.Cluster, here, letGo: true).RunAsync();
        Assert.Equal(1, await bench.Lab.ScalarAsync<int>(node, "select 1"));
    }

    private static bool IsStart(string process, PgNode node)
    {
        try
        {
            var words = File.ReadAllText(Path.Combine(process, "cmdline"));
            return words.Contains("setsid", StringComparison.Ordinal) && words.Contains(node.DataDir, StringComparison.Ordinal);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    [Fact]
    public async Task One_that_ends_at_once_fails_at_once_with_its_log()
    {
        await using var bench = await Bench.StartAsync(Alone);
        var (node, here) = (bench.Lab.Primary, bench[bench.Lab.Primary]);
        await bench.Control.Stop(bench.Cluster, here).RunAsync();
        node.Configure([new("shared_buffers", "nonsense")]);
        var error = await bench.Control.Start(bench.Cluster, here).FailsAsync(ErrorIds.StepFailed);
        Assert.Contains("shared_buffers", error.Message, StringComparison.Ordinal);
        node.Configure([new("shared_buffers", "16MB")]);

        node.BreakBinary();
        Assert.Contains("postgres", (await bench.Control.Start(bench.Cluster, here).FailsAsync(ErrorIds.StepFailed)).Message, StringComparison.Ordinal);
        node.MendBinary();
        await bench.Control.Start(bench.Cluster, here).RunAsync();
    }

    [Fact]
    public async Task One_that_is_held_down_does_not_start_until_it_is_let_go()
    {
        await using var bench = await Bench.StartAsync(Alone);
        var (node, here) = (bench.Lab.Primary, bench[bench.Lab.Primary]);
        await bench.Control.Kill(bench.Cluster, here).RunAsync();
        Assert.Equal(InstanceState.Stopped, (await bench.Control.HoldDown(bench.Cluster, here)!.RunAsync()).Status!.State);
        Assert.Equal(ErrorKind.Refused, (await bench.Control.Start(bench.Cluster, here).FailsAsync(ErrorIds.StepFailed)).Kind);
        Assert.False(node.Runs);
        await bench.Control.Start(bench.Cluster, here, letGo: true).RunAsync();
        Assert.True(node.Runs);
        await bench.Control.Stop(bench.Cluster, here).RunAsync();
        await bench.Control.Start(bench.Cluster, here).RunAsync();
        Assert.Equal(InstanceState.Running, (await bench.Control.HoldDown(bench.Cluster, here)!.RunAsync()).Status!.State);
    }

    [Fact]
    public async Task A_stop_that_takes_longer_than_its_time_says_so_and_kills_nothing()
    {
        await using var bench = await Bench.StartAsync(Alone);
        var node = bench.Lab.Primary;
        await node.FreezeAsync();
        await bench.Control.Stop(bench.Cluster, bench[node]).FailsAsync(ErrorIds.TimedOut, TimeSpan.FromSeconds(1));
        Assert.True(node.Runs);
        node.Thaw();
        // what it was asked, it does once it can
        await Machine.UntilAsync(() => !node.Runs, () => "it runs");
    }

    [Fact]
    public async Task Who_gives_up_waiting_for_a_start_does_not_kill_what_was_started()
    {
        await using var bench = await Bench.StartAsync(Alone);
        var (node, here) = (bench.Lab.Primary, bench[bench.Lab.Primary]);
        await node.StopAsync();
        // one that never gets ready
        var (program, started) = (Path.Combine(node.BinDir, "postgres"), Path.Combine(node.DataDir, "started"));
        File.Delete(program);
        await File.WriteAllTextAsync(program, "#!/bin/sh\necho $$ > started.new; mv started.new started; while :; do sleep 1; done\n");
        await Machine.RunAsync(["chmod", "755", program]);
        using var cancel = new CancellationTokenSource();
        var starting = bench.Control.Start(bench.Cluster, here).RunAsync(Bench.Time, null, cancel.Token);
        await Machine.UntilAsync(() => File.Exists(started), () => "it was not started");
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => starting);
        Assert.True(Machine.Lives(int.Parse(File.ReadAllText(started))));

        await bench.Control.Kill(bench.Cluster, here).RunAsync();
        Assert.Equal(InstanceState.Stopped, (await bench.StatusAsync(node)).State);
        var log = await bench.Control.Start(bench.Cluster, here).FailsAsync(ErrorIds.TimedOut, TimeSpan.FromSeconds(1));
        Assert.Contains("goes on", log.Message, StringComparison.Ordinal);
        await bench.Control.Kill(bench.Cluster, here).RunAsync();
    }

    [Fact]
    public async Task What_cannot_be_told_is_unknown()
    {
        await using var bench = await Bench.StartAsync(Alone);
        var here = bench[bench.Lab.Primary];
        Assert.Equal(InstanceState.Unknown, (await bench.Control.StatusAsync(bench.Cluster, here with { DataDir = "/nonexistent" }, Bench.Time, default)).State);
        Assert.Equal(InstanceState.Unknown, (await bench.Control.StatusAsync(bench.Cluster, here with { DataDir = null }, Bench.Time, default)).State);
        Assert.Equal(InstanceState.Unknown, (await bench.Control.StatusAsync(bench.Cluster with { Control = null }, here, Bench.Time, default)).State);
        // who may not see the processes of others must not say that there are none
        Assert.Equal(InstanceState.Unknown, (await bench.Control.StatusAsync(bench.Cluster, here with { RunAs = "nobody" }, Bench.Time, default)).State);
        Assert.NotNull(bench.Control.UnavailableBecause(bench.Cluster with { Control = null }, here));
        Assert.Null(bench.Control.UnavailableBecause(bench.Cluster, here));
        Assert.Null(bench.Control.PowerOff(bench.Cluster, here));
    }

    [Fact]
    public async Task Space_is_freed_by_old_logs_and_cores_only()
    {
        await using var bench = await Bench.StartAsync(Alone with { Settings = new Dictionary<string, string> { ["logging_collector"] = "on", ["log_filename"] = "current.log" } });
        var node = bench.Lab.Primary;
        var old = DateTime.UtcNow.AddHours(-2);
        string Put(string name, DateTime? at = null)
        {
            var path = Path.Combine(node.DataDir, name);
            File.WriteAllText(path, "0123456789");
            File.SetLastWriteTimeUtc(path, at ?? old);
            return path;
        }
        var spare = new[] { Put("log/a.log"), Put("log/with space 'and quote.log"), Put("log/a.csv"), Put("log/a.log.gz"), Put("core"), Put("core.123") };
        var kept = new[] { Put("log/new.log", DateTime.UtcNow), Put("log/notes.txt"), Put("pg_wal/old.log"), Put("core.txt"), Put("base/old.log"), Path.Combine(node.DataDir, "log/current.log") };
        File.SetLastWriteTimeUtc(kept[^1], old);

        var operation = await bench.Control.FreeSpaceAsync(bench.Cluster, bench[node], default);
        Assert.Equal(spare.Order(), operation.Acts.Select(a => a.Detail[..a.Detail.LastIndexOf(" (", StringComparison.Ordinal)]).Order());
        Assert.All(spare, f => Assert.True(File.Exists(f)));
        Assert.Equal(60, (await operation.RunAsync()).Outputs["freedBytes"].AsInt());
        Assert.All(spare, f => Assert.False(File.Exists(f)));
        Assert.All(kept, f => Assert.True(File.Exists(f)));
        Assert.Empty((await bench.Control.FreeSpaceAsync(bench.Cluster, bench[node], default)).Acts);
    }
}
