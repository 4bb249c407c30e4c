namespace DbRecovery.Runtime.Tests;

/// <summary>What the composition root itself decides: where things are found and what they are called.</summary>
public sealed class RuntimeTests
{
    [Fact]
    public void The_inventory_given_is_taken_before_the_one_of_the_folder_and_none_is_an_error_only_when_needed()
    {
        using var place = new Place();
        File.WriteAllText(place.At("other.yml"), Place.Inventory("other"));
        Assert.Equal("other", Assert.Single(place.Make(o => o with { InventoryPath = "other.yml" }).GetClusters()).Name);
        Assert.Equal("shop", Assert.Single(place.Make().GetClusters()).Name);
        Assert.Equal(ErrorIds.InventoryNotFound, Assert.Throws<DbRecoveryException>(() => place.Make(o => o with { InventoryPath = "none.yml" }).GetClusters()).Id);
    }

    [Fact]
    public async Task An_invalid_inventory_says_where_and_a_mended_one_is_seen_by_the_same_runtime()
    {
        using var place = new Place("clusters: { shop: { engin: sqlite } }\n");
        var runtime = place.Make();
        var error = Assert.Throws<DbRecoveryException>(() => runtime.GetClusters());
        Assert.Equal((ErrorIds.InventoryInvalid, ErrorKind.InvalidInput), (error.Id, error.Kind));
        Assert.NotEmpty(error.Findings);
        Assert.All(error.Findings, f => Assert.Equal(place.At("dbrecovery.yml"), f.File));
        // both shells tell the findings after the message
        Assert.All(error.Findings, f => Assert.DoesNotContain(f.Message, error.Message, StringComparison.Ordinal));
        Assert.False(runtime.LintInventory().Valid);
        await Assert.ThrowsAsync<DbRecoveryException>(() => runtime.AcknowledgeAsync("shop", default));
        File.WriteAllText(place.At("dbrecovery.yml"), Place.Inventory("shop"));
        Assert.Equal("shop", Assert.Single(place.Make().GetClusters()).Name);
    }

    [Theory]
    [InlineData("shop*", "shop-a,shop-b")]
    [InlineData("*-?", "shop-a,shop-b,till-c")]
    [InlineData("none*", "")]
    [InlineData("shop-a", "shop-a")]
    public void Wildcards_choose_clusters(string pattern, string expected)
    {
        using var place = new Place(Place.Inventory("shop-a", "shop-b", "till-c"));
        Assert.Equal(expected, string.Join(',', place.Make().GetClusters([pattern]).Select(c => c.Name)));
    }

    [Fact]
    public void A_name_that_is_not_there_suggests_the_near_one()
    {
        using var place = new Place(Place.Inventory("orders", "till"));
        var error = Assert.Throws<DbRecoveryException>(() => place.Make().GetClusters(["ordres"]));
        Assert.Equal(ErrorIds.ClusterNotFound, error.Id);
        Assert.Contains("orders", error.RecommendedAction, StringComparison.Ordinal);
        Assert.Equal(ErrorIds.EngineNotSupported, Assert.Throws<DbRecoveryException>(() => place.Make().GetTarget("sqlight", "a.db")).Id);
        Assert.Equal(ErrorIds.RepositoryInvalid, Assert.Throws<DbRecoveryException>(() => place.Make().GetRepository("mian")).Id);
    }

    [Fact]
    public void A_target_s_name_is_the_same_for_the_same_file_and_another_for_another()
    {
        using var place = new Place("");
        var runtime = place.Make();
        var name = runtime.GetTarget("sqlite", "a b'ü\n.db").Name;
        Assert.Equal(name, runtime.GetTarget("sqlite", place.At("a b'ü\n.db")).Name);
        Assert.NotEqual(name, runtime.GetTarget("sqlite", "sub/a b'ü\n.db").Name);
        Assert.All(name, c => Assert.True(char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_'));
        Assert.True(runtime.GetTarget("sqlite", new string('x', 200)).Name.Length < 64);
    }

    [Fact]
    public void A_repository_is_found_by_name_and_by_path()
    {
        using var place = new Place();
        Assert.Equal(place.At("repository"), place.Make().GetRepository("main").Path);
        Assert.Equal(place.At("elsewhere"), place.Make().GetRepository("./elsewhere").Path);
    }

    [Fact]
    public async Task The_state_folder_given_is_taken_before_the_inventory_s_and_a_plan_writes_into_neither()
    {
        using var place = new Place();
        var runtime = place.Make(o => o with { StateFolder = "given" });
        await place.ProvedBackupAsync(runtime);
        place.Damage();
        var fault = await place.FaultAsync(runtime);
        Assert.False(Directory.Exists(place.At("state")));
        var before = place.Tree();
        var plan = await runtime.PlanAsync(fault, null, null, long.MaxValue, default);
        Assert.NotEmpty(plan.Steps);
        Assert.Equal(before, place.Tree());
        var incident = await runtime.RecoverAsync(fault, null, null, long.MaxValue, null, null, default);
        Assert.Equal(IncidentState.Probation, incident.State);
        Assert.True(Directory.Exists(place.At("given/shop")));
        Assert.False(Directory.Exists(place.At("state")));
    }

    [Theory]
    [InlineData("word", "word")]
    [InlineData("word\n", "word")]
    [InlineData("word\r\n", "word")]
    [InlineData("word\n\n", "word\n")]
    public async Task A_secret_s_file_may_end_in_one_newline(string content, string expected)
    {
        using var place = new Place("");
        File.WriteAllText(place.At("secret"), content);
        var secret = await Resolver(place).ResolveAsync(new(SecretSource.File, "secret"), default);
        Assert.Equal(expected, secret.Reveal());
        Assert.Equal("***", secret.ToString());
    }

    [Fact]
    public async Task Secrets_that_are_missing_name_their_place_and_powershell_s_are_asked_for()
    {
        using var place = new Place("");
        foreach (var source in Enum.GetValues<SecretSource>())
        {
            var error = await Assert.ThrowsAsync<DbRecoveryException>(async () => await Resolver(place).ResolveAsync(new(source, "DBRECOVERY_NO_SUCH_SECRET"), default));
            Assert.Equal((ErrorIds.SecretUnavailable, "DBRECOVERY_NO_SUCH_SECRET"), (error.Id, error.Target));
        }
        var asked = new SecretResolver(new RuntimeOptions { SecretManagement = (name, _) => ValueTask.FromResult(new SecretValue("of " + name)) });
        Assert.Equal("of vault", (await asked.ResolveAsync(new(SecretSource.Secret, "vault"), default)).Reveal());
    }

    private static SecretResolver Resolver(Place place) => new(new RuntimeOptions { WorkingFolder = place.Folder });
}
