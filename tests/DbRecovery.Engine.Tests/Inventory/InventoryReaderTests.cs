using DbRecovery.Engine.Tests.Runbooks;

namespace DbRecovery.Engine.Tests.Inventory;

public sealed class InventoryReaderTests
{
    [Fact]
    public void The_complete_inventory_is_read()
    {
        var (inventory, findings) = InventoryTexts.Read(InventoryTexts.Complete);
        Assert.Empty(findings);
        var folder = Path.GetDirectoryName(InventoryTexts.File)!;
        var app = inventory!.Clusters[0];
        Assert.Equal(Path.Combine(folder, "data", "app.db"), app.Nodes[0].Path);
        Assert.Equal(("a", 100), (app.Nodes[0].Zone, app.Nodes[0].Priority));
        Assert.Equal(new SecretReference(SecretSource.Env, "APP_PASSWORD"), app.Auth!.Password);
        Assert.Equal(new PolicySettings { AutoRecover = true, MaxDataLossBytes = 1_000_000, Cooldown = TimeSpan.FromHours(2) }, app.Policy);
        Assert.Equal(1, app.Expects.Tables["customers"].MinRows);
        Assert.Equal((TimeSpan.FromMilliseconds(50), 1_000_000_000L), (app.Expects.MaxLatency, app.Expects.MinFreeBytes));
        Assert.Equal(new BackupSettings { Repository = "main", MaxAge = TimeSpan.FromHours(12), MaxProofAge = TimeSpan.FromDays(3), Every = TimeSpan.FromSeconds(5), Files = app.Backups!.Files, Keep = app.Backups.Keep }, app.Backups);
        Assert.Equal([Path.Combine(folder, "app.conf")], app.Backups.Files);
        Assert.Equal(new CustomCheck { Name = "paid", Query = "select 1", Fault = "custom.paid", Severity = FaultSeverity.Notice, AtLeast = 1, AtMost = 2.5, Timeout = TimeSpan.FromSeconds(3) }, app.Checks[0]);
        Assert.Equal("ready", app.Checks[1].Is);
        Assert.Equal(("10.0.0.1", 5432, null), (inventory.Clusters[1].Nodes[0].Host, inventory.Clusters[1].Nodes[0].Port, inventory.Clusters[1].Nodes[0].Path));
        Assert.Equal(new SecretReference(SecretSource.File, Path.Combine(folder, "secret.txt")), inventory.Clusters[1].Auth!.Password);
        Assert.Equal(Path.Combine(folder, "backups"), inventory.Repositories["main"].Path);
        Assert.Equal(new SecretReference(SecretSource.Secret, "HookToken"), inventory.Notifications["people"].Headers["Authorization"]);
        Assert.Equal(["page", "--now"], inventory.Notifications["pager"].Command);
        Assert.Equal(["APP_PASSWORD", "BACKUP_KEY", "REP_PASSWORD"], inventory.SecretVariables);
        Assert.Equal([Path.Combine(folder, "mine")], inventory.RunbookFolders);
        Assert.Equal(Path.Combine(folder, "state"), inventory.StateFolder);
    }

    [Theory]
    [InlineData("state: state", "«colour: red", "unknown-key")]
    [InlineData("state: state", "state: «[a]", "wrong-type")]
    [InlineData("state: state", "state: «\"\"", "wrong-value")]
    [InlineData("state: state", "«state:", "missing-value")]
    [InlineData("runbooks: [mine]", "runbooks: «mine", "wrong-type")]
    [InlineData("runbooks: [mine]", "runbooks: [«\"a\\0b\"]", "wrong-value")]
    [InlineData("  app:\n", "  «my app:\n", "name")]
    [InlineData("engine: sqlite", "engine: «sqlight", "unknown-engine")]
    [InlineData("    engine: sqlite\n    nodes:", "    «nodes:", "missing-key")]
    [InlineData("zone: a }", "zone: a, «rack: 1 }", "unknown-key")]
    [InlineData("    nodes:\n      - { name: app-db, path: data/app.db, priority: 100, zone: a }", "    «nodes: []", "no-node")]
    [InlineData("    nodes:\n      - { name: app-db, path: data/app.db, priority: 100, zone: a }", "    «nodes: [{ name: a, path: a }, { name: b, path: b }]", "too-many-nodes")]
    [InlineData("- { name: orders-1, host: 10.0.0.1, port: 5432 }", "- { name: a, host: h }\n      - { name: «a, host: i }", "duplicate-node")]
    [InlineData("name: app-db", "name: «-app", "name")]
    [InlineData("{ name: app-db, path", "«{ path", "missing-key")]
    [InlineData("path: data/app.db,", "path: data/app.db, «host: h,", "wrong-address")]
    [InlineData("path: data/app.db,", "path: data/app.db, «port: 1,", "wrong-address")]
    [InlineData("{ name: app-db, path: data/app.db,", "«{ name: app-db,", "missing-key")]
    [InlineData("host: 10.0.0.1, port", "host: 10.0.0.1, «path: x, port", "wrong-address")]
    [InlineData("{ name: orders-1, host: 10.0.0.1, port", "«{ name: orders-1, port", "missing-key")]
    [InlineData("port: 5432", "port: «65536", "wrong-value")]
    [InlineData("priority: 100", "priority: «-1", "wrong-value")]
    [InlineData("password: { env: APP_PASSWORD }", "password: «hunter2", "literal-secret")]
    [InlineData("password: { env: APP_PASSWORD }", "password: «[hunter2]", "literal-secret")]
    [InlineData("password: { env: APP_PASSWORD }", "password: «{ env: A, file: b }", "wrong-value")]
    [InlineData("password: { env: APP_PASSWORD }", "password: «{ hunter2 }", "wrong-value")]
    [InlineData("password: { env: APP_PASSWORD }", "password: «{ value: hunter2 }", "wrong-value")]
    [InlineData("password: { env: APP_PASSWORD }", "password: «{ env: A, hunter2: b }", "wrong-value")]
    [InlineData("user: me, password: { env", "user: me, «pass: hunter2, password: { env", "unknown-key")]
    [InlineData("autoRecover: true", "autoRecover: «yes", "wrong-value")]
    [InlineData("maxDataLoss: 1MB", "maxDataLoss: «1", "wrong-value")]
    [InlineData("cooldown: 2h", "cooldown: «-2h", "wrong-value")]
    [InlineData("cooldown: 2h", "«coolDown: 2h", "unknown-key")]
    [InlineData("minRows: 1", "minRows: «-1", "wrong-value")]
    [InlineData("minRows: 1", "«maxRows: 1", "unknown-key")]
    [InlineData("maxLatency: 50ms", "maxLatency: «fast", "wrong-value")]
    [InlineData("minFree: 1GB", "minFree: «10%", "wrong-value")]
    [InlineData("repository: main", "repository: «mian", "unknown-repository")]
    [InlineData("{ repository: main, maxAge", "«{ maxAge", "missing-key")]
    [InlineData("maxAge: 12h", "maxAge: «daily", "wrong-value")]
    [InlineData("fault: custom.paid", "fault: «sqlite.corrupt", "fault-id")]
    [InlineData("fault: custom.paid", "fault: «custom.Paid", "fault-id")]
    [InlineData("severity: notice", "severity: «bad", "wrong-value")]
    [InlineData("timeout: 3s", "timeout: «50d", "wrong-value")]
    [InlineData("every: 5s", "every: «50d", "wrong-value")]
    [InlineData("atMost: 2.5", "atMost: «NaN", "wrong-value")]
    [InlineData("- { name: paid, query: select 1, fault: custom.paid, severity: notice, atLeast: 1, atMost: 2.5,", "- «{ name: paid, query: select 1, fault: custom.paid, severity: notice,", "no-bound")]
    [InlineData("- { name: paid, query: select 1, fault: custom.paid, severity: notice, atLeast: 1, atMost: 2.5,", "- «{ name: paid, query: select 1, fault: custom.paid, severity: notice, atLeast: 3, atMost: 2.5,", "no-bound")]
    [InlineData("{ name: paid, query: select 1,", "«{ name: paid,", "missing-key")]
    [InlineData("{ name: state,", "{ name: «paid,", "duplicate-check")]
    [InlineData("path: backups", "path: «s3://key:hunter2@bucket/prefix", "repository-kind")]
    [InlineData("passphrase: { env: BACKUP_KEY }", "passphrase: «hunter2", "literal-secret")]
    [InlineData("passphrase: { env: BACKUP_KEY }", "passphrase: «{ hunter2 }", "wrong-value")]
    [InlineData("encryption: { keyFile: keys/vault.key }", "encryption: «{ keyFile: keys/vault.key, passphrase: { env: A } }", "wrong-value")]
    [InlineData("encryption: { keyFile: keys/vault.key }", "encryption: «{ }", "wrong-value")]
    [InlineData("encryption: { keyFile: keys/vault.key }", "encryption: «on", "wrong-type")]
    [InlineData("keyFile: keys/vault.key", "keyFile: «\"\"", "wrong-value")]
    [InlineData("{ keyFile: keys/vault.key }", "{ keyFile: keys/vault.key, «cipher: aes }", "unknown-key")]
    [InlineData("path: backups", "path: backups, «compress: true", "unknown-key")]
    [InlineData("webhook: \"https://example.org/hook\"", "webhook: «ftp://example.org", "wrong-value")]
    [InlineData("webhook: \"https://example.org/hook\"", "«webhook: \"https://me:hunter2@example.org\"", "literal-secret")]
    [InlineData("{ secret: HookToken }", "«hunter2", "literal-secret")]
    [InlineData("{ command: [page, --now] }", "«{ command: [page], webhook: \"https://example.org\" }", "wrong-value")]
    [InlineData("{ command: [page, --now] }", "«{ }", "wrong-value")]
    [InlineData("port: 5432 }", "port: 5432, «weight: 1 }", "unknown-key")]
    [InlineData("host: 10.0.0.1,", "host: «\"-oProxyCommand=x\",", "wrong-value")]
    [InlineData("host: 10.0.0.1,", "host: «\"\",", "wrong-value")]
    [InlineData("host: 10.0.0.1,", "host: «\"a b\",", "wrong-value")]
    [InlineData("host: orders-2.example.org", "«host: 10.0.0.1", "duplicate-address")]
    [InlineData("{ name: orders-3,", "{ name: «orders.1,", "shared-slot")]
    [InlineData("{ name: orders-3,", "{ name: «Orders_1,", "shared-slot")]
    [InlineData("upstream: orders-2", "«upstream: orders-4", "unknown-node")]
    [InlineData("upstream: orders-2", "«upstream: orders-3", "wrong-value")]
    [InlineData("candidate: false", "candidate: «maybe", "wrong-value")]
    [InlineData("dataDir: /srv/orders", "dataDir: «srv/orders", "wrong-value")]
    [InlineData("binDir: /usr/lib/postgresql/15/bin", "binDir: «~/bin", "wrong-value")]
    [InlineData("runAs: postgres", "runAs: «\"--reuid=root\"", "wrong-value")]
    [InlineData("priority: 100, zone: a", "priority: 100, zone: a, «dataDir: /srv", "server-key")]
    [InlineData("auth: { user: me, password: { env", "auth: { «tls: require, user: me, password: { env", "server-key")]
    [InlineData("autoRecover: true,", "autoRecover: true, «synchronous: 1,", "server-key")]
    [InlineData("    expects:", "    «control: { kind: command, start: [a], stop: [b], kill: [c], status: [d] }\n    expects:", "server-key")]
    [InlineData("    expects:", "    «managedBy: patroni http://h:8008\n    expects:", "server-key")]
    [InlineData("    expects:", "    «routes: []\n    expects:", "server-key")]
    [InlineData("tls: verify-full", "tls: «full", "wrong-value")]
    [InlineData("tls: verify-full, rootCertificate", "tls: require, «rootCertificate", "wrong-value")]
    [InlineData("replication: { user: rep,", "replication: «{", "missing-key")]
    [InlineData("{ env: REP_PASSWORD }", "«hunter2", "literal-secret")]
    [InlineData("{ kind: systemd, unit: \"postgresql@15-{node}\", via", "«{ kind: systemd, via", "missing-key")]
    [InlineData("kind: systemd", "kind: «docker", "wrong-value")]
    [InlineData("[{ name: billing-1, host: billing }]\n    control: { kind: command, start: [up], stop: [down], kill: [end], status: [is-up] }", "[{ name: billing-1, host: billing, binDir: /bin }]\n    control: { «kind: pg_ctl }", "missing-key")]
    [InlineData("unit: \"postgresql@15-{node}\"", "«unit: \"postgresql@15-{nodes}\"", "wrong-value")]
    [InlineData("unit: \"postgresql@15-{node}\"", "«unit: \"postgresql@{dataDir}\"", "missing-key")]
    [InlineData("via: \"ssh dba@{host}\"", "via: «\"ssh 'dba'@{host}\"", "wrong-value")]
    [InlineData("via: \"ssh dba@{host}\"", "via: «\" \"", "wrong-value")]
    [InlineData("via: \"ssh dba@{host}\"", "via: «{ ssh: dba }", "wrong-type")]
    [InlineData("kill: [end]", "kill: «[]", "wrong-value")]
    [InlineData("powerOff: [fence,", "«start: [up], powerOff: [fence,", "wrong-value")]
    [InlineData("powerOff: [fence,", "«kill: [end], powerOff: [fence,", "wrong-value")]
    [InlineData("{ kind: command, start: [up], stop", "«{ kind: command, stop", "missing-key")]
    [InlineData("{ kind: command, start: [up], stop: [down], kill: [end], status: [is-up]", "«{ kind: command, start: [up], stop: [down], kill: [end]", "missing-key")]
    [InlineData("{ kind: command,", "{ kind: command, «unit: a,", "wrong-value")]
    [InlineData("poll: 200ms", "«poll: 50ms", "wrong-value")]
    [InlineData("poll: 200ms", "«poll: 0s", "wrong-value")]
    [InlineData("detectWithin: 3s", "«detectWithin: 150ms", "wrong-value")]
    [InlineData("detectWithin: 3s", "«detectWithin: 2h", "wrong-value")]
    [InlineData("confirmations: 3", "confirmations: «0", "wrong-value")]
    [InlineData("confirmations: 3", "confirmations: «11", "wrong-value")]
    [InlineData("synchronous: 1", "«synchronous: 3", "wrong-value")]
    [InlineData("maxLag: 16MiB", "maxLag: «some", "wrong-value")]
    [InlineData("restartInPlace: false", "restartInPlace: «no", "wrong-value")]
    [InlineData("{ haproxy: /run/haproxy/admin.sock, backend", "«{ haproxy: /run/haproxy/admin.sock, pgbouncer: \"h:1\", backend", "wrong-value")]
    [InlineData("{ haproxy: /run/haproxy/admin.sock, backend", "«{ backend", "wrong-value")]
    [InlineData("haproxy: /run/haproxy/admin.sock", "haproxy: «localhost", "wrong-value")]
    [InlineData("backend: orders", "backend: «\"a b\"", "wrong-value")]
    [InlineData("backend: orders", "backend: orders, «database: orders", "unknown-key")]
    [InlineData("{ haproxy: /run/haproxy/admin.sock, backend: orders,", "«{ haproxy: /run/haproxy/admin.sock,", "missing-key")]
    [InlineData("pgbouncer: \"10.0.0.9:6432\"", "pgbouncer: «\"10.0.0.9\"", "wrong-value")]
    [InlineData("{ pgbouncer: \"10.0.0.9:6432\", database: orders,", "«{ pgbouncer: \"10.0.0.9:6432\",", "missing-key")]
    [InlineData("{ file: bouncer.txt }", "«hunter2", "literal-secret")]
    [InlineData("entry: \"[fd00::9]:6432\"", "entry: «\"fd00::9:6432\"", "wrong-value")]
    [InlineData("entry: \"[fd00::9]:6432\"", "entry: «\"h:0\"", "wrong-value")]
    [InlineData("[move-address, \"{host}\"]", "«[]", "wrong-value")]
    [InlineData("managedBy: patroni http", "managedBy: «stolon http", "wrong-value")]
    [InlineData("managedBy: patroni http://10.0.0.1:8008, https://10.0.0.2:8008", "managedBy: «patroni", "wrong-value")]
    [InlineData("managedBy: patroni http:", "managedBy: «patroni ftp:", "wrong-value")]
    [InlineData("managedBy: patroni http://", "managedBy: «patroni http://me:hunter2@", "literal-secret")]
    public void One_edit_one_finding(string old, string with, string rule)
    {
        var (text, line, column) = Texts.Marked(Texts.Edit(InventoryTexts.Complete, old, with));
        var (inventory, findings) = InventoryTexts.Read(text);
        Assert.Equal([(rule, line, column)], Texts.Places(findings));
        Assert.Null(inventory);
        Assert.DoesNotContain("hunter2", string.Concat(findings), StringComparison.Ordinal);
    }

    [Fact]
    public void The_keys_of_servers_are_read()
    {
        var (inventory, findings) = InventoryTexts.Read(InventoryTexts.Complete);
        Assert.Empty(findings);
        var folder = Path.GetDirectoryName(InventoryTexts.File)!;
        var orders = inventory!.Clusters[1];
        Assert.Equal(
            [
                new NodeDefinition { Name = "orders-1", Host = "10.0.0.1", Port = 5432 },
                new NodeDefinition { Name = "orders-2", Host = "orders-2.example.org", Port = 5432, DataDir = "/srv/orders", BinDir = "/usr/lib/postgresql/15/bin", RunAs = "postgres" },
                new NodeDefinition { Name = "orders-3", Host = "fd00::3", Port = 5433, Candidate = false, Upstream = "orders-2" },
            ], orders.Nodes);
        Assert.Equal("[fd00::3]:5433", orders.Nodes[2].Address);
        Assert.Equal(new AuthSettings
        {
            User = "me", Password = new(SecretSource.File, Path.Combine(folder, "secret.txt")), Tls = TlsMode.VerifyFull, RootCertificate = Path.Combine(folder, "root.pem"),
            Database = "app", Replication = new("rep", new(SecretSource.Env, "REP_PASSWORD")),
        }, orders.Auth);
        Assert.Equal((ControlKind.Systemd, "postgresql@15-{node}"), (orders.Control!.Kind, orders.Control.Unit));
        Assert.Equal(["ssh", "dba@{host}"], orders.Control.Via);
        Assert.Equal(["fence", "{host}", "--now"], orders.Control.PowerOff);
        Assert.Equal(new PolicySettings
        {
            RestartInPlace = false, DetectWithin = TimeSpan.FromSeconds(3), Poll = TimeSpan.FromMilliseconds(200), Confirmations = 3, Synchronous = 1, MaxLagBytes = 16 << 20,
        }, orders.Policy);
        Assert.Equal(new RouteDefinition { Kind = RouteKind.HaProxy, Address = "/run/haproxy/admin.sock", Backend = "orders", Server = "primary", Entry = "[fd00::9]:6432" }, orders.Routes[0]);
        Assert.Equal(new RouteDefinition
        {
            Kind = RouteKind.PgBouncer, Address = "10.0.0.9:6432", Database = "orders", File = Path.Combine(folder, "databases.ini"), User = "admin",
            Password = new(SecretSource.File, Path.Combine(folder, "bouncer.txt")), Entry = "10.0.0.9:6432",
        }, orders.Routes[1]);
        Assert.Equal((RouteKind.Command, "orders.example.org:5432"), (orders.Routes[2].Kind, orders.Routes[2].Entry));
        Assert.Equal(["move-address", "{host}"], orders.Routes[2].Command);
        var billing = inventory.Clusters[2];
        Assert.Equal((ControlKind.Command, "up"), (billing.Control!.Kind, Assert.Single(billing.Control.Start)));
        Assert.Equal("patroni", billing.ManagedBy!.Kind);
        Assert.Equal([new Uri("http://10.0.0.1:8008"), new Uri("https://10.0.0.2:8008")], billing.ManagedBy.Addresses);
    }

    [Theory]
    [InlineData("*hunter2")]
    [InlineData("&hunter2")]
    [InlineData("&hunter2 x")]
    [InlineData("!hunter2")]
    [InlineData("!!hunter2 x")]
    [InlineData("!hunter2!x y")]
    [InlineData("@hunter2")]
    [InlineData("%hunter2")]
    [InlineData("`hunter2")]
    [InlineData("\"hunter2\\q\"")]
    [InlineData("'hunter2")]
    [InlineData("hunter2: x")]
    [InlineData("{ { hunter2 } }")]
    [InlineData("{ hunter2: { hunter2: hunter2 } }")]
    [InlineData("{ env: [hunter2] }")]
    [InlineData("{ hunter2: a, hunter2: b }")]
    [InlineData("{ hunter2, hunter2 }")]
    [InlineData("| hunter2")]
    [InlineData("|\n    hunter2")]
    [InlineData(">-\n    hunter2")]
    [InlineData("[hunter2")]
    [InlineData("hunter2 # hunter2")]
    public void A_password_written_out_is_never_repeated(string password)
    {
        var text = $"clusters:\n  a:\n    engine: sqlite\n    nodes: [{{ name: a, path: a }}]\n    auth:\n      user: me\n      password: {password}\n";
        var (inventory, findings) = InventoryTexts.Read(text);
        Assert.Null(inventory);
        Assert.NotEmpty(findings);
        Assert.DoesNotContain("hunter2", string.Concat(findings), StringComparison.Ordinal);
    }

    [Fact]
    public void Home_is_expanded()
    {
        var (inventory, _) = InventoryTexts.Read(Texts.Edit(InventoryTexts.Complete, "state: state", "state: ~/state"));
        Assert.Equal(Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), "state"), inventory!.StateFolder);
    }
}
