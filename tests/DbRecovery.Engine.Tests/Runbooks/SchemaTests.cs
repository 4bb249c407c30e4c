using System.Text.Json.Nodes;
using DbRecovery.Engine.Actions;
using DbRecovery.Engine.Faults;
using DbRecovery.Engine.Runbooks;
using DbRecovery.Engine.Tests.Inventory;

namespace DbRecovery.Engine.Tests.Runbooks;

public sealed class SchemaTests
{
    private const string Renew = "DBRECOVERY_RENEW_SCHEMA";

    private static string FileOf(string schema) => Path.Combine(Texts.Root, "runbooks", "schema", schema + ".schema.json");

    private static JsonObject Read(string schema) => JsonNode.Parse(File.ReadAllText(FileOf(schema)))!.AsObject();

    /// <summary>To renew the file: DBRECOVERY_RENEW_SCHEMA=1 dotnet test --filter SchemaTests.</summary>
    [Fact]
    public void The_runbook_schema_is_what_the_catalogue_says()
    {
        var generated = RunbookSchema.Generate(ActionCatalogue.Standard().Descriptors, FaultCatalogue.Classes, Texts.Context.Engines);
        if (Environment.GetEnvironmentVariable(Renew) == "1")
            File.WriteAllText(FileOf("runbook"), generated);
        Assert.True(generated == File.ReadAllText(FileOf("runbook")).ReplaceLineEndings("\n"), $"runbook.schema.json is not what the action catalogue says; renew it by running this test with {Renew}=1");
    }

    [Theory]
    [InlineData("runbook")]
    [InlineData("inventory")]
    public void References_resolve(string schema)
    {
        var root = Read(schema);
        var references = All(root).OfType<JsonObject>().Select(o => o["$ref"]).OfType<JsonValue>().Select(r => r.GetValue<string>()).ToArray();
        Assert.NotEmpty(references);
        Assert.All(references, r => Assert.NotNull(new SchemaValidator(root).Resolve(r)));
    }

    [Fact]
    public void Shipped_runbooks_and_samples_are_valid()
    {
        var runbook = new SchemaValidator(Read("runbook"));
        foreach (var text in Texts.Shipped.Select(File.ReadAllText).Append(Texts.Runbook))
            Assert.True(runbook.Valid(SchemaValidator.FromYaml(text)), text);
        Assert.True(new SchemaValidator(Read("inventory")).Valid(SchemaValidator.FromYaml(InventoryTexts.Complete)));
    }

    [Theory]
    [InlineData("description: A base.", "descriptoin: A base.")]
    [InlineData("faults: [sqlite.corrupt]", "faults: [sqlite.corupt]")]
    [InlineData("action: snapshot-evidence", "action: snapshot")]
    [InlineData("newFile: ", "newFiles: ")]
    [InlineData("onFailure: stop", "onFailure: halt")]
    [InlineData("level: quick", "level: fast")]
    [InlineData("cooldown: 1h, perDay: 3, ", "")]
    [InlineData("timeout: 2m", "timeout: 2 minutes")]
    [InlineData("{ fact: backup.provedCount, atLeast: 1 }", "{ fact: backup.provedCount }")]
    [InlineData("{ fact: backup.provedCount, atLeast: 1 }", "{ any: [] }")]
    public void Broken_runbooks_are_not(string old, string with) =>
        Assert.False(new SchemaValidator(Read("runbook")).Valid(SchemaValidator.FromYaml(Texts.Edit(Texts.Runbook, old, with))));

    [Theory]
    [InlineData("password: { env: APP_PASSWORD }", "password: hunter2")]
    [InlineData("path: backups", "path: s3://bucket")]
    [InlineData("passphrase: { env: BACKUP_KEY }", "passphrase: hunter2")]
    [InlineData("{ keyFile: keys/vault.key }", "{ }")]
    [InlineData("state: state", "status: state")]
    [InlineData("fault: custom.paid", "fault: paid")]
    [InlineData(", is: ready", "")]
    [InlineData("tls: verify-full", "tls: on")]
    [InlineData("kind: systemd, unit: \"postgresql@15-{node}\"", "kind: systemd")]
    [InlineData("kind: command, start: [up]", "kind: command")]
    [InlineData("{ haproxy:", "{ pgbouncer: a, haproxy:")]
    [InlineData("dataDir: /srv/orders", "dataDir: srv/orders")]
    [InlineData("managedBy: patroni", "managedBy: stolon")]
    public void Broken_inventories_are_not(string old, string with) =>
        Assert.False(new SchemaValidator(Read("inventory")).Valid(SchemaValidator.FromYaml(Texts.Edit(InventoryTexts.Complete, old, with))));

    [Fact]
    public void The_complete_inventory_has_every_key_of_the_schema()
    {
        var root = Read("inventory");
        var used = new HashSet<string>();
        Walk(root, SchemaValidator.FromYaml(InventoryTexts.Complete)!, "", used, root);
        var declared = new HashSet<string>();
        Declare(root, "", declared, root);
        Assert.Equal(declared.Order(), used.Order());
    }

    /// <summary>A key that the reader does not know makes it list those that it does: they are the schema's.</summary>
    [Theory]
    [InlineData("state: state", "state: state\nqqqqqqqqqqqq: 1", "")]
    [InlineData("    engine: sqlite\n", "    engine: sqlite\n    qqqqqqqqqqqq: 1\n", "cluster")]
    [InlineData("zone: a }", "zone: a, qqqqqqqqqqqq: 1 }", "node")]
    [InlineData("{ name: state,", "{ qqqqqqqqqqqq: 1, name: state,", "check")]
    [InlineData("{ path: backups }", "{ path: backups, qqqqqqqqqqqq: 1 }", "repository")]
    [InlineData("{ keyFile:", "{ qqqqqqqqqqqq: 1, keyFile:", "repository.encryption")]
    [InlineData("{ command: [page", "{ qqqqqqqqqqqq: 1, command: [page", "notification")]
    [InlineData("policy: { auto", "policy: { qqqqqqqqqqqq: 1, auto", "cluster.policy")]
    [InlineData("{ kind: systemd", "{ qqqqqqqqqqqq: 1, kind: systemd", "control")]
    [InlineData("{ user: rep", "{ qqqqqqqqqqqq: 1, user: rep", "cluster.auth.replication")]
    [InlineData("expects: {", "expects: { qqqqqqqqqqqq: 1,", "cluster.expects")]
    [InlineData("backups: {", "backups: { qqqqqqqqqqqq: 1,", "cluster.backups")]
    [InlineData("auth: { user: me, password: { env", "auth: { qqqqqqqqqqqq: 1, user: me, password: { env", "cluster.auth")]
    public void The_schema_has_every_key_of_the_reader(string old, string with, string place)
    {
        var finding = Assert.Single(InventoryTexts.Read(Texts.Edit(InventoryTexts.Complete, old, with)).Findings);
        Assert.Equal("unknown-key", finding.Rule);
        var known = finding.Suggestion!.TrimEnd('.')["There are: ".Length..].Split(", ");
        var parts = place.Split('.');
        var schema = place.Length == 0 ? Read("inventory") : Read("inventory")["definitions"]![parts[0]]!.AsObject();
        foreach (var part in parts.Skip(1))
            schema = schema["properties"]![part]!.AsObject();
        Assert.Equal(schema["properties"]!.AsObject().Select(p => p.Key).Order(StringComparer.Ordinal), known.Order(StringComparer.Ordinal));
    }

    private static IEnumerable<JsonNode?> All(JsonNode? node) => node switch
    {
        JsonObject map => map.SelectMany(p => All(p.Value)).Prepend(map),
        JsonArray list => list.SelectMany(All),
        _ => [node],
    };

    private static JsonObject Follow(JsonNode schema, JsonObject root) =>
        schema["$ref"] is { } reference ? new SchemaValidator(root).Resolve(reference.GetValue<string>()) : schema.AsObject();

    private static void Declare(JsonNode schema, string path, HashSet<string> keys, JsonObject root)
    {
        var rules = Follow(schema, root);
        // a definition's keys count wherever it is used
        path = schema["$ref"]?.GetValue<string>() ?? path;
        foreach (var (key, below) in rules["properties"]?.AsObject() ?? [])
        {
            keys.Add($"{path}.{key}");
            Declare(below!, $"{path}.{key}", keys, root);
        }
        foreach (var below in new[] { rules["additionalProperties"], rules["items"] }.OfType<JsonObject>())
            Declare(below, path + ".*", keys, root);
    }

    private static void Walk(JsonNode schema, JsonNode value, string path, HashSet<string> keys, JsonObject root)
    {
        var rules = Follow(schema, root);
        // a definition's keys count wherever it is used
        path = schema["$ref"]?.GetValue<string>() ?? path;
        foreach (var (key, below) in value as JsonObject ?? [])
        {
            if (rules["properties"]?[key] is { } known)
            {
                keys.Add($"{path}.{key}");
                Walk(known, below!, $"{path}.{key}", keys, root);
            }
            else
                Walk(rules["additionalProperties"]!, below!, path + ".*", keys, root);
        }
        foreach (var item in value as JsonArray ?? [])
            Walk(rules["items"]!, item!, path + ".*", keys, root);
    }
}
