using System.Globalization;
using DbRecovery.Sqlite.Salvage;
using Microsoft.Data.Sqlite;

namespace DbRecovery.Sqlite.Tests.Salvage;

/// <summary>A database whose every row is known, to be damaged.</summary>
internal sealed class Specimen : IDisposable
{
    private readonly Sandbox _box = new();

    /// <summary>Makes one.</summary>
    /// <param name="pragmas">Settings before the first table.</param>
    /// <param name="rows">Rows a table.</param>
    public Specimen(string pragmas = "PRAGMA page_size = 1024", int rows = 300)
    {
        Run(Path, $$"""
            {{pragmas}};
            create table customers (id integer primary key, name text not null, email text unique, balance real);
            create table orders (id integer primary key autoincrement, customer integer not null references customers (id), note text, at integer, extra blob);
            create table stock (place text, item text, count integer, primary key (place, item)) without rowid;
            create table notes (body text, pic blob);
            create table tags (id integer primary key, tag text, weight integer);
            create index tags_tag on tags (tag, weight);
            create index orders_customer on orders (customer);
            create view rich as select * from customers where balance > 100;
            create trigger orders_at after insert on orders when new.at is null begin update orders set at = 1 where id = new.id; end;
            begin;
            with recursive n(i) as (values(1) union all select i + 1 from n where i < {{rows}})
              insert into customers select i, 'customer ' || i, 'c' || i || '@example.org', i * 1.5 from n;
            with recursive n(i) as (values(1) union all select i + 1 from n where i < {{rows}})
              insert into orders select i, i, 'order note ' || i, 1000 + i, zeroblob(i % 7) from n;
            with recursive n(i) as (values(1) union all select i + 1 from n where i < {{rows}})
              insert into stock select 'place ' || (i % 10), 'item ' || i, i from n;
            with recursive n(i) as (values(1) union all select i + 1 from n where i < {{rows / 10}})
              insert into notes select replace(hex(zeroblob(1500)), '00', 'long text ' || i || ' '), randomblob(i * 50) from n;
            with recursive n(i) as (values(1) union all select i + 1 from n where i < {{rows}})
              insert into tags select i, 'tag ' || i, i % 5 from n;
            commit;
            alter table customers add column level integer default 7;
            pragma user_version = 42;
            pragma application_id = 1234;
            """);
        Truth = Content(Path);
    }

    /// <summary>The tables of a specimen.</summary>
    public static IReadOnlyList<string> Tables { get; } = ["customers", "orders", "stock", "notes", "tags"];

    /// <summary>The file.</summary>
    public string Path => _box.File("app.db");

    /// <summary>Another file beside it.</summary>
    public string Beside(string name) => _box.File(name);

    /// <summary>Every row as text, with its rowid where it has one, by table.</summary>
    public IReadOnlyDictionary<string, HashSet<string>> Truth { get; private set; }

    /// <summary>Runs statements in a file.</summary>
    public static void Run(string path, string sql) => Sandbox.Execute(path, sql, create: true);

    /// <summary>One number.</summary>
    public static long Scalar(string path, string sql) => Convert.ToInt64(Sandbox.Execute(path, sql), CultureInfo.InvariantCulture);

    /// <summary>What a sound file holds.</summary>
    public static IReadOnlyDictionary<string, HashSet<string>> Content(string path)
    {
        using var connection = new SqliteConnection($"Data Source={path};Pooling=False");
        connection.Open();
        return Tables.ToDictionary(t => t, t => Rows(connection, t));
    }

    /// <summary>Takes the present content for the truth.</summary>
    public void Learn() => Truth = Content(Path);

    /// <summary>The pages that hold rows of a table, in key order.</summary>
    public IReadOnlyList<uint> PagesOf(string table)
    {
        using var database = DamagedDatabase.Open(Path, null, default);
        return database.Tables.Single(t => t.Row.Name == table).Tree.Pages;
    }

    /// <summary>The root page of a table or index.</summary>
    public uint RootOf(string name) => (uint)Scalar(Path, $"select rootpage from sqlite_master where name = '{name}'");

    /// <summary>Changes the bytes of a page in place.</summary>
    public void Change(uint page, Action<byte[]> change)
    {
        var size = PageSizeOf(Path);
        using var file = File.Open(Path, FileMode.Open, FileAccess.ReadWrite);
        var bytes = new byte[size];
        file.Position = (page - 1L) * size;
        file.ReadExactly(bytes);
        change(bytes);
        file.Position = (page - 1L) * size;
        file.Write(bytes);
    }

    /// <summary>The bytes of a page.</summary>
    public byte[] Page(uint page)
    {
        byte[] copy = [];
        Change(page, bytes => copy = [.. bytes]);
        return copy;
    }

    /// <summary>The page size as it was before any damage.</summary>
    public int KnownPageSize { get; set; } = 1024;

    public void Dispose() => _box.Dispose();

    private int PageSizeOf(string path) => File.Exists(path) ? KnownPageSize : 0;

    private static HashSet<string> Rows(SqliteConnection connection, string table)
    {
        using var command = connection.CreateCommand();
        // a table whose definition is lost has no rows
        command.CommandText = $"select count(*) from sqlite_master where type = 'table' and name = '{table}'";
        if (command.ExecuteScalar() is 0L)
            return [];
        var rowId = table == "stock" ? "" : "rowid, ";
        command.CommandText = $"select {rowId}* from {table}";
        using var reader = command.ExecuteReader();
        var rows = new HashSet<string>();
        while (reader.Read())
        {
            rows.Add(string.Join("|", Enumerable.Range(0, reader.FieldCount).Select(i => reader.GetValue(i) switch
            {
                byte[] b => "x" + Convert.ToHexString(b),
                DBNull => "null",
                var v => v.GetType().Name[0] + Convert.ToString(v, CultureInfo.InvariantCulture),
            })));
        }
        return rows;
    }
}
