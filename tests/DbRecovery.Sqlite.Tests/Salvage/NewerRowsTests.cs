using System.Text.Json;
using DbRecovery.Sqlite.Salvage;

namespace DbRecovery.Sqlite.Tests.Salvage;

public sealed class NewerRowsTests
{
    [Fact]
    public async Task Rows_newer_than_the_backup_are_added_and_listed_and_nothing_else_changes()
    {
        using var specimen = new Specimen();
        var restored = Restored(specimen, """
            insert into customers (id, name, email, balance) values (301, 'new', 'new@example.org', 1.0);
            insert into orders (id, customer, note, at) values (301, 301, 'newer', 5), (302, 4, 'newer', 6);
            insert into stock values ('new place', 'x', 5);
            update customers set name = 'changed' where id = 7;
            delete from tags where id = 9;
            """);
        var backup = Specimen.Content(restored);
        specimen.Change(specimen.PagesOf("orders")[1], Array.Clear);

        var report = await AddAsync(specimen, restored);

        Assert.Equal(4, report.RowsWritten);
        Assert.Equal(1, report.Tables.Single(t => t.Table == "customers").RowsChanged);
        var now = Specimen.Content(restored);
        foreach (var table in Specimen.Tables)
            Assert.True(backup[table].IsSubsetOf(now[table]), table);
        Assert.Equal(["customers 301", "orders 301", "orders 302", "stock new place, x"], Listed(specimen).Select(r => $"{r.Table} {r.Key}"));
        Assert.Equal(1, Specimen.Scalar(restored, "select count(*) from customers where id = 301 and email = 'new@example.org' and level = 7"));
        Assert.Equal(0, Specimen.Scalar(restored, "select count(*) from pragma_integrity_check where integrity_check <> 'ok'"));
        Assert.False(File.Exists(restored + "-wal"));
    }

    [Fact]
    public async Task Done_twice_it_adds_nothing_the_second_time_and_keeps_its_list()
    {
        using var specimen = new Specimen();
        var restored = Restored(specimen, "insert into tags values (777, 'new', 1)");

        await AddAsync(specimen, restored);
        var again = await AddAsync(specimen, restored);

        Assert.Equal(0, again.RowsWritten);
        Assert.Equal("tags 777", Assert.Single(Listed(specimen).Select(r => $"{r.Table} {r.Key}")));
    }

    [Fact]
    public async Task Asked_only_what_would_be_added_it_writes_nothing()
    {
        using var specimen = new Specimen();
        var restored = Restored(specimen, "insert into tags values (777, 'new', 1)");
        var before = File.ReadAllBytes(restored);

        var report = await new SqliteSalvager(TimeProvider.System).AddNewerRowsAsync(specimen.Path, restored, null, null, default);

        Assert.Equal(1, report.RowsWritten);
        Assert.Null(report.RowList);
        Assert.Equal(before, File.ReadAllBytes(restored));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Rows_whose_commit_fails_are_not_listed(bool listedBefore)
    {
        using var specimen = new Specimen();
        var restored = Restored(specimen, "insert into tags values (777, 'new', 1)");
        if (listedBefore)
            await AddAsync(specimen, restored);
        var (list, rows) = (File.Exists(specimen.Beside("rows.jsonl")) ? Listed(specimen) : [], Specimen.Content(restored)["tags"].Count);
        Specimen.Run(specimen.Path, "insert into tags values (778, 'newer', 1)");
        using var reader = new Microsoft.Data.Sqlite.SqliteConnection($"Data Source={restored};Pooling=False");
        reader.Open();

        // a reader keeps the commit off
        Assert.Throws<Microsoft.Data.Sqlite.SqliteException>(() => new NewerRows(specimen.Path, restored, specimen.Beside("rows.jsonl"), null, default, TimeSpan.FromMilliseconds(10)).Run(() =>
        {
            using var read = reader.CreateCommand();
            read.CommandText = "begin; select count(*) from tags";
            return read.ExecuteScalar() is long;
        }));

        reader.Close();
        Assert.Equal(rows, Specimen.Content(restored)["tags"].Count);
        Assert.Equal(list, File.Exists(specimen.Beside("rows.jsonl")) ? Listed(specimen) : []);
    }

    [Fact]
    public async Task Cancelled_in_the_middle_it_lets_go_of_the_restored_database()
    {
        using var specimen = new Specimen();
        var restored = Restored(specimen, "insert into customers (id, name) values (301, 'new'); insert into tags values (777, 'new', 1)");
        var before = File.ReadAllBytes(restored);
        using var cancel = new CancellationTokenSource();
        var seen = new Tables(table =>
        {
            if (table == "tags")
                cancel.Cancel();
        });

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => new SqliteSalvager(TimeProvider.System).AddNewerRowsAsync(specimen.Path, restored, specimen.Beside("rows.jsonl"), seen, cancel.Token));

        Assert.False(File.Exists(restored + "-journal"));
        Assert.Equal(before, File.ReadAllBytes(restored));
        Specimen.Run(restored, "pragma busy_timeout = 0; begin immediate; rollback");
    }

    private sealed class Tables(Action<string> each) : IProgress<OperationProgress>
    {
        public void Report(OperationProgress value) => each(value.Status);
    }

    [Fact]
    public async Task A_row_that_breaks_a_constraint_is_refused_with_its_children()
    {
        using var specimen = new Specimen();
        // the restored database has given the address to somebody else meanwhile
        var restored = Restored(specimen, """
            insert into customers (id, name, email) values (301, 'new', 'taken@example.org');
            insert into orders (id, customer, note, at) values (301, 301, 'an order of a refused customer', 5), (302, 4, 'good', 5);
            """, "update customers set email = 'taken@example.org' where id = 1");

        var report = await AddAsync(specimen, restored);

        Assert.Equal(["orders 302"], Listed(specimen).Select(r => $"{r.Table} {r.Key}"));
        Assert.Equal(2, report.RowsRefused);
        Assert.Equal(0, Specimen.Scalar(restored, "select count(*) from pragma_foreign_key_check"));
    }

    [Fact]
    public async Task A_constraint_that_replaces_rows_does_not_overwrite_one_that_was_proved()
    {
        using var specimen = new Specimen();
        Specimen.Run(specimen.Path, "create table seats (id integer primary key, place text unique on conflict replace); insert into seats values (1, 'window')");
        // the backup's row moved on, and a new one has its place
        var restored = Restored(specimen, "update seats set place = 'aisle' where id = 1; insert into seats values (2, 'window')");

        var report = await AddAsync(specimen, restored);

        Assert.Equal(1, report.RowsRefused);
        Assert.Equal(1, Specimen.Scalar(restored, "select count(*) from seats where id = 1 and place = 'window'"));
    }

    [Fact]
    public async Task Rows_of_a_table_without_a_key_are_not_guessed()
    {
        using var specimen = new Specimen();
        var restored = Restored(specimen, "delete from notes where rowid < 5; vacuum; insert into notes values ('new', x'00')");

        var report = await AddAsync(specimen, restored);

        Assert.Equal(0, report.RowsWritten);
        Assert.Equal(specimen.Truth["notes"].Count, Specimen.Content(restored)["notes"].Count);
    }

    [Fact]
    public async Task Triggers_of_the_restored_database_stay_still()
    {
        using var specimen = new Specimen();
        var restored = Restored(specimen, "drop trigger orders_at; insert into orders (id, customer, note, at) values (301, 1, 'without a time', null)");

        await AddAsync(specimen, restored);

        Assert.Equal(1, Specimen.Scalar(restored, "select count(*) from orders where id = 301 and at is null"));
    }

    [Fact]
    public async Task The_list_of_tables_may_be_lost_where_the_backup_has_it()
    {
        using var specimen = new Specimen("PRAGMA page_size = 4096") { KnownPageSize = 4096 };
        var restored = Restored(specimen, "insert into tags values (777, 'new', 1)");
        specimen.Change(1, bytes => Array.Clear(bytes, 100, 3996));

        var report = await AddAsync(specimen, restored);

        Assert.Equal("tags 777", Assert.Single(Listed(specimen).Select(r => $"{r.Table} {r.Key}")));
        Assert.NotEmpty(report.Problems);
    }

    // the present file is what the backup holds; then the application goes on
    private static string Restored(Specimen specimen, string later, string? inTheBackup = null)
    {
        var restored = specimen.Beside("restored.db");
        File.Copy(specimen.Path, restored);
        if (inTheBackup is not null)
            Specimen.Run(restored, inTheBackup);
        Specimen.Run(specimen.Path, later);
        return restored;
    }

    private static Task<SalvageReport> AddAsync(Specimen specimen, string restored) =>
        new SqliteSalvager(TimeProvider.System).AddNewerRowsAsync(specimen.Path, restored, specimen.Beside("rows.jsonl"), null, default);

    private static IReadOnlyList<SalvagedRow> Listed(Specimen specimen) =>
        [.. File.ReadLines(specimen.Beside("rows.jsonl")).Select(l => JsonSerializer.Deserialize<SalvagedRow>(l, DbRecoveryJson.Compact)!).OrderBy(r => r.Table, StringComparer.Ordinal).ThenBy(r => r.Key, StringComparer.Ordinal)];
}
