using DbRecovery.Engine.Control;
using DbRecovery.PostgreSql.Tests.Lab;
using DbRecovery.PostgresLab;

namespace DbRecovery.PostgreSql.Tests.Control;

/// <summary>The way to another machine that most have: the system's ssh, and a real server at its end.</summary>
public sealed class SshTests
{
    [Fact]
    public async Task A_server_is_looked_at_killed_started_and_stopped_through_a_real_ssh()
    {
        if (SshLab.MissingBecause is { } missing)
            throw new InvalidOperationException("$XunitDynamicSkip$" + missing);
        await using var ssh = await SshLab.StartAsync();
        await using var bench = await Bench.StartAsync(new PgClusterOptions { Standbys = 0 });
        var (node, here, commands) = (bench.Lab.Primary, bench[bench.Lab.Primary], new NodeCommands(TimeProvider.System));
        bench.Cluster = bench.Cluster with { Control = bench.Cluster.Control! with { Via = ssh.Way } };
        string[] words = ["printf", "%s|", "a b", "it's", "$HOME", "`id`", "\\", "\"", "", "*", "ä", "x\ny"];
        Assert.Equal(string.Concat(words.Skip(2).Select(w => w + "|")), (await commands.RunAsync(bench.Cluster, here, new NodeCommand { Arguments = words, Timeout = Bench.Time }, default)).Output);

        Assert.Equal(InstanceState.Running, (await bench.StatusAsync(node)).State);
        await bench.Control.Kill(bench.Cluster, here).RunAsync();
        Assert.Equal(InstanceState.Stopped, (await bench.StatusAsync(node)).State);
        // what the server inherits must not hold the way open
        await bench.Control.Start(bench.Cluster, here).RunAsync();
        Assert.Equal(1, await bench.Lab.ScalarAsync<int>(node, "select 1"));
        await bench.Control.Stop(bench.Cluster, here).RunAsync();
        await bench.Control.HoldDown(bench.Cluster, here)!.RunAsync();
        Assert.False(node.Runs);

        // whatever is in the way: nothing is known of the server, and it is said why
        bench.Cluster = bench.Cluster with { Control = bench.Cluster.Control with { Via = ssh.StrangersWay } };
        var refused = await bench.StatusAsync(node);
        Assert.Equal(InstanceState.Unknown, refused.State);
        Assert.Contains("Permission denied", refused.Detail, StringComparison.Ordinal);
        bench.Cluster = bench.Cluster with { Control = bench.Cluster.Control with { Via = ssh.Way } };
        ssh.Program.Signal(Machine.SigStop);
        Assert.Equal(InstanceState.Unknown, (await bench.Control.StatusAsync(bench.Cluster, here, TimeSpan.FromSeconds(1), default)).State);
        await ssh.Program.DisposeAsync();
        var gone = await bench.StatusAsync(node);
        Assert.Equal(InstanceState.Unknown, gone.State);
        Assert.Contains("refused", gone.Detail, StringComparison.Ordinal);
        Assert.Equal(ErrorIds.StepFailed, (await Assert.ThrowsAsync<DbRecoveryException>(() => bench.Control.Start(bench.Cluster, here).RunAsync())).Id);
    }
}
