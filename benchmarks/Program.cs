using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using DbRecovery.Benchmarks;
using DbRecovery.Benchmarks.Failover;
using DbRecovery.Benchmarks.Watch;

if (args is ["failover", var executable, var module, var roundsText, .. var only])
{
    var situations = Situations.All(executable, int.Parse(roundsText, CultureInfo.InvariantCulture)).Where(s => only.Length == 0 || only.Any(o => s.Name.Contains(o, StringComparison.Ordinal))).ToList();
    // first what must have the machine for itself
    IReadOnlyList<string> looks =
    [
        .. only.Length > 0 ? [] : Kept(() => WatchFigures.RunAsync(executable, 500, 30).GetAwaiter().GetResult()),
        .. only.Length > 0 && !only.Contains("health") ? [] : Kept(() => HealthFigures.Run(executable, module)),
    ];
    var lost = FailoverFigures.Run(situations, TimeSpan.FromMinutes(10));
    foreach (var row in lost.Take(2).Concat(lost.Skip(2).Where(l => l[0] == '|')).Concat(looks).Concat(lost.Where(l => l[0] != '|')))
        Console.WriteLine(row);
    return 0;
}

// Each figure beside its peer, in the same run, on the same file. Ratios are what to compare between machines.
if (args is ["watch", var watching, var nodesText, var secondsText])
{
    foreach (var line in await WatchFigures.RunAsync(watching, int.Parse(nodesText, CultureInfo.InvariantCulture), int.Parse(secondsText, CultureInfo.InvariantCulture)))
        Console.WriteLine(line);
    return 0;
}

if (args is not [var cli, var workload, var manifest, var emptyModule, var folder, var megabytesText])
{
    Console.Error.WriteLine("Run it by: dotnet run --project build -- bench [quick]");
    return 2;
}
var megabytes = int.Parse(megabytesText, CultureInfo.InvariantCulture);
const int Rounds = 3;
Directory.CreateDirectory(folder);
File.WriteAllText(Path.Combine(folder, "dbrecovery.yml"), """
    clusters:
      shop: { engine: sqlite, nodes: [ { name: shop-db, path: shop.db } ], backups: { repository: main } }
      small: { engine: sqlite, nodes: [ { name: small-db, path: small.db } ], backups: { repository: main } }
    repositories:
      main: { path: repository }
      plain: { path: plain }
      vault: { path: vault, encryption: { passphrase: { env: BENCH_KEY } } }
    state: state
    """);
string P(string name) => Path.Combine(folder, name);
Console.WriteLine($"{Environment.ProcessorCount} cores; database of {megabytes} MB; median of {Rounds} runs each, in turn; every figure is of a whole process");
Measure.Run(workload, ["create", P("shop.db"), "--megabytes", megabytesText], folder);
Measure.Run(workload, ["create", P("small.db"), "--megabytes", "1"], folder);
var size = new FileInfo(P("shop.db")).Length;

// full backup
JsonElement backup = default;
var (full, peer) = Measure.Pair(Rounds,
    () =>
    {
        if (Directory.Exists(P("repository")))
            Directory.Delete(P("repository"), recursive: true);
        var run = Measure.Run(cli, ["backup", "new", "shop", "--output", "json"], folder);
        backup = JsonDocument.Parse(run.Output).RootElement;
        return run;
    },
    () =>
    {
        File.Delete(P("peer.db"));
        File.Delete(P("peer.db.zst"));
        var clock = Stopwatch.StartNew();
        Measure.Run("sqlite3", [P("shop.db"), $".backup '{P("peer.db")}'"], folder);
        Measure.Run("zstd", ["-1", "-q", P("peer.db"), "-o", P("peer.db.zst")], folder);
        Measure.Run("sync", [P("peer.db.zst")], folder); // ours is on the disk when it says so
        return new Measure.Sample(clock.Elapsed, 0, "");
    });
Row("full backup", full.Wall, peer.Wall, "sqlite3 .backup, zstd -1, sync");
var stored = Directory.GetFiles(P("repository"), "*", SearchOption.AllDirectories).Sum(f => new FileInfo(f).Length);
var peerStored = new FileInfo(P("peer.db.zst")).Length;
Console.WriteLine($"{"stored size",-24} {stored / 1e6,9:0.0} MB   peer {peerStored / 1e6,9:0.0} MB   ratio {(double)stored / peerStored:0.000}   (at most 1.05)");
Memory("full backup", full);

// restore
var (restore, unzstd) = Measure.Pair(Rounds,
    () =>
    {
        File.Delete(P("restored.db"));
        return Measure.Run(cli, ["backup", "restore", "shop", backup.GetProperty("id").GetString()!, "--to", P("restored.db"), "--output", "json"], folder);
    },
    () =>
    {
        File.Delete(P("peer-restored.db"));
        var clock = Stopwatch.StartNew();
        Measure.Run("zstd", ["-d", "-q", P("peer.db.zst"), "-o", P("peer-restored.db")], folder);
        Measure.Run("sync", [P("peer-restored.db")], folder);
        return new Measure.Sample(clock.Elapsed, 0, "");
    });
Row("restore, every byte checked", restore.Wall, unzstd.Wall, "zstd -d, sync");
Memory("restore", restore);
Console.WriteLine($"{"restore speed",-24} {size / 1e6 / restore.Wall.TotalSeconds,9:0} MB/s");

new RepositoryFigures(cli, workload, folder, size).Run();

// health from process start; a database whose backup is proved is healthy
Measure.Run(cli, ["backup", "test", "shop"], folder);
Limit("health, quick", Repeat(() => Measure.Run(cli, ["health", "shop", "--level", "quick", "--output", "json"], folder, expected: 0)), 200);

// resume: an incident whose process was killed in its middle
Measure.Run(cli, ["backup", "new", "small"], folder);
Measure.Run(cli, ["backup", "test", "small"], folder);
Limit("resume of an incident", Enumerable.Range(0, 5).Select(_ => Resume()).ToList(), 300);

// import
if (File.Exists("/usr/local/bin/pwsh") || File.Exists("/usr/bin/pwsh"))
{
    Measure.Sample Import(string module)
    {
        var run = Measure.Run("pwsh", ["-NoProfile", "-NonInteractive", "-Command", $"(Measure-Command {{ Import-Module '{module}' }}).TotalMilliseconds"], folder);
        return run with { Wall = TimeSpan.FromMilliseconds(double.Parse(run.Output.Trim(), CultureInfo.InvariantCulture)) };
    }
    var (import, empty) = Measure.Pair(5, () => Import(manifest), () => Import(emptyModule));
    Console.WriteLine($"{"Import-Module",-24} {import.Wall.TotalMilliseconds,9:0} ms   peer {empty.Wall.TotalMilliseconds,9:0} ms   (an empty binary module; at most 100 ms)");
}
else
{
    Console.WriteLine("Import-Module            skipped: no 'pwsh' on this machine");
}
return 0;

Measure.Sample Resume()
{
    if (Directory.Exists(P("state")))
        Directory.Delete(P("state"), recursive: true);
    File.Delete(P("small.db-wal"));
    Measure.Run(workload, ["damage", P("small.db"), "header"], folder);
    using (var process = Process.Start(new ProcessStartInfo(cli, ["recover", "small", "--yes", "--allow-data-loss", "any"]) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true })!)
    {
        var clock = Stopwatch.StartNew();
        // killed once the first step is done: some are, some are not
        while (!process.HasExited && clock.Elapsed < TimeSpan.FromSeconds(30) && !Journals().Any(j => j.Contains("\"Applied\"", StringComparison.Ordinal)))
            Thread.Yield();
        process.Kill();
        process.WaitForExit();
    }
    return Measure.Run(cli, ["incident", "resume", "latest", "--yes", "--output", "json"], folder);
}

IEnumerable<string> Journals() => Directory.Exists(P("state"))
    ? Directory.GetFiles(P("state"), "journal.jsonl", SearchOption.AllDirectories).Select(f =>
    {
        using var reader = new StreamReader(new FileStream(f, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        return reader.ReadToEnd();
    })
    : [];

// a figure that cannot be had is told, and does not end the run
static IReadOnlyList<string> Kept(Func<IReadOnlyList<string>> figures)
{
    try
    {
        return figures();
    }
    catch (Exception e)
    {
        return [$"Failed: {e.Message}"];
    }
}

static List<Measure.Sample> Repeat(Func<Measure.Sample> run)
{
    run();
    return [.. Enumerable.Range(0, 7).Select(_ => run())];
}

static void Row(string what, TimeSpan ours, TimeSpan peer, string peerName) =>
    Console.WriteLine($"{what,-24} {ours.TotalSeconds,9:0.00} s    peer {peer.TotalSeconds,9:0.00} s    {peer / ours:0.00}x its speed   ({peerName})");

static void Memory(string what, Measure.Sample run) =>
    Console.WriteLine($"{what + ", memory",-24} {run.PeakBytes / 1e6,9:0} MB   (at most 250)");

static void Limit(string what, IReadOnlyList<Measure.Sample> runs, int milliseconds) =>
    Console.WriteLine($"{what,-24} {Measure.Median(runs).Wall.TotalMilliseconds,9:0} ms   (at most {milliseconds}; {runs.Min(r => r.Wall).TotalMilliseconds:0} to {runs.Max(r => r.Wall).TotalMilliseconds:0})");
