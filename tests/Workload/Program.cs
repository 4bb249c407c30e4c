using System.Globalization;
using DbRecovery.Sqlite;
using DbRecovery.Workload;

// The application of the demonstration, the tests and the benchmarks: it makes a shop's database, writes into it as a live
// application does, and damages it in the ways that disks and people do. Each is a process of its own, as in life.
_ = new SqliteProvider(); // maps SQLite to the system's library
try
{
    switch (args)
    {
        case ["create", var path, .. var rest]:
            Shop.Create(path, Option(rest, "--megabytes", 50), Text(rest, "--journal", "wal"));
            return 0;
        case ["write", var path, .. var rest]:
            return Writer.Run(path, Text(rest, "--ack", path + ".acknowledged"), Option(rest, "--rows", int.MaxValue), TimeSpan.FromMilliseconds(Option(rest, "--pause", 5)));
        case ["damage", var path, var kind, .. var rest]:
            Console.WriteLine(Damage.Inflict(path, kind, Option(rest, "--pages", 8)));
            return 0;
        case ["account", var path, var acknowledged]:
            Console.WriteLine(Writer.Account(path, acknowledged));
            return 0;
        case ["mistake", var path]:
            Console.WriteLine(Shop.Mistake(path));
            return 0;
        case ["churn", var path, .. var rest]:
            Shop.Churn(path, Option(rest, "--rows", 1000));
            return 0;
        default:
            Console.Error.WriteLine("""
                workload create PATH [--megabytes N] [--journal wal|delete]
                workload write PATH [--ack FILE] [--rows N] [--pause MS]   until its standard input ends
                workload damage PATH header|data|index|truncate|empty|missing|silent [--pages N]
                workload account PATH ACKNOWLEDGED   which acknowledged orders are in the database, which are not
                workload mistake PATH    what a person does who forgets half of a condition
                workload churn PATH [--rows N]
                """);
            return 2;
    }
}
catch (Exception e) when (e is IOException or Microsoft.Data.Sqlite.SqliteException or ArgumentException)
{
    Console.Error.WriteLine(e.Message);
    return 1;
}

static string Text(string[] options, string name, string otherwise)
{
    var at = Array.IndexOf(options, name);
    return at >= 0 && at + 1 < options.Length ? options[at + 1] : otherwise;
}

static int Option(string[] options, string name, int otherwise) =>
    int.Parse(Text(options, name, otherwise.ToString(CultureInfo.InvariantCulture)), CultureInfo.InvariantCulture);
