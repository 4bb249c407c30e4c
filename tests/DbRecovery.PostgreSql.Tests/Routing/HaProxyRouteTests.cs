using DbRecovery.PostgresLab;
using Npgsql;

namespace DbRecovery.PostgreSql.Tests.Routing;

/// <summary>Routes through a real HAProxy.</summary>
public sealed class HaProxyRouteTests
{
    [Fact]
    public async Task AServerForEachNode()
    {
        await using var bench = await RouteBench.StartAsync();
        await using var proxy = await HaProxyLab.StartAsync([$"n1 127.0.0.1:{bench.One.Primary.Port}", $"n2 127.0.0.1:{bench.Two.Primary.Port} disabled"]);
        bench.With(new RouteDefinition { Kind = RouteKind.HaProxy, Address = proxy.SocketPath, Backend = HaProxyLab.Backend, Entry = $"127.0.0.1:{proxy.EntryPort}" });
        Assert.Equal("n1", (await bench.LookAsync(ObservationLevel.Quick)).LeadsTo);
        await using var old = await bench.OpenAsync(proxy.EntryPort);
        Assert.Equal(bench.One.Primary.Port, await RouteBench.PortAsync(old));

        Assert.Equal(1, (await bench.SetPrimaryAsync("n2")).Outputs["routes"].AsInt());
        await Assert.ThrowsAnyAsync<NpgsqlException>(() => RouteBench.PortAsync(old));
        var seen = await bench.LookAsync();
        Assert.Equal("n2", seen.LeadsTo);
        Assert.True(seen.Server!.Writable);
        await using var current = await bench.OpenAsync(proxy.EntryPort);
        Assert.Equal(bench.Two.Primary.Port, await RouteBench.PortAsync(current));

        // once more: sessions that lead where they should go on
        await bench.SetPrimaryAsync("n2");
        Assert.Equal(bench.Two.Primary.Port, await RouteBench.PortAsync(current));

        // a node that the route does not lead to is closed without harm; the one that it leads to loses its sessions
        Assert.Equal(1, (await bench.Routes.EndSessions(bench.Cluster, bench.Node("n1")).RunAsync(Wait.Limit, null, default)).Outputs["dropped"].AsInt());
        Assert.Equal(bench.Two.Primary.Port, await RouteBench.PortAsync(current));
        await bench.Routes.EndSessions(bench.Cluster, bench.Node("n2")).RunAsync(Wait.Limit, null, default);
        await Assert.ThrowsAnyAsync<NpgsqlException>(() => RouteBench.PortAsync(current));
        seen = await bench.LookAsync();
        Assert.Equal((null, null), (seen.LeadsTo, seen.UnknownBecause));
        Assert.Empty(seen.Targets);
        Assert.NotNull(seen.EntryError);
        await bench.SetPrimaryAsync("n1");
        Assert.Equal(bench.One.Primary.Port, await bench.PortAsync(proxy.EntryPort));
    }

    [Fact]
    public async Task OneServerThatIsReaddressed()
    {
        await using var bench = await RouteBench.StartAsync();
        await using var proxy = await HaProxyLab.StartAsync([$"primary 127.0.0.1:{bench.One.Primary.Port}"]);
        bench.With(new RouteDefinition { Kind = RouteKind.HaProxy, Address = $"127.0.0.1:{proxy.AdminPort}", Backend = HaProxyLab.Backend, Server = "primary" });
        Assert.Equal("n1", (await bench.LookAsync(ObservationLevel.Quick)).LeadsTo);
        await using var old = await bench.OpenAsync(proxy.EntryPort);
        await bench.SetPrimaryAsync("n2");
        await Assert.ThrowsAnyAsync<NpgsqlException>(() => RouteBench.PortAsync(old));
        await using var current = await bench.OpenAsync(proxy.EntryPort);
        Assert.Equal(bench.Two.Primary.Port, await RouteBench.PortAsync(current));
        await bench.SetPrimaryAsync("n2");
        await bench.Routes.EndSessions(bench.Cluster, bench.Node("n1")).RunAsync(Wait.Limit, null, default);
        Assert.Equal(bench.Two.Primary.Port, await RouteBench.PortAsync(current));
        Assert.Equal("n2", (await bench.LookAsync(ObservationLevel.Quick)).LeadsTo);
    }

    [Fact]
    public async Task TwoServersThatTakeSessionsAreSaid()
    {
        await using var proxy = await HaProxyLab.StartAsync(["n1 127.0.0.1:1", "n2 127.0.0.1:2"]);
        await using var bench = await RouteBench.StartAsync();
        var seen = await bench.With(new RouteDefinition { Kind = RouteKind.HaProxy, Address = proxy.SocketPath, Backend = HaProxyLab.Backend }).LookAsync(ObservationLevel.Quick);
        Assert.Null(seen.LeadsTo);
        Assert.Equal(["n1", "n2"], seen.Targets);
    }

    [Fact]
    public async Task EveryMistakeIsAnErrorAndTheOtherRoutesAreSet()
    {
        await using var bench = await RouteBench.StartAsync();
        string[] servers = [$"n1 127.0.0.1:{bench.One.Primary.Port}", $"n2 127.0.0.1:{bench.Two.Primary.Port} disabled"];
        await using var proxy = await HaProxyLab.StartAsync(servers);
        await using var weak = await HaProxyLab.StartAsync(servers, level: "operator");
        var right = new RouteDefinition { Kind = RouteKind.HaProxy, Address = proxy.SocketPath, Backend = HaProxyLab.Backend };
        foreach (var (wrong, id) in new[]
        {
            (right with { Backend = "nonsense" }, ErrorIds.RouteFailed),
            (right with { Backend = "a b" }, ErrorIds.RouteFailed),
            (right with { Server = "nobody" }, ErrorIds.RouteFailed),
            (right with { Address = weak.SocketPath }, ErrorIds.RouteFailed),
            (right with { Address = proxy.SocketPath + ".none" }, ErrorIds.ConnectionFailed),
            (right with { Address = "nonsense" }, ErrorIds.ParameterInvalid),
        })
        {
            bench.With(wrong);
            Assert.Equal(id, (await Assert.ThrowsAsync<DbRecoveryException>(() => bench.SetPrimaryAsync("n2"))).Id);
            Assert.Equal(wrong.Address != weak.SocketPath, (await bench.LookAsync(ObservationLevel.Quick)).UnknownBecause is not null);
        }
        Assert.Equal("n1", (await bench.With(right).LookAsync(ObservationLevel.Quick)).LeadsTo);
        bench.With(right with { Backend = "nonsense" }, right);
        Assert.Equal(ErrorIds.RouteFailed, (await Assert.ThrowsAsync<DbRecoveryException>(() => bench.SetPrimaryAsync("n2"))).Id);
        Assert.Equal("n2", (await bench.With(right).LookAsync(ObservationLevel.Quick)).LeadsTo);
    }

    [Fact]
    public async Task ACommandGetsTheNewPrimaryAsArguments()
    {
        await using var bench = await RouteBench.StartAsync();
        var file = Path.Combine(bench.One.Folder, "route");
        bench.With(new RouteDefinition { Kind = RouteKind.Command, Command = ["sh", "-c", "printf '%s' \"$1 $2\" > \"$0\"", file, "{node}", "{host}:{port}"] });
        Assert.Contains("n2 127.0.0.1", Assert.Single(bench.Routes.SetPrimary(bench.Cluster, bench.Node("n2")).Acts).Detail, StringComparison.Ordinal);
        await bench.SetPrimaryAsync("n2");
        Assert.Equal($"n2 127.0.0.1:{bench.Two.Primary.Port}", File.ReadAllText(file));
        Assert.NotNull((await bench.LookAsync()).UnknownBecause);
        bench.With(new RouteDefinition { Kind = RouteKind.Command, Command = ["false"] });
        Assert.Equal(ErrorIds.RouteFailed, (await Assert.ThrowsAsync<DbRecoveryException>(() => bench.SetPrimaryAsync("n2"))).Id);
    }
}
