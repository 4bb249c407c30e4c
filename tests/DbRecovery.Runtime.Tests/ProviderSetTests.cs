namespace DbRecovery.Runtime.Tests;

public sealed class ProviderSetTests
{
    /// <summary>Each asks its own vault, however their work is interleaved; and what nobody asked for has the environment.</summary>
    [Fact]
    public async Task Secrets_are_read_by_whoever_asks()
    {
        await using var set = new ProviderSet(TimeProvider.System);
        using var everybody = new Barrier(8);
        var read = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => Task.Factory.StartNew(async () =>
        {
            Assert.NotNull(set.Find("postgresql", new Vault(i)));
            Assert.True(everybody.SignalAndWait(Wait.Limit));
            await Task.Yield();
            return (await set.Secrets.ResolveAsync(new SecretReference(SecretSource.Secret, "x"), CancellationToken.None)).Reveal();
        }, TaskCreationOptions.LongRunning).Unwrap()));
        Assert.Equal(["0", "1", "2", "3", "4", "5", "6", "7"], read);
        var error = await Assert.ThrowsAsync<DbRecoveryException>(() => set.Secrets.ResolveAsync(new SecretReference(SecretSource.Secret, "x"), CancellationToken.None).AsTask());
        Assert.Equal(ErrorIds.SecretUnavailable, error.Id);
    }

    [Fact]
    public async Task What_runs_on_a_nodes_machine_inherits_no_secret_of_the_inventory()
    {
        using var place = new Place();
        var environment = place.At("environment");
        File.WriteAllText(place.At("dbrecovery.yml"), $$"""
            clusters:
              orders:
                engine: postgresql
                nodes: [ { name: orders-1, host: 127.0.0.1, port: 1 } ]
                auth: { user: me, password: { env: PROVIDER_SET_SECRET } }
                control: { kind: command, start: [ sh, -c, "env > {{environment}}; exit 1" ], stop: [ "false" ], kill: [ "false" ], status: [ "false" ] }
            """);
        Environment.SetEnvironmentVariable("PROVIDER_SET_SECRET", "canary");
        await using var set = new ProviderSet(TimeProvider.System);
        await using var runtime = place.Make(o => o with { Providers = set });
        var cluster = runtime.GetCluster("orders");
        var start = set.Find("postgresql", new Vault(0))!.Require<IInstanceControl>("a test").Start(cluster, cluster.Nodes[0]);
        await Assert.ThrowsAsync<DbRecoveryException>(() => start.RunAsync(TimeSpan.FromMinutes(2), null, CancellationToken.None));
        Assert.Contains("PATH=", File.ReadAllText(environment), StringComparison.Ordinal);
        Assert.DoesNotContain("canary", File.ReadAllText(environment), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_runtime_disposes_of_its_own_providers_only()
    {
        await using var set = new ProviderSet(TimeProvider.System);
        var cluster = new ClusterDefinition
        {
            Name = "none", Engine = "postgresql", Nodes = [new NodeDefinition { Name = "a", Host = "127.0.0.1", Port = 1 }],
            // a machine that takes its time to refuse a connection is no silent one
            Policy = new PolicySettings { DetectWithin = Wait.Limit },
        };
        using var place = new Place();
        await using (var shared = place.Make(o => o with { Providers = set }))
            await shared.TestHealthAsync(cluster, ObservationLevel.Quick, null, CancellationToken.None);
        await using (var again = place.Make(o => o with { Providers = set }))
            Assert.Equal(Reachability.Absent, (await again.TestHealthAsync(cluster, ObservationLevel.Quick, null, CancellationToken.None)).Observations[0].Reachability);
        var own = place.Make();
        await own.DisposeAsync();
        // its connections are closed, and none is opened any more
        Assert.NotEqual(Reachability.Absent, (await own.TestHealthAsync(cluster, ObservationLevel.Quick, null, CancellationToken.None)).Observations[0].Reachability);
    }

    [Fact]
    public void A_file_has_no_connection_text_and_a_server_no_path()
    {
        using var place = new Place();
        var runtime = place.Make();
        Assert.Equal(ErrorIds.ParameterInvalid, Assert.Throws<DbRecoveryException>(() => runtime.GetServerTarget("sqlite", "host=a")).Id);
        Assert.Equal(ErrorIds.ParameterInvalid, Assert.Throws<DbRecoveryException>(() => runtime.GetTarget("postgresql", "a.db")).Id);
        Assert.Equal(ErrorIds.EngineNotSupported, Assert.Throws<DbRecoveryException>(() => runtime.GetServerTarget("oracle", "host=a")).Id);
    }

    private sealed class Vault(int number) : ISecretResolver
    {
        public ValueTask<SecretValue> ResolveAsync(SecretReference reference, CancellationToken cancellationToken) => ValueTask.FromResult(new SecretValue($"{number}"));
    }
}
