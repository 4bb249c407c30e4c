using DbRecovery.Sqlite.Native;
using DbRecovery.Sqlite.Rows;
using DbRecovery.Sqlite.Salvage;

namespace DbRecovery.Sqlite.Tests.Salvage;

public sealed class SalvageTests
{
    public static TheoryData<string> Kinds => new()
    {
        "PRAGMA page_size = 1024",
        "PRAGMA page_size = 512",
        "PRAGMA page_size = 4096; PRAGMA auto_vacuum = FULL",
        "PRAGMA page_size = 1024; PRAGMA auto_vacuum = INCREMENTAL",
        "PRAGMA page_size = 1024; PRAGMA encoding = 'UTF-16le'",
        "PRAGMA page_size = 1024; PRAGMA encoding = 'UTF-16be'",
        "PRAGMA page_size = 65536",
    };

    [Theory, MemberData(nameof(Kinds))]
    public async Task A_sound_database_comes_out_whole(string pragmas)
    {
        using var specimen = new Specimen(pragmas);

        var report = await SalvageAsync(specimen);

        Assert.All(report.Tables, t => Assert.True(t.Complete, t.Table));
        Assert.Equal(0, report.RowsRefused);
        Assert.Empty(report.Problems);
        AssertAll(specimen, specimen.Beside("new.db"), Specimen.Tables);
        foreach (var pragma in new[] { "user_version", "application_id", "page_size", "auto_vacuum" })
            Assert.Equal(Specimen.Scalar(specimen.Path, $"pragma {pragma}"), Specimen.Scalar(specimen.Beside("new.db"), $"pragma {pragma}"));
        foreach (var query in new[] { "select count(*) from sqlite_master", "select seq from sqlite_sequence where name = 'orders'", "select count(*) from rich" })
            Assert.Equal(Specimen.Scalar(specimen.Path, query), Specimen.Scalar(specimen.Beside("new.db"), query));
    }

    [ShellTheory]
    [InlineData(12, false), InlineData(255, false), InlineData(12, true), InlineData(32, true)]
    public async Task Bytes_that_an_extension_has_reserved_in_every_page_are_none_of_its_content(int reserved, bool destroyHeader)
    {
        using var specimen = new Specimen();
        using (var shell = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("sqlite3", [specimen.Path, $".filectrl reserve_bytes {reserved}", "vacuum"]) { RedirectStandardOutput = true })!)
            Assert.True(shell.WaitForExit(Wait.Limit));
        Assert.Equal(reserved, specimen.Page(1)[20]);
        specimen.Learn();
        if (destroyHeader)
            specimen.Change(1, bytes => Array.Clear(bytes, 0, 100));

        var report = await SalvageAsync(specimen);

        Assert.All(report.Tables, t => Assert.True(t.Complete, t.Table));
        AssertAll(specimen, specimen.Beside("new.db"), Specimen.Tables);
    }

    [Theory]
    [InlineData("customers"), InlineData("orders"), InlineData("stock"), InlineData("notes")]
    public async Task A_destroyed_leaf_costs_its_own_rows_only(string table)
    {
        using var specimen = new Specimen();
        var pages = specimen.PagesOf(table);
        specimen.Change(pages[pages.Count / 2], bytes => new Random(1).NextBytes(bytes));

        var report = await SalvageAsync(specimen);

        var found = AssertNothingWrong(specimen);
        AssertAll(specimen, specimen.Beside("new.db"), Specimen.Tables.Where(t => t != table));
        Assert.InRange(found[table].Count, specimen.Truth[table].Count / 2, specimen.Truth[table].Count - 1);
        var damaged = report.Tables.Single(t => t.Table == table);
        Assert.False(damaged.Complete);
        Assert.NotEmpty(damaged.Unreadable);
    }

    [Fact]
    public async Task Rows_whose_every_column_is_in_an_index_are_put_together()
    {
        using var specimen = new Specimen();
        var pages = specimen.PagesOf("tags");
        specimen.Change(pages[1], Array.Clear);

        var report = await SalvageAsync(specimen);

        AssertAll(specimen, specimen.Beside("new.db"), Specimen.Tables);
        var tags = report.Tables.Single(t => t.Table == "tags");
        Assert.True(tags.RowsFromIndexes > 0);
        Assert.True(tags.Complete);
        Assert.Equal(0, tags.RowsUnreadable);
    }

    [Fact]
    public async Task Lost_rows_of_which_an_index_knows_a_part_are_counted_and_kept_apart()
    {
        using var specimen = new Specimen();
        var pages = specimen.PagesOf("customers");
        specimen.Change(pages[1], Array.Clear);

        var report = await SalvageAsync(specimen);

        var customers = report.Tables.Single(t => t.Table == "customers");
        Assert.Equal(specimen.Truth["customers"].Count - customers.Rows, customers.RowsUnreadable);
        Assert.Equal(customers.RowsUnreadable, Specimen.Scalar(specimen.Beside("new.db"), "select count(*) from lost_and_found where table_name = 'customers' and c2 like 'c%@example.org'"));
    }

    [Theory]
    [InlineData("customers"), InlineData("orders"), InlineData("tags"), InlineData("stock")]
    public async Task The_leaves_below_a_destroyed_root_are_found(string table)
    {
        using var specimen = new Specimen();
        specimen.Change(specimen.RootOf(table), Array.Clear);

        await SalvageAsync(specimen);

        var found = AssertNothingWrong(specimen);
        // a WITHOUT ROWID table has rows in its root
        Assert.InRange(found[table].Count, specimen.Truth[table].Count * 8 / 10, specimen.Truth[table].Count);
    }

    [Fact]
    public async Task Pages_that_changed_places_give_no_wrong_row()
    {
        using var specimen = new Specimen();
        var (customers, orders) = (specimen.PagesOf("customers"), specimen.PagesOf("orders"));
        Swap(specimen, customers[1], orders[1]);
        Swap(specimen, customers[3], customers[5]);

        await SalvageAsync(specimen);

        var found = AssertNothingWrong(specimen);
        Assert.Equal(specimen.Truth["customers"].Count, found["customers"].Count);
        Assert.Equal(specimen.Truth["orders"].Count, found["orders"].Count);
    }

    [Theory]
    [InlineData("PRAGMA page_size = 1024", 1024)]
    [InlineData("PRAGMA page_size = 4096; PRAGMA encoding = 'UTF-16le'", 4096)]
    public async Task A_destroyed_header_costs_no_row(string pragmas, int pageSize)
    {
        using var specimen = new Specimen(pragmas) { KnownPageSize = pageSize };
        specimen.Change(1, bytes => bytes.AsSpan(0, 100).Fill(0xAA));

        var report = await SalvageAsync(specimen);

        AssertAll(specimen, specimen.Beside("new.db"), Specimen.Tables);
        Assert.NotEmpty(report.Problems);
    }

    [Fact]
    public async Task A_destroyed_list_of_tables_leaves_the_rows_without_their_tables()
    {
        using var specimen = new Specimen("PRAGMA page_size = 4096") { KnownPageSize = 4096 };
        specimen.Change(1, Array.Clear);

        var report = await SalvageAsync(specimen);

        Assert.True(report.RowsWritten + report.RowsRefused > 0);
        Assert.True(Specimen.Scalar(specimen.Beside("new.db"), "select count(*) from lost_and_found") >= 300);
    }

    [Fact]
    public async Task A_truncated_file_gives_what_is_left()
    {
        using var specimen = new Specimen();
        using (var file = File.OpenWrite(specimen.Path))
            file.SetLength(file.Length * 2 / 3);

        var report = await SalvageAsync(specimen);

        AssertNothingWrong(specimen);
        Assert.Contains(report.Problems, p => p.Contains("truncated", StringComparison.Ordinal));
        Assert.True(report.RowsWritten > 300);
    }

    [Fact]
    public async Task A_broken_overflow_chain_costs_one_row()
    {
        using var specimen = new Specimen();
        using (var database = DamagedDatabase.Open(specimen.Path, null, default))
        {
            var cell = database.Pages.TryReadPage(specimen.PagesOf("notes")[0])!.Cells[0];
            specimen.Change(cell.Overflow, Array.Clear);
        }

        var report = await SalvageAsync(specimen);

        var found = AssertNothingWrong(specimen);
        Assert.Equal(specimen.Truth["notes"].Count - 1, found["notes"].Count);
        Assert.Equal(1, report.Tables.Single(t => t.Table == "notes").RowsUnreadable);
    }

    [Fact]
    public async Task A_row_that_an_index_gives_back_hides_no_other_that_is_lost()
    {
        using var specimen = new Specimen();
        Specimen.Run(specimen.Path, "create table pages (id integer primary key, body text); create index first_pages on pages (body) where id < 3; insert into pages select i, replace(hex(zeroblob(900)), '0', i) from (select 1 as i union select 2 union select 3)");
        using (var database = DamagedDatabase.Open(specimen.Path, null, default))
        {
            foreach (var cell in specimen.PagesOf("pages").SelectMany(p => database.Pages.TryReadPage(p)!.Cells).Skip(1))
                specimen.Change(cell.Overflow, Array.Clear);
        }

        var pages = (await SalvageAsync(specimen)).Tables.Single(t => t.Table == "pages");

        Assert.Equal((1, 1, 1, false), (pages.Rows, pages.RowsFromIndexes, pages.RowsUnreadable!.Value, pages.Complete));
    }

    [Fact]
    public async Task Deleted_rows_do_not_come_back()
    {
        using var specimen = new Specimen();
        Specimen.Run(specimen.Path, "delete from orders where id > 50");
        specimen.Learn();
        specimen.Change(specimen.RootOf("customers"), Array.Clear);

        await SalvageAsync(specimen);

        var found = AssertNothingWrong(specimen);
        Assert.Equal(50, found["orders"].Count);
    }

    [Fact]
    public async Task What_is_in_the_log_counts()
    {
        using var specimen = new Specimen();
        Specimen.Run(specimen.Path, "pragma journal_mode = wal");
        // a log that a crash left: both files are taken while the writer has them open
        using (var writer = new Microsoft.Data.Sqlite.SqliteConnection($"Data Source={specimen.Path};Pooling=False"))
        {
            writer.Open();
            using var command = writer.CreateCommand();
            command.CommandText = "pragma wal_autocheckpoint = 0; insert into tags values (9001, 'from the log', 1); update customers set name = 'renamed' where id = 5";
            command.ExecuteNonQuery();
            specimen.Learn();
            File.Copy(specimen.Path, specimen.Beside("crashed.db"));
            File.Copy(specimen.Path + "-wal", specimen.Beside("crashed.db-wal"));
        }

        await new SqliteSalvager(TimeProvider.System).SalvageAsync(specimen.Beside("crashed.db"), specimen.Beside("new.db"), null, default);

        AssertAll(specimen, specimen.Beside("new.db"), Specimen.Tables);
    }

    [Fact]
    public async Task The_damaged_file_is_never_changed_and_a_target_never_replaced()
    {
        using var specimen = new Specimen();
        specimen.Change(specimen.PagesOf("orders")[1], Array.Clear);
        var before = File.ReadAllBytes(specimen.Path);

        await SalvageAsync(specimen);
        var again = await Assert.ThrowsAsync<DbRecoveryException>(() => SalvageAsync(specimen));

        Assert.Equal(ErrorIds.TargetExists, again.Id);
        Assert.Equal(before, File.ReadAllBytes(specimen.Path));
        Assert.Equal(["app.db", "new.db"], Directory.GetFileSystemEntries(Path.GetDirectoryName(specimen.Path)!).Select(Path.GetFileName).Order());
    }

    [Fact]
    public void A_row_that_cannot_be_kept_apart_is_not_said_to_be()
    {
        using var specimen = new Specimen();
        using var connection = SqliteConnections.OpenReadWrite(specimen.Path, TimeSpan.Zero);
        var lost = new LostAndFound(connection, []);
        lost.Add(new LooseRow(null, 1, 1, [1L], "a small one"));
        Statement.Run(connection, "pragma max_page_count = 1");
        Assert.Throws<Microsoft.Data.Sqlite.SqliteException>(() => lost.Add(new LooseRow(null, 1, 2, [new byte[1 << 20]], "no room")));
        Assert.Equal(1, lost.Rows);
    }

    [Theory]
    [InlineData(0), InlineData(50), InlineData(20_000)]
    public async Task A_file_that_holds_nothing_is_refused(int length)
    {
        using var specimen = new Specimen();
        File.WriteAllBytes(specimen.Path, [.. Enumerable.Repeat((byte)0xAA, length)]);

        var error = await Assert.ThrowsAsync<DbRecoveryException>(() => SalvageAsync(specimen));

        Assert.Equal(ErrorIds.DatabaseCorrupt, error.Id);
        Assert.False(File.Exists(specimen.Beside("new.db")));
    }

    [Fact]
    public async Task Any_damage_gives_right_rows_or_none()
    {
        var random = new Random(20261121);
        using var small = new Specimen("PRAGMA page_size = 512", rows: 60) { KnownPageSize = 512 };
        using var large = new Specimen("PRAGMA page_size = 1024", rows: 60);
        Specimen[] specimens = [small, large];
        var originals = specimens.Select(s => s.Beside("original.db")).ToArray();
        for (var i = 0; i < specimens.Length; i++)
            File.Copy(specimens[i].Path, originals[i]);
        for (var run = 0; run < 120; run++)
        {
            var specimen = specimens[run % 2];
            File.Copy(originals[run % 2], specimen.Path, overwrite: true);
            File.Delete(specimen.Beside("new.db"));
            var pages = (uint)(new FileInfo(specimen.Path).Length / specimen.KnownPageSize);
            var intact = IntactRows(specimen, out var hit, random, pages);
            try
            {
                await SalvageAsync(specimen);
            }
            catch (DbRecoveryException e) when (e.Id == ErrorIds.DatabaseCorrupt && hit.Contains(1u))
            {
                continue;
            }
            if (hit.Contains(1u))
                continue;
            var found = AssertNothingWrong(specimen);
            foreach (var (table, rows) in intact)
                Assert.True(found[table].IsSupersetOf(rows), $"run {run}: {table} lacks rows of pages that were not touched ({string.Join(", ", hit)})");
        }
    }

    // rows whose pages lead from the root without meeting a damaged one
    private static Dictionary<string, HashSet<string>> IntactRows(Specimen specimen, out HashSet<uint> hit, Random random, uint pages)
    {
        var damaged = new HashSet<uint>();
        for (var i = 0; i < random.Next(1, 5); i++)
            damaged.Add((uint)random.Next(1, (int)pages + 1));
        var before = specimen.Truth;
        var whole = Specimen.Tables.ToDictionary(t => t, _ => true);
        using (var database = DamagedDatabase.Open(specimen.Path, null, default))
        {
            // without its definition a table's rows are kept apart
            var definitions = Touched(database.Pages, 1);
            foreach (var table in database.Tables.Where(t => whole.ContainsKey(t.Row.Name)))
                whole[table.Row.Name] = !damaged.Overlaps(Touched(database.Pages, table.Row.RootPage).Concat(definitions));
        }
        foreach (var page in damaged)
        {
            var way = random.Next(3);
            specimen.Change(page, bytes =>
            {
                if (way == 0)
                    Array.Clear(bytes);
                else if (way == 1)
                    random.NextBytes(bytes);
                else
                    random.NextBytes(bytes.AsSpan(0, 128));
            });
        }
        hit = damaged;
        return before.Where(t => whole[t.Key]).ToDictionary(t => t.Key, t => t.Value);
    }

    private static HashSet<uint> Touched(PageStore pages, uint root)
    {
        var seen = new HashSet<uint>();
        var todo = new Stack<uint>([root]);
        while (todo.TryPop(out var number))
        {
            if (!seen.Add(number) || pages.TryReadPage(number) is not { } page)
                continue;
            foreach (var cell in page.Cells)
            {
                if (cell.LeftChild != 0)
                    todo.Push(cell.LeftChild);
                for (var next = cell.Overflow; next != 0 && seen.Add(next);)
                    next = System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(pages.TryReadBytes(next));
            }
            if (page.RightChild != 0)
                todo.Push(page.RightChild);
        }
        return seen;
    }

    private static void Swap(Specimen specimen, uint a, uint b)
    {
        var (first, second) = (specimen.Page(a), specimen.Page(b));
        specimen.Change(a, bytes => second.CopyTo(bytes, 0));
        specimen.Change(b, bytes => first.CopyTo(bytes, 0));
    }

    private static Task<SalvageReport> SalvageAsync(Specimen specimen) =>
        new SqliteSalvager(TimeProvider.System).SalvageAsync(specimen.Path, specimen.Beside("new.db"), null, default);

    private static void AssertAll(Specimen specimen, string path, IEnumerable<string> tables)
    {
        var found = Specimen.Content(path);
        foreach (var table in tables)
            Assert.True(specimen.Truth[table].SetEquals(found[table]), $"{table}: {found[table].Count} of {specimen.Truth[table].Count} rows, {found[table].Except(specimen.Truth[table]).FirstOrDefault()}");
    }

    private static IReadOnlyDictionary<string, HashSet<string>> AssertNothingWrong(Specimen specimen)
    {
        var found = Specimen.Content(specimen.Beside("new.db"));
        foreach (var (table, rows) in found)
            Assert.True(rows.IsSubsetOf(specimen.Truth[table]), $"{table} has a row that never was: {rows.Except(specimen.Truth[table]).FirstOrDefault()}");
        return found;
    }
}
