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
            auth: { user: me, password: { file: secret.txt } }
            backups:
              repository: offsite
              keep: { hours: 12 }
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

    public static IReadOnlyDictionary<string, bool> Engines { get; } = new Dictionary<string, bool> { ["sqlite"] = true, ["server"] = false };

    public static string File { get; } = Path.Combine(Path.GetTempPath(), "inventory-of-tests", "dbrecovery.yml");

    public static (InventoryModel? Inventory, IReadOnlyList<LintFinding> Findings) Read(string text) => InventoryReader.Read(File, text, Engines);
}
