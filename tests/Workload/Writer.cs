using System.Globalization;
using Microsoft.Data.Sqlite;

namespace DbRecovery.Workload;

/// <summary>
/// A live application: it places orders until its standard input ends, and writes every id whose commit was acknowledged into a file
/// outside the database, so that what was lost can be told from what was promised. An error makes it reopen the database and go on.
/// </summary>
internal static class Writer
{
    public static int Run(string path, string acknowledged, int rows, TimeSpan pause)
    {
        using var stop = new CancellationTokenSource();
        _ = Task.Run(() =>
        {
            while (Console.In.Read() >= 0)
            {
            }
            stop.Cancel();
        });
        using var log = new StreamWriter(new FileStream(acknowledged, FileMode.Append, FileAccess.Write, FileShare.Read)) { AutoFlush = true };
        var written = 0;
        string? lastError = null;
        SqliteConnection? connection = null;
        while (!stop.IsCancellationRequested && written < rows)
        {
            try
            {
                connection ??= Shop.Open(path);
                var id = Place(connection);
                log.WriteLine(id.ToString(CultureInfo.InvariantCulture));
                written++;
                if (lastError is not null)
                    Console.WriteLine($"writing again after: {lastError}");
                lastError = null;
            }
            catch (SqliteException e)
            {
                lastError = $"{e.SqliteExtendedErrorCode} {e.Message}";
                connection?.Dispose();
                connection = null;
            }
            stop.Token.WaitHandle.WaitOne(pause);
        }
        connection?.Dispose();
        Console.WriteLine($"{written} orders acknowledged");
        return 0;
    }

    /// <summary>Holds what was acknowledged against what is there. An id that was lost may have been given out again: it counts as lost once.</summary>
    public static string Account(string path, string acknowledged)
    {
        using var connection = Shop.Open(path);
        var promised = File.ReadLines(acknowledged).Select(l => long.Parse(l, CultureInfo.InvariantCulture)).ToList();
        using var query = Shop.Command(connection, null, "SELECT count(*) FROM items WHERE order_id = $id AND article = 'live'", "$id");
        var kept = promised.Distinct().Count(id =>
        {
            query.Parameters[0].Value = id;
            return (long)query.ExecuteScalar()! == 1;
        });
        return $"acknowledged {promised.Count}, present {kept}, lost {promised.Count - kept}";
    }

    private static long Place(SqliteConnection connection)
    {
        using var transaction = connection.BeginTransaction();
        using var order = Shop.Command(connection, transaction, "INSERT INTO orders (customer, placed, status) SELECT min(id), datetime('now'), 'open' FROM customers RETURNING id");
        var id = (long)order.ExecuteScalar()!;
        using var item = Shop.Command(connection, transaction, "INSERT INTO items VALUES ($order, 1, 'live', 100)", "$order");
        Shop.Run(item, id);
        transaction.Commit();
        return id;
    }
}
