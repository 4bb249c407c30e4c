using System.Diagnostics;
using Npgsql;

namespace DbRecovery.Benchmarks.Failover;

/// <summary>Asks every standby over an open connection, every 2 ms, whether it takes a write; gives who did first, and when.</summary>
internal sealed class WriteProbe(IReadOnlyList<int> ports)
{
    /// <summary>Makes the table on the primary and waits until the standbys have it. A manager may still restart what it has just made.</summary>
    public void Prepare(int primary)
    {
        Until(ports[primary], connection =>
        {
            Execute(connection, "create table if not exists bench_probe (id bigint generated always as identity, at timestamptz default clock_timestamp())");
            return true;
        });
        foreach (var port in ports)
            Until(port, connection => Scalar(connection, "select count(*) from pg_class where relname = 'bench_probe'") == 1);
    }

    private static void Until(int port, Func<NpgsqlConnection, bool> condition)
    {
        var clock = Stopwatch.StartNew();
        for (; clock.Elapsed < TimeSpan.FromMinutes(1); Thread.Sleep(20))
        {
            try
            {
                using var connection = Open(port);
                if (condition(connection))
                    return;
            }
            catch (NpgsqlException)
            {
                // not yet
            }
        }
        throw new InvalidOperationException($"the server on port {port} does not get ready");
    }

    /// <summary>Does what ends the primary and gives the time from then to the first write that another node took.</summary>
    public TimeSpan Run(int primary, Action end, TimeSpan limit)
    {
        using var stop = new CancellationTokenSource(limit);
        var clock = new Stopwatch();
        var probes = ports.Where((_, n) => n != primary).Select(port => Task.Factory.StartNew(() => Probe(port, clock, stop), TaskCreationOptions.LongRunning)).ToArray();
        Thread.Sleep(300); // the connections are open
        clock.Start();
        end();
        Task.WaitAll(probes);
        var first = probes.Select(p => p.Result).Where(t => t is not null).Min();
        return first ?? throw new InvalidOperationException($"no node took a write within {limit}");
    }

    private static TimeSpan? Probe(int port, Stopwatch clock, CancellationTokenSource stop)
    {
        NpgsqlConnection? connection = null;
        while (!stop.IsCancellationRequested)
        {
            try
            {
                connection ??= Open(port);
                Execute(connection, "insert into bench_probe default values");
                var took = clock.Elapsed;
                stop.Cancel();
                return took;
            }
            catch (PostgresException e) when (e.SqlState == "25006")
            {
                Thread.Sleep(2);
            }
            catch (NpgsqlException)
            {
                connection?.Dispose();
                connection = null;
                Thread.Sleep(2);
            }
        }
        return null;
    }

    private static NpgsqlConnection Open(int port)
    {
        var connection = new NpgsqlConnection($"Host=127.0.0.1;Port={port};Username=postgres;Database=postgres;Pooling=false;Timeout=2;Command Timeout=5");
        connection.Open();
        return connection;
    }

    private static void Execute(NpgsqlConnection connection, string sql)
    {
        using var command = new NpgsqlCommand(sql, connection);
        command.ExecuteNonQuery();
    }

    private static long Scalar(NpgsqlConnection connection, string sql)
    {
        using var command = new NpgsqlCommand(sql, connection);
        return (long)command.ExecuteScalar()!;
    }
}
