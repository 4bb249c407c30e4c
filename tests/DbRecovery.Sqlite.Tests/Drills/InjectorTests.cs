using DbRecovery.Sqlite.Drills;

namespace DbRecovery.Sqlite.Tests.Drills;

/// <summary>Nothing outside of a sandbox is damaged, and what is inflicted inside is what the name says.</summary>
public sealed class InjectorTests : IDisposable
{
    private static readonly SqliteFaultInjector Injector = new();
    private readonly Sandbox _sandbox = new();

    public static TheoryData<string> Damages() => [.. Injector.Damages.Select(d => d.Name)];

    [Theory]
    [MemberData(nameof(Damages))]
    public async Task A_file_that_lies_in_no_sandbox_is_refused(string damage)
    {
        _sandbox.Create("app.db", "row");
        // a name alone makes no sandbox, and neither does the mark of somebody who is gone
        foreach (var name in new[] { "dbrecovery-drill-000000000000", "dbrecovery-drill-000000000001" })
            Directory.CreateDirectory(_sandbox.File(name));
        File.WriteAllText(_sandbox.File("dbrecovery-drill-000000000001/.owner"), "");
        var before = _sandbox.Snapshot();
        foreach (var path in new[] { "app.db", "dbrecovery-drill-000000000000/app.db", "dbrecovery-drill-000000000001/app.db" })
        {
            var place = _sandbox.File(path);
            if (path != "app.db")
                File.Copy(_sandbox.File("app.db"), place);
            await RefusedAsync(damage, place);
            if (path != "app.db")
                File.Delete(place);
        }
        Assert.Equal(before, _sandbox.Snapshot());
    }

    [Theory]
    [MemberData(nameof(Damages))]
    public async Task A_link_out_of_the_sandbox_is_followed_and_refused(string damage)
    {
        using var owned = OwnedFolder.Create(_sandbox.Folder, DrillSandbox.Prefix);
        var outside = _sandbox.Create("app.db", "row");
        Directory.CreateDirectory(_sandbox.File("elsewhere"));
        File.Copy(outside, _sandbox.File("elsewhere/app.db"));
        var file = Path.Combine(owned.Path, "app.db");
        File.CreateSymbolicLink(file, outside);
        Directory.CreateSymbolicLink(Path.Combine(owned.Path, "data"), _sandbox.File("elsewhere"));
        var before = (File.ReadAllBytes(outside), File.ReadAllBytes(_sandbox.File("elsewhere/app.db")));
        await RefusedAsync(damage, file);
        await RefusedAsync(damage, Path.Combine(owned.Path, "data", "app.db"));
        await RefusedAsync(damage, Path.Combine(owned.Path, "data", "not-there.db"));
        Assert.Equal(before.Item1, File.ReadAllBytes(outside));
        Assert.Equal(before.Item2, File.ReadAllBytes(_sandbox.File("elsewhere/app.db")));
    }

    [Fact]
    public async Task The_ledger_writes_into_sandboxes_only()
    {
        var ledger = new SqliteDrillLedger(TimeProvider.System);
        var outside = Sandbox.Node(_sandbox.Create("app.db", "row"));
        var before = _sandbox.Snapshot();
        foreach (var attempt in new Func<Task>[] { () => ledger.BeginAsync(outside, default), () => ledger.WriteAsync(outside, 1, 1, default), () => ledger.CompareAsync(outside, outside.Path!, default), () => Injector.UseAsync(outside, default) })
            Assert.Equal(ErrorIds.DrillFailed, (await Assert.ThrowsAsync<DbRecoveryException>(attempt)).Id);
        Assert.Equal(before, _sandbox.Snapshot());
    }

    [Theory]
    [InlineData("PRAGMA encoding = 'UTF-8'; PRAGMA page_size = 512")]
    [InlineData("PRAGMA encoding = 'UTF-16le'")]
    [InlineData("PRAGMA encoding = 'UTF-16be'; PRAGMA page_size = 65536")]
    public async Task A_silent_change_is_seen_by_no_structure_check_and_by_the_account(string format)
    {
        using var owned = OwnedFolder.Create(_sandbox.Folder, DrillSandbox.Prefix);
        var node = Sandbox.Node(Path.Combine(owned.Path, "app.db"));
        Sandbox.Execute(node.Path!, format + "; CREATE TABLE t(v)", create: true);
        var ledger = new SqliteDrillLedger(TimeProvider.System);
        await ledger.BeginAsync(node, default);
        await ledger.WriteAsync(node, 1, 5, default);
        var intact = Path.Combine(owned.Path, "intact");
        File.Copy(node.Path!, intact);
        await using var inflicted = await Injector.InflictAsync(Damage("silent-cell-change"), Sandbox.Cluster(node.Path!), node, 2, default);
        Assert.Equal("ok", Sandbox.Execute(node.Path!, "PRAGMA integrity_check"));
        var account = await ledger.CompareAsync(node, intact, default);
        Assert.Equal((0, 1), (account.Lost, account.Wrong));
        Assert.Equal([1L, 2L, 4L, 5L], account.Surviving.Order());
    }

    [Fact]
    public async Task The_account_finds_what_is_lost_and_what_is_wrong_in_every_kind_of_table()
    {
        using var owned = OwnedFolder.Create(_sandbox.Folder, DrillSandbox.Prefix);
        var node = Sandbox.Node(Path.Combine(owned.Path, "app.db"));
        Sandbox.Execute(node.Path!, """
            CREATE TABLE plain(v TEXT COLLATE NOCASE);
            CREATE TABLE named(rowid TEXT, v);
            CREATE TABLE keyed(a TEXT, b INT, v, PRIMARY KEY (a, b)) WITHOUT ROWID;
            CREATE TABLE dropped(v);
            CREATE TABLE hidden(rowid, _rowid_, oid);
            CREATE TABLE "od""d [name]"("a b" TEXT, c GENERATED ALWAYS AS (1));
            INSERT INTO plain VALUES ('a'), ('b'), (NULL), ('d');
            INSERT INTO named VALUES ('x', 1), ('x', 2);
            INSERT INTO keyed VALUES ('k', 1, 1), ('k', 2, 2), ('l', 1, 3);
            INSERT INTO dropped VALUES (1), (2);
            INSERT INTO hidden VALUES (1, 1, 1), (2, 2, 2);
            INSERT INTO "od""d [name]" VALUES ('same'), ('other');
            """, create: true);
        var ledger = new SqliteDrillLedger(TimeProvider.System);
        var intact = Path.Combine(owned.Path, "intact");
        File.Copy(node.Path!, intact);
        Assert.Equal((0, 0), await Account());
        Sandbox.Execute(node.Path!, """
            UPDATE plain SET v = 'A' WHERE v = 'a'; UPDATE plain SET v = '' WHERE v IS NULL; DELETE FROM plain WHERE v = 'd';
            UPDATE named SET v = 3 WHERE v = 2;
            DELETE FROM keyed WHERE b = 2; UPDATE keyed SET v = NULL WHERE a = 'l';
            DROP TABLE dropped;
            DELETE FROM hidden WHERE oid = 1;
            UPDATE "od""d [name]" SET "a b" = 'another' WHERE "a b" = 'other';
            INSERT INTO plain (rowid, v) VALUES (50, 'new');
            """);
        // lost: one each of plain, keyed and hidden, two of dropped; wrong: two of plain, one each of named, keyed and the odd one
        Assert.Equal((5, 5), await Account());

        async Task<(long, long)> Account()
        {
            var account = await ledger.CompareAsync(node, intact, default);
            return (account.Lost, account.Wrong);
        }
    }

    public void Dispose() => _sandbox.Dispose();

    private static DrillDamage Damage(string name) => Injector.Damages.Single(d => d.Name == name);

    private static async Task RefusedAsync(string damage, string path)
    {
        var error = await Assert.ThrowsAsync<DbRecoveryException>(() => Injector.InflictAsync(Damage(damage), Sandbox.Cluster(path), Sandbox.Node(path), 0, default));
        Assert.Equal((ErrorIds.DrillFailed, ErrorKind.Refused), (error.Id, error.Kind));
    }
}
