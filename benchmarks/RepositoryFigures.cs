using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace DbRecovery.Benchmarks;

/// <summary>What increments, encryption, a scrub and a single table cost, beside restic on the same file.</summary>
internal sealed class RepositoryFigures(string cli, string workload, string folder, long size)
{
    private const int Rounds = 3;
    private static readonly string[] Changes = ["plain", "restic"];

    public void Run()
    {
        Environment.SetEnvironmentVariable("BENCH_KEY", "for the benchmark only");
        Environment.SetEnvironmentVariable("RESTIC_PASSWORD", "for the benchmark only");
        Encrypted();
        Increments();
        Scrub();
        OneTable();
    }

    private string P(string name) => Path.Combine(folder, name);

    private void Encrypted()
    {
        var (sealedRun, plain) = Measure.Pair(Rounds, () => Full("vault"), () => Full("plain"));
        Console.WriteLine($"{"encrypted full",-24} {sealedRun.Wall.TotalSeconds,9:0.00} s    plain {plain.Wall.TotalSeconds,8:0.00} s    {plain.Wall / sealedRun.Wall:0.00}x its speed   (at least 0.85)");
        Memory("encrypted full", sealedRun);
    }

    private void Increments()
    {
        Empty("restic");
        Measure.Run("restic", ["-q", "-r", P("restic"), "init"], folder);
        var (full, peer) = (Full("plain"), Restic());
        Console.WriteLine($"{"full",-24} {full.Wall.TotalSeconds,9:0.00} s    peer {peer.Wall.TotalSeconds,9:0.00} s    {peer.Wall / full.Wall:0.00}x its speed   (restic backup)");
        Bytes("full, stored", Stored("plain"), Stored("restic"));

        File.Copy(P("shop.db"), P("before.db"), overwrite: true);
        Churn();
        var before = Changes.ToDictionary(r => r, Stored);
        var increment = Backup("plain", "incremental");
        peer = Restic();
        var (changed, compressed) = ChangedPages();
        var stored = Stored("plain") - before["plain"];
        Console.WriteLine($"{"pages changed",-24} {changed,9} of {size / 4096} ({100.0 * changed * 4096 / size:0.00} %); compressed by zstd -1: {compressed / 1e6:0.00} MB");
        Console.WriteLine($"{"incremental",-24} {increment.Wall.TotalSeconds,9:0.00} s    full {full.Wall.TotalSeconds,9:0.00} s    {full.Wall / increment.Wall:0.0}x its speed   (at least 2)   restic {peer.Wall.TotalSeconds:0.00} s");
        Console.WriteLine($"{"incremental, stored",-24} {stored / 1e6,9:0.00} MB   {(double)stored / compressed:0.00}x the compressed changed pages (at most 1.3)   restic {(Stored("restic") - before["restic"]) / 1e6:0.0} MB");
        Memory("incremental", increment);
        var nothing = Enumerable.Range(0, 5).Select(_ => Backup("plain", "incremental")).ToList();
        peer = Restic();
        Console.WriteLine($"{"nothing changed",-24} {Measure.Median(nothing).Wall.TotalMilliseconds,9:0} ms   (at most 300)   restic {peer.Wall.TotalMilliseconds:0} ms");
    }

    private void Scrub()
    {
        var bytes = Stored("plain");
        var runs = Enumerable.Range(0, Rounds).Select(_ => Measure.Run(cli, ["repository", "test", "plain", "--full", "--output", "json"], folder)).ToList();
        var run = Measure.Median(runs);
        var duration = TimeSpan.Parse(JsonDocument.Parse(run.Output).RootElement.GetProperty("duration").GetString()!, CultureInfo.InvariantCulture);
        Console.WriteLine($"{"scrub, every byte",-24} {run.Wall.TotalSeconds,9:0.00} s    {bytes / 1e6 / duration.TotalSeconds / Environment.ProcessorCount,9:0} MB/s a core, start of the process not counted   (at least 400)");
        Memory("scrub", run);
    }

    private void OneTable()
    {
        Measure.Run("sqlite3", [P("shop.db"), "CREATE TABLE ledger (id INTEGER PRIMARY KEY, text TEXT); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) INSERT INTO ledger SELECT i, hex(randomblob(95)) FROM n;"], folder);
        Backup("plain", "incremental");
        var (table, whole) = Measure.Pair(Rounds,
            () => Restore("ledger.db", "--table", "ledger"),
            () => Restore("whole.db"));
        Console.WriteLine($"{"one table of 20 MB",-24} {table.Wall.TotalSeconds,9:0.00} s    whole {whole.Wall.TotalSeconds,8:0.00} s    {whole.Wall / table.Wall:0.0}x its speed   (at least 5)");
        Memory("whole restore", whole);
    }

    private Measure.Sample Restore(string name, params string[] more)
    {
        File.Delete(P(name));
        return Measure.Run(cli, ["backup", "restore", "shop", "--repository", "plain", "--to", P(name), .. more, "--output", "json"], folder);
    }

    private Measure.Sample Full(string repository)
    {
        Empty(repository);
        return Backup(repository, "full");
    }

    private Measure.Sample Backup(string repository, string kind) =>
        Measure.Run(cli, ["backup", "new", "shop", "--repository", repository, "--kind", kind, "--output", "json"], folder);

    private Measure.Sample Restic() => Measure.Run("restic", ["-q", "-r", P("restic"), "backup", P("shop.db")], folder);

    /// <summary>Rows all over the largest table, until about one page in a hundred differs; then what is logged goes into the file, which restic reads.</summary>
    private void Churn()
    {
        Measure.Run(workload, ["churn", P("shop.db"), "--rows", (size / 4096 / 100).ToString(CultureInfo.InvariantCulture)], folder);
        Measure.Run("sqlite3", [P("shop.db"), "PRAGMA wal_checkpoint(TRUNCATE)"], folder);
    }

    private (long Pages, long Compressed) ChangedPages()
    {
        long pages = 0;
        using (var old = File.OpenRead(P("before.db")))
        using (var now = File.OpenRead(P("shop.db")))
        using (var changed = File.Create(P("changed.bin")))
        {
            var (a, b) = (new byte[4096], new byte[4096]);
            while (now.ReadAtLeast(b, b.Length, throwOnEndOfStream: false) == b.Length)
            {
                var read = old.ReadAtLeast(a, a.Length, throwOnEndOfStream: false);
                if (read == a.Length && a.AsSpan().SequenceEqual(b))
                    continue;
                changed.Write(b);
                pages++;
            }
        }
        Measure.Run("zstd", ["-1", "-q", "-f", P("changed.bin"), "-o", P("changed.zst")], folder);
        return (pages, new FileInfo(P("changed.zst")).Length);
    }

    private void Empty(string repository)
    {
        if (Directory.Exists(P(repository)))
            Directory.Delete(P(repository), recursive: true);
    }

    private long Stored(string repository) => Directory.GetFiles(P(repository), "*", SearchOption.AllDirectories).Sum(f => new FileInfo(f).Length);

    private static void Bytes(string what, long ours, long peer) =>
        Console.WriteLine($"{what,-24} {ours / 1e6,9:0.0} MB   peer {peer / 1e6,9:0.0} MB   ratio {(double)ours / peer:0.000}");

    private static void Memory(string what, Measure.Sample run) =>
        Console.WriteLine($"{what + ", memory",-24} {run.PeakBytes / 1e6,9:0} MB   (at most 250)");
}
