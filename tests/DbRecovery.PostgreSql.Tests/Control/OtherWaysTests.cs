using DbRecovery.Engine.Control;
using DbRecovery.PostgreSql.Tests.Lab;
using DbRecovery.PostgresLab;

namespace DbRecovery.PostgreSql.Tests.Control;

/// <summary>
/// Commands of the user's own, and ways to another machine. Servers are real; ssh and systemctl are scripts that stand for the programs:
/// ssh does with its words what a login shell does with them, systemctl writes down what it is asked.
/// </summary>
public sealed class OtherWaysTests
{
    [Fact]
    public async Task Commands_of_the_users_own_start_stop_kill_and_tell()
    {
        await using var bench = await Bench.StartAsync(new PgClusterOptions { Standbys = 0 });
        var (node, here) = (bench.Lab.Primary, bench[bench.Lab.Primary]);
        string[] As(string verb) => ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", $"{node.BinDir}/pg_ctl", .. verb.Split(' '), "-D", "{dataDir}"];
        bench.Cluster = bench.Cluster with
        {
            Control = new ControlSettings
            {
                Kind = ControlKind.Command, Start = As("start -w -l /dev/null"), Stop = As("stop -m fast"), Status = As("status"), PowerOff = ["touch", $"{bench.Lab.Folder}/{{node}}-off"],
            },
        };
        Assert.Equal(InstanceState.Running, (await bench.StatusAsync(node)).State);
        await bench.Control.Stop(bench.Cluster, here).RunAsync();
        Assert.Equal(InstanceState.Stopped, (await bench.StatusAsync(node)).State);
        await bench.Control.Start(bench.Cluster, here).RunAsync();
        Assert.Equal(1, await bench.Lab.ScalarAsync<int>(node, "select 1"));
        await bench.Control.Kill(bench.Cluster, here).RunAsync();
        Assert.False(node.Runs);

        // one that starts and is gone again is no success
        bench.Cluster = bench.Cluster with { Control = bench.Cluster.Control with { Start = ["true"] } };
        await bench.Control.Start(bench.Cluster, here).FailsAsync(ErrorIds.StepFailed);
        await bench.Control.PowerOff(bench.Cluster, here)!.RunAsync();
        Assert.True(File.Exists($"{bench.Lab.Folder}/lab-1-off"));
        bench.Cluster = bench.Cluster with { Control = new ControlSettings { Kind = ControlKind.Command, Kill = ["true"] } };
        await Assert.ThrowsAsync<DbRecoveryException>(() => Task.FromResult(bench.Control.Start(bench.Cluster, here)));
        Assert.Equal(InstanceState.Stopped, (await bench.StatusAsync(node)).State);
    }

    [Fact]
    public async Task Over_ssh_every_word_arrives_as_it_was()
    {
        await using var bench = await Bench.StartAsync(new PgClusterOptions { Standbys = 0 });
        var node = bench.Lab.Primary;
        var ssh = await FakeAsync(bench, "ssh", $"printf '%s\\n' \"$@\" >> {bench.Lab.Folder}/ssh.words; for last; do :; done; exec sh -c \"$last\"");
        bench.Cluster = bench.Cluster with { Control = bench.Cluster.Control! with { Via = [ssh, "root@{host}"] } };
        var commands = new NodeCommands(TimeProvider.System);
        string[] words = ["printf", "%s|", "a b", "it's", "$HOME", "`id`", "\\", "\"", "", "*", "ä", "x\ny"];
        var outcome = await commands.RunAsync(bench.Cluster, bench[node], new NodeCommand { Arguments = words, Timeout = Bench.Time }, default);
        Assert.Equal(string.Concat(words.Skip(2).Select(w => w + "|")), outcome.Output);
        Assert.Equal(["-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "root@127.0.0.1"], File.ReadLines($"{bench.Lab.Folder}/ssh.words").Take(5));

        Assert.Equal(InstanceState.Running, (await bench.StatusAsync(node)).State);
        await bench.Control.Kill(bench.Cluster, bench[node]).RunAsync();
        await bench.Control.Start(bench.Cluster, bench[node]).RunAsync();
        await bench.Control.Stop(bench.Cluster, bench[node]).RunAsync();
        Assert.False(node.Runs);
    }

    [Fact]
    public async Task A_way_that_fails_is_told_from_a_command_that_fails()
    {
        await using var bench = await Bench.StartAsync(new PgClusterOptions { Standbys = 0 });
        var here = bench[bench.Lab.Primary];
        var ssh = await FakeAsync(bench, "ssh", "echo 'ssh: connect to host 127.0.0.1 port 22: Connection refused' >&2; exit 255");
        bench.Cluster = bench.Cluster with { Control = bench.Cluster.Control! with { Via = [ssh, "root@{host}"] } };
        var error = await Assert.ThrowsAsync<DbRecoveryException>(() => new NodeCommands(TimeProvider.System).RunAsync(bench.Cluster, here, new NodeCommand { Arguments = ["true"], Timeout = Bench.Time }, default));
        Assert.Equal(ErrorIds.StepFailed, error.Id);
        Assert.Contains("Connection refused", error.Message, StringComparison.Ordinal);
        // nothing is known then, least of all that the server is stopped
        Assert.Equal(InstanceState.Unknown, (await bench.StatusAsync(bench.Lab.Primary)).State);
        await bench.Control.Kill(bench.Cluster, here).FailsAsync(ErrorIds.StepFailed);
        Assert.True(bench.Lab.Primary.Runs);
    }

    [Theory]
    [InlineData("root@db", "setpriv --reuid=postgres --regid=postgres --init-groups --reset-env true")]
    [InlineData("dba@db", "sudo -n -H -u postgres -- true")]
    [InlineData("postgres@db", "true")]
    public void The_user_is_changed_as_the_login_can(string login, string expected)
    {
        var cluster = new ClusterDefinition { Name = "c", Engine = "postgresql", Nodes = [new NodeDefinition { Name = "n" }], Control = new ControlSettings { Kind = ControlKind.PgCtl, Via = ["docker", "exec", login] } };
        var words = new NodeCommands(TimeProvider.System).Describe(cluster, cluster.Nodes[0], new NodeCommand { Arguments = ["true"], RunAs = "postgres", Timeout = Bench.Time });
        Assert.Equal($"docker exec {login} {expected}", string.Join(' ', words));
    }

    [Fact]
    public async Task Programs_do_not_inherit_secrets()
    {
        await using var bench = await Bench.StartAsync(new PgClusterOptions { Standbys = 0 });
        Environment.SetEnvironmentVariable("LAB_SECRET", "hunter2");
        var commands = new NodeCommands(TimeProvider.System, () => ["LAB_SECRET"]);
        var outcome = await commands.RunAsync(bench.Cluster, bench[bench.Lab.Primary], new NodeCommand { Arguments = ["env"], Timeout = Bench.Time }, default);
        Assert.Contains("PATH=", outcome.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", outcome.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Systemd_is_asked_for_its_unit()
    {
        await using var bench = await Bench.StartAsync(new PgClusterOptions { Standbys = 0 });
        var (node, here) = (bench.Lab.Primary, bench[bench.Lab.Primary]);
        // the unit's processes are those of the real server
        var log = $"{bench.Lab.Folder}/systemctl.log";
        var pgCtl = $"setpriv --reuid=postgres --regid=postgres --init-groups {node.BinDir}/pg_ctl -D {node.DataDir}";
        var systemctl = await FakeAsync(bench, "systemctl", $"""
            echo "$*" >> {log}
            for unit; do :; done
            [ "$unit" = 'postgresql@15-main' ] || exit 5
            case $* in
              *--no-block*|*unmask*|*mask*) ;;
              *' stop '*) rm -f {bench.Lab.Folder}/starting; {pgCtl} status > /dev/null && {pgCtl} stop -m fast; exit 0 ;;
              *' kill '*) [ -e {bench.Lab.Folder}/starting ] || kill -KILL $(head -n 1 {node.DataDir}/postmaster.pid) ;;
              *' start '*) {pgCtl} start -l /dev/null ;;
              *'-p LoadState'*) p=$(head -n 1 {node.DataDir}/postmaster.pid 2>/dev/null); kill -0 "$p" 2>/dev/null && a=active || a=inactive p=0
                [ ! -e {bench.Lab.Folder}/starting ] || a=activating
                echo LoadState=loaded; echo ActiveState=$a; echo MainPID=$p ;;
              *'-p MainPID'*) echo "MainPID=$(head -n 1 {node.DataDir}/postmaster.pid 2>/dev/null || echo 0)" ;;
            esac
            """);
        var ssh = await FakeAsync(bench, "ssh", $"PATH={Path.GetDirectoryName(systemctl)}:$PATH; for last; do :; done; exec sh -c \"$last\"");
        bench.Cluster = bench.Cluster with
        {
            Control = new ControlSettings { Kind = ControlKind.Systemd, Unit = "postgresql@15-main", Via = [ssh, "root@{host}"] },
        };
        var blind = here with { DataDir = null };
        await bench.Control.Stop(bench.Cluster, here).RunAsync();
        Assert.Equal(InstanceState.Stopped, (await bench.Control.StatusAsync(bench.Cluster, blind, Bench.Time, default)).State);
        await bench.Control.Start(bench.Cluster, here).RunAsync();
        var seen = await bench.Control.StatusAsync(bench.Cluster, blind, Bench.Time, default);
        Assert.Equal((InstanceState.Running, node.ProcessId), (seen.State, seen.ProcessId));
        Assert.Contains(seen.ProcessState!.Value, "SRD");
        await bench.Control.HoldDown(bench.Cluster, here)!.RunAsync();
        await bench.Control.Kill(bench.Cluster, here).RunAsync();
        Assert.False(node.Runs);
        await bench.Control.Start(bench.Cluster, here).FailsAsync(ErrorIds.StepFailed);
        // a start that is under way, as of a unit that restarts by itself what was killed, has no process of the server yet, and no mask stops it
        File.WriteAllText($"{bench.Lab.Folder}/starting", "");
        Assert.Equal(InstanceState.Running, (await bench.StatusAsync(node)).State);
        await bench.Control.Kill(bench.Cluster, here).RunAsync();
        Assert.Equal(InstanceState.Stopped, (await bench.StatusAsync(node)).State);
        await bench.Control.Start(bench.Cluster, here, letGo: true).RunAsync();
        Assert.True(node.Runs);
        Assert.Equal(
            ["stop", "start", "mask", "stop --no-block", "kill -s KILL", "stop", "stop --no-block", "kill -s KILL", "stop", "unmask", "start"],
            File.ReadLines(log).Where(l => !l.StartsWith("show", StringComparison.Ordinal)).Select(l => l.Replace("--no-ask-password ", "", StringComparison.Ordinal).Replace(" postgresql@15-main", "", StringComparison.Ordinal)));
        var unknown = bench.Cluster with { Control = bench.Cluster.Control with { Unit = "other" } };
        Assert.Equal(InstanceState.Unknown, (await bench.Control.StatusAsync(unknown, blind, Bench.Time, default)).State);
    }

    private static async Task<string> FakeAsync(Bench bench, string name, string script)
    {
        var path = Path.Combine(Directory.CreateDirectory(Path.Combine(bench.Lab.Folder, "fake")).FullName, name);
        await File.WriteAllTextAsync(path, "#!/bin/sh\n" + script + "\n");
        await Machine.RunAsync(["chmod", "755", path]);
        return path;
    }
}
