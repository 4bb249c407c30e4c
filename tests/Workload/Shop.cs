using Microsoft.Data.Sqlite;

namespace DbRecovery.Workload;

/// <summary>A shop's database: customers, orders, items, with keys and indexes, and text that compresses as text does.</summary>
internal static class Shop
{
    private static readonly string[] Words =
        "apple bridge candle delta ember forest garden harbor island jacket kettle lantern meadow needle orchard pepper quartz river saddle timber umbrella violet willow yellow zephyr anchor basket copper dragon engine"
        .Split(' ');

    /// <summary>Opens a database as an application does: it waits for a lock, and declares its keys.</summary>
    public static SqliteConnection Open(string path)
    {
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = path, Pooling = false, DefaultTimeout = 10 }.ToString());
        connection.Open();
        Execute(connection, "PRAGMA busy_timeout = 10000; PRAGMA foreign_keys = ON");
        return connection;
    }

    public static void Create(string path, int megabytes, string journal)
    {
        if (journal is not ("wal" or "delete"))
            throw new ArgumentException($"--journal is wal or delete, not '{journal}'");
        using (var connection = Open(path))
        {
            // nobody needs the half-made database of a crash
            Execute(connection, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -200000");
            Execute(connection, """
                CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL UNIQUE, note TEXT);
                CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customers(id), placed TEXT NOT NULL, status TEXT NOT NULL);
                CREATE TABLE items (order_id INTEGER NOT NULL REFERENCES orders(id), line INTEGER NOT NULL, article TEXT NOT NULL, price INTEGER NOT NULL, PRIMARY KEY (order_id, line)) WITHOUT ROWID;
                CREATE INDEX orders_by_customer ON orders(customer);
                CREATE INDEX items_by_article ON items(article);
                """);
            Fill(connection, path, megabytes * 1024L * 1024);
            Execute(connection, $"PRAGMA synchronous = FULL; PRAGMA journal_mode = {journal}");
        }
        // the file must be on the disk before somebody damages it there
        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite);
        RandomAccess.FlushToDisk(file);
    }

    /// <summary>Changes rows all over the database, as a day's work does.</summary>
    public static void Churn(string path, int rows)
    {
        using var connection = Open(path);
        using var transaction = connection.BeginTransaction();
        using var update = Command(connection, transaction, "UPDATE customers SET note = $note WHERE id = $id", "$note", "$id");
        var random = new Random(7);
        var last = (long)Scalar(connection, transaction, "SELECT max(id) FROM customers")!;
        for (var i = 0; i < rows; i++)
        {
            update.Parameters["$note"].Value = Text(random, 12);
            update.Parameters["$id"].Value = random.NextInt64(1, last + 1);
            update.ExecuteNonQuery();
        }
        transaction.Commit();
    }

    /// <summary>Overwrites rows of a few customers, as a statement does that somebody regrets.</summary>
    public static string Mistake(string path)
    {
        using var connection = Open(path);
        Execute(connection, "UPDATE customers SET note = 'closed' WHERE id BETWEEN 101 AND 103");
        return "the notes of customers 101 to 103 were overwritten";
    }

    /// <summary>Makes an index disagree with its table: while it is declared as a partial one, rows are added without it.</summary>
    public static string MakeIndexStale(string path)
    {
        const string partial = "CREATE INDEX orders_by_customer ON orders(customer) WHERE id < 0", whole = "CREATE INDEX orders_by_customer ON orders(customer)";
        Declare(path, partial);
        using (var connection = Open(path))
            Execute(connection, "INSERT INTO orders (customer, placed, status) SELECT customer, placed, status FROM orders ORDER BY id DESC LIMIT 5");
        Declare(path, whole);
        return "the index orders_by_customer lacks five rows of its table";
    }

    private static void Declare(string path, string index)
    {
        using var connection = Open(path);
        Execute(connection, $"PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = '{index}' WHERE name = 'orders_by_customer'; PRAGMA writable_schema = RESET");
    }

    private static void Fill(SqliteConnection connection, string path, long bytes)
    {
        var random = new Random(42);
        long customer = 0, order = 0;
        while (true)
        {
            using (var transaction = connection.BeginTransaction())
            {
                using var addCustomer = Command(connection, transaction, "INSERT INTO customers VALUES ($id, $name, $email, $note)", "$id", "$name", "$email", "$note");
                using var addOrder = Command(connection, transaction, "INSERT INTO orders VALUES ($id, $customer, $placed, $status)", "$id", "$customer", "$placed", "$status");
                using var addItem = Command(connection, transaction, "INSERT INTO items VALUES ($order, $line, $article, $price)", "$order", "$line", "$article", "$price");
                for (var i = 0; i < 2000; i++)
                {
                    customer++;
                    Run(addCustomer, customer, Text(random, 2), $"{random.Next():x}.{customer}@example.org", Text(random, random.Next(10, 60)));
                    for (var o = random.Next(0, 4); o > 0; o--)
                    {
                        order++;
                        Run(addOrder, order, customer, $"2026-{random.Next(1, 13):00}-{random.Next(1, 29):00}", random.Next(5) == 0 ? "open" : "shipped");
                        for (var line = random.Next(1, 5); line > 0; line--)
                            Run(addItem, order, line, Text(random, 3), random.Next(100, 100_000));
                    }
                }
                transaction.Commit();
            }
            var pages = (long)Scalar(connection, null, "PRAGMA page_count")! * (long)Scalar(connection, null, "PRAGMA page_size")!;
            if (pages >= bytes)
                return;
        }
    }

    private static string Text(Random random, int words) => string.Join(' ', Enumerable.Range(0, words).Select(_ => Words[random.Next(Words.Length)] + random.Next(100)));

    public static object? Scalar(SqliteConnection connection, SqliteTransaction? transaction, string sql)
    {
        using var command = connection.CreateCommand();
        command.Transaction = transaction;
        command.CommandText = sql;
        return command.ExecuteScalar();
    }

    private static void Execute(SqliteConnection connection, string sql) => Scalar(connection, null, sql);

    public static SqliteCommand Command(SqliteConnection connection, SqliteTransaction? transaction, string sql, params string[] parameters)
    {
        var command = connection.CreateCommand();
        command.Transaction = transaction;
        command.CommandText = sql;
        foreach (var name in parameters)
            command.Parameters.Add(new SqliteParameter(name, null));
        return command;
    }

    public static void Run(SqliteCommand command, params object[] values)
    {
        for (var i = 0; i < values.Length; i++)
            command.Parameters[i].Value = values[i];
        command.ExecuteNonQuery();
    }
}
