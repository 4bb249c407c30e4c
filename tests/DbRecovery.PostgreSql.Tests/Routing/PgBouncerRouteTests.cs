using DbRecovery.PostgresLab;
using Npgsql;

namespace DbRecovery.PostgreSql.Tests.Routing;

/// <summary>Routes through a real PgBouncer.</summary>
public sealed class PgBouncerRouteTests
{
    private const string Transactions = "pool_mode = transaction";

    [Fact]
    public async Task PausedClientsOnlyWaitAndGoOnWithTheNewServer()
    {
        await using var bench = await RouteBench.StartAsync();
        await using var pooler = await StartAsync(bench, Transactions);
        Assert.Equal("n1", (await bench.LookAsync()).LeadsTo);
        await using var client = await OpenAsync(bench, pooler);
        Assert.Equal(bench.One.Primary.Port, await RouteBench.PortAsync(client));

        await bench.Routes.Pause(bench.Cluster).RunAsync(Wait.Limit, null, default);
        Assert.True((await bench.LookAsync()).Paused);
        var waiting = RouteBench.PortAsync(client);
        await bench.SetPrimaryAsync("n2");
        Assert.Equal(bench.Two.Primary.Port, await waiting);
        var seen = await bench.LookAsync();
        Assert.Equal(("n2", false), (seen.LeadsTo, seen.Paused));

        // once more changes nothing, and the same client goes on
        await bench.SetPrimaryAsync("n2");
        Assert.Equal(bench.Two.Primary.Port, await RouteBench.PortAsync(client));
        Assert.Equal(0, (await bench.Routes.Resume(bench.Cluster).RunAsync(Wait.Limit, null, default)).Outputs["resumed"].AsInt());
        Assert.Contains("; kept\n", File.ReadAllText(pooler.DatabasesFile), StringComparison.Ordinal);
    }

    [Fact]
    public async Task APauseThatCannotBeHadLetsEveryoneGoOn()
    {
        await using var bench = await RouteBench.StartAsync();
        await using var pooler = await StartAsync(bench, Transactions);
        await using var busy = await OpenAsync(bench, pooler);
        await using var transaction = await busy.BeginTransactionAsync();
        Assert.Equal(bench.One.Primary.Port, await RouteBench.PortAsync(busy));
        var error = await Assert.ThrowsAsync<DbRecoveryException>(() => bench.Routes.Pause(bench.Cluster).RunAsync(TimeSpan.FromMilliseconds(300), null, default));
        Assert.Equal(ErrorIds.RouteFailed, error.Id);
        Assert.False((await bench.LookAsync()).Paused);
        // a pause that somebody began and never ended is ended by the next one that is cancelled, too
        using var cancels = new CancellationTokenSource(TimeSpan.FromMilliseconds(300));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => bench.Routes.Pause(bench.Cluster).RunAsync(Wait.Limit, null, cancels.Token));
        Assert.False((await bench.LookAsync()).Paused);
        Assert.Equal(bench.One.Primary.Port, await bench.PortAsync(pooler.Port, "or-ders", PgBouncerLab.Password));
        await transaction.CommitAsync();
    }

    [Fact]
    public async Task SessionsOfALivingOldServerAreEnded()
    {
        await using var bench = await RouteBench.StartAsync();
        await using var pooler = await StartAsync(bench, "pool_mode = session");
        await using var old = await OpenAsync(bench, pooler);
        Assert.Equal(bench.One.Primary.Port, await RouteBench.PortAsync(old));
        await bench.SetPrimaryAsync("n2");
        await Assert.ThrowsAnyAsync<NpgsqlException>(() => RouteBench.PortAsync(old));
        await using var current = await OpenAsync(bench, pooler);
        Assert.Equal(bench.Two.Primary.Port, await RouteBench.PortAsync(current));
        await bench.SetPrimaryAsync("n2");
        Assert.Equal(bench.Two.Primary.Port, await RouteBench.PortAsync(current));
    }

    [Fact]
    public async Task ClientsThatWaitForADeadServerAreLetInAtOnce()
    {
        await using var bench = await RouteBench.StartAsync();
        await using var pooler = await StartAsync(bench, Transactions + "\nserver_login_retry = 600");
        await using var client = await OpenAsync(bench, pooler);
        Assert.Equal(bench.One.Primary.Port, await RouteBench.PortAsync(client));
        await bench.One.Primary.KillAsync();
        await Wait.UntilAsync(() => !bench.One.Primary.Runs, "the end of the server");
        Task<int>? waiting = null;
        await Wait.UntilAsync(() => waiting is { IsCompleted: false } && PoolAsync(bench).GetAwaiter().GetResult() > 0 || (waiting is null or { IsCompleted: true } && Again()), "a client that waits");
        await bench.SetPrimaryAsync("n2");
        Assert.Equal(bench.Two.Primary.Port, await waiting!);
        Assert.True(bench.Provider.TryGet<IPoolerConsole>(out var console));
        var settings = await console.ExecuteAsync(bench.Cluster.Routes[0], "SHOW CONFIG", Wait.Limit, default);
        Assert.Equal("600", settings.Single(r => r["key"] == "server_login_retry")["value"]);

        // the first attempts may still end with the broken session
        bool Again()
        {
            waiting = bench.PortAsync(pooler.Port, "or-ders", PgBouncerLab.Password);
            return false;
        }
    }

    [Fact]
    public async Task ADroppedRouteHoldsClientsUntilItLeadsToThePrimary()
    {
        await using var bench = await RouteBench.StartAsync();
        await using var pooler = await StartAsync(bench, Transactions);
        await using var old = await OpenAsync(bench, pooler);
        await bench.Routes.EndSessions(bench.Cluster, bench.Node("n2")).RunAsync(Wait.Limit, null, default);
        Assert.Equal(bench.One.Primary.Port, await RouteBench.PortAsync(old));
        await bench.Routes.EndSessions(bench.Cluster, bench.Node("n1")).RunAsync(Wait.Limit, null, default);
        await Assert.ThrowsAnyAsync<NpgsqlException>(() => RouteBench.PortAsync(old));
        var waiting = bench.PortAsync(pooler.Port, "or-ders", PgBouncerLab.Password);
        await bench.SetPrimaryAsync("n2");
        Assert.Equal(bench.Two.Primary.Port, await waiting);
    }

    [Fact]
    public async Task EveryMistakeIsAnError()
    {
        await using var bench = await RouteBench.StartAsync();
        await using var pooler = await StartAsync(bench, Transactions);
        var right = bench.Cluster.Routes[0];
        var elsewhere = Path.Combine(bench.One.Folder, "elsewhere.ini");
        File.WriteAllText(elsewhere, "[databases]\nor-ders = host=127.0.0.1 port=1\n");
        foreach (var (wrong, id) in new[]
        {
            (right with { File = elsewhere }, ErrorIds.RouteFailed), // not the file that PgBouncer reads
            (right with { File = elsewhere + ".none" }, ErrorIds.RouteFailed),
            (right with { Database = "nobody" }, ErrorIds.RouteFailed),
            (right with { Database = "*" }, ErrorIds.RouteFailed),
            (right with { User = "postgres" }, ErrorIds.LoginFailed), // a user, and no admin
            (right with { User = "nobody" }, ErrorIds.LoginFailed),
            (right with { Address = "127.0.0.1:1" }, ErrorIds.ConnectionFailed),
        })
        {
            bench.With(wrong);
            var error = await Assert.ThrowsAsync<DbRecoveryException>(() => bench.SetPrimaryAsync("n2"));
            Assert.True(id == error.Id, $"{error.Id}, not {id}: {error.Message}");
            Assert.DoesNotContain(PgBouncerLab.Password, error.ToString(), StringComparison.Ordinal);
        }
        Assert.Equal("n1", (await bench.With(right).LookAsync()).LeadsTo);
    }

    private static async Task<int> PoolAsync(RouteBench bench)
    {
        Assert.True(bench.Provider.TryGet<IPoolerConsole>(out var console));
        return (await console.ExecuteAsync(bench.Cluster.Routes[0], "SHOW POOLS", Wait.Limit, default)).Where(r => r["database"] == "or-ders").Sum(r => int.Parse(r["cl_waiting"]!));
    }

    private static Task<NpgsqlConnection> OpenAsync(RouteBench bench, PgBouncerLab pooler) => bench.OpenAsync(pooler.Port, "or-ders", PgBouncerLab.Password);

    private static async Task<PgBouncerLab> StartAsync(RouteBench bench, string settings)
    {
        var pooler = await PgBouncerLab.StartAsync($"[databases]\n; kept\nor-ders = host=127.0.0.1 port={bench.One.Primary.Port} dbname=postgres user=postgres\n", settings: settings);
        bench.With(new RouteDefinition
        {
            Kind = RouteKind.PgBouncer, Address = $"127.0.0.1:{pooler.Port}", Database = "or-ders", File = pooler.DatabasesFile, User = PgBouncerLab.Admin,
            Password = new SecretReference(SecretSource.File, pooler.PasswordFile),
        });
        return pooler;
    }
}
