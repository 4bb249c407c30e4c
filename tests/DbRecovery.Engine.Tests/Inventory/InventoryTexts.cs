using DbRecovery.Engine.Inventory;

namespace DbRecovery.Engine.Tests.Inventory;

internal static class InventoryTexts
{
    /// <summary>Every key that an inventory has.</summary>
    public const string Complete = """
        clusters:
          app:
            engine: sqlite
            nodes:
              - { name: app-db, path: data/app.db, priority: 100, zone: a }
            auth: { user: me, password: { env: APP_PASSWORD } }
            policy: { autoRecover: true, maxDataLoss: 1MB, cooldown: 2h }
            expects: { tables: { customers: { minRows: 1 } }, maxLatency: 50ms, minFree: 1GB }
            backups: { repository: main, maxAge: 12h, maxProofAge: 3d, every: 5s, files: [ app.conf ], keep: { last: 7, full: 2, days: 30, daily: 7, weekly: 4, monthly: 12, yearly: 3 } }
            checks:
              - { name: paid, query: select 1, fault: custom.paid, severity: notice, atLeast: 1, atMost: 2.5, timeout: 3s }
              - { name: state, query: select 1, fault: custom.state, is: ready }
          orders:
            engine: server
            nodes:
              - { name: orders-1, host: 10.0.0.1, port: 5432 }
              - { name: orders-2, host: orders-2.example.org, dataDir: /srv/orders, binDir: /usr/lib/postgresql/15/bin, runAs: postgres }
              - { name: orders-3, host: "fd00::3", port: 5433, candidate: false, upstream: orders-2 }
            auth: { user: me, password: { file: secret.txt }, tls: verify-full, rootCertificate: root.pem, database: app, replication: { user: rep, password: { env: REP_PASSWORD } } }
            control: { kind: systemd, unit: "postgresql@15-{node}", via: "ssh dba@{host}", powerOff: [fence, "{host}", --now] }
            policy: { restartInPlace: false, detectWithin: 3s, poll: 200ms, confirmations: 3, synchronous: 1, maxLag: 16MiB }
            routes:
              - { haproxy: /run/haproxy/admin.sock, backend: orders, server: primary, entry: "[fd00::9]:6432" }
              - { pgbouncer: "10.0.0.9:6432", database: orders, file: databases.ini, user: admin, password: { file: bouncer.txt }, entry: "10.0.0.9:6432" }
              - { command: [move-address, "{host}"], entry: "orders.example.org:5432" }
            backups:
              repository: offsite
              keep: { hours: 12 }
          billing:
            engine: server
            nodes: [{ name: billing-1, host: billing }]
            control: { kind: command, start: [up], stop: [down], kill: [end], status: [is-up] }
            managedBy: patroni http://10.0.0.1:8008, https://10.0.0.2:8008
        repositories:
          main: { path: backups }
          offsite: { path: offsite, encryption: { passphrase: { env: BACKUP_KEY } } }
          vault: { path: vault, encryption: { keyFile: keys/vault.key } }
        notifications:
          people: { webhook: "https://example.org/hook", headers: { Authorization: { secret: HookToken } } }
          pager: { command: [page, --now] }
        runbooks: [mine]
        state: state
        """;

    public static IReadOnlyDictionary<string, EngineTraits> Engines { get; } = new Dictionary<string, EngineTraits> { ["sqlite"] = new(true), ["server"] = new(false, 5432) };

    public static string File { get; } = Path.Combine(Path.GetTempPath(), "inventory-of-tests", "dbrecovery.yml");

    public static (InventoryModel? Inventory, IReadOnlyList<LintFinding> Findings) Read(string text) => InventoryReader.Read(File, text, Engines);
}
