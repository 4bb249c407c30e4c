using System.Globalization;
using System.Text;
using System.Text.Json;
using DbRecovery.Engine.Files;

namespace DbRecovery.Engine.Drills;

/// <summary>The results of a cluster's drills: a file of JSON lines in the state folder, oldest first, bounded.</summary>
/// <param name="stateFolder">The state folder.</param>
/// <param name="cluster">The cluster.</param>
/// <param name="clock">The clock.</param>
internal sealed class DrillHistory(string stateFolder, string cluster, TimeProvider clock)
{
    private const int Remembered = 1000, Slack = 200, Compared = 5, Attempts = 100;
    private static readonly TimeSpan SlowerByLess = TimeSpan.FromSeconds(1), Pause = TimeSpan.FromMilliseconds(20);

    private string FilePath => Path.Combine(FolderOf(stateFolder, cluster), "results.jsonl");

    /// <summary>The folder of a cluster's drills.</summary>
    public static string FolderOf(string stateFolder, string cluster) => Path.Combine(stateFolder, cluster, "drills");

    /// <summary>Every result, oldest first. A line that cannot be read, such as one torn by a crash, is left out.</summary>
    public IReadOnlyList<DrillResult> Read() => FileErrors.Guarded(FilePath, ErrorIds.DrillFailed, () =>
        !File.Exists(FilePath) ? [] : (IReadOnlyList<DrillResult>)[.. File.ReadLines(FilePath).Select(Parse).OfType<DrillResult>().TakeLast(Remembered)]);

    /// <summary>Adds a result, durably. A torn last line is cut off first.</summary>
    public async Task AppendAsync(DrillResult result, CancellationToken cancellationToken)
    {
        try
        {
            DurableFile.CreateFolder(Path.GetDirectoryName(FilePath)!);
            List<string> lines;
            using (var file = await OpenAloneAsync(cancellationToken).ConfigureAwait(false))
            {
                file.SetLength(WholeLines(file));
                file.Seek(0, SeekOrigin.End);
                file.Write(Encoding.UTF8.GetBytes(JsonSerializer.Serialize(result, EngineJson.Compact) + "\n"));
                file.Flush(flushToDisk: true);
                lines = Lines(file);
            }
            DurableFile.SyncFolder(Path.GetDirectoryName(FilePath)!);
            if (lines.Count > Remembered + Slack)
                DurableFile.WriteAllText(FilePath, string.Concat(lines.TakeLast(Remembered).Select(l => l + "\n")));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw FileErrors.Translate(e, FilePath, ErrorIds.DrillFailed);
        }
    }

    /// <summary>What is worse than in the last drills with the same damage to the same node, in one sentence; null for nothing.</summary>
    /// <param name="history">Results, oldest first.</param>
    /// <param name="result">The new one.</param>
    public static string? Compare(IReadOnlyList<DrillResult> history, DrillResult result)
    {
        var earlier = history.Where(r => r.Damage == result.Damage && r.Node == result.Node && r.Skipped is null).TakeLast(Compared).ToList();
        if (earlier.Count == 0 || result.Skipped is not null)
            return null;
        var worse = new List<string>();
        if (!result.Passed && earlier[^1].Passed)
            worse.Add("it passed before and does not any more");
        if (Median(earlier.Select(r => r.RecoveryTime?.Ticks)) is { } usual && result.RecoveryTime is { } now
            && now.Ticks > 2 * usual && now - TimeSpan.FromTicks(usual) > SlowerByLess)
            worse.Add(string.Create(CultureInfo.InvariantCulture, $"the recovery took {now.TotalSeconds:0.0} s, and {TimeSpan.FromTicks(usual).TotalSeconds:0.0} s was usual"));
        if (Median(earlier.Select(r => r.LostRows)) is { } lost && result.LostRows > lost)
            worse.Add($"{Counted.Of(result.LostRows ?? 0, "row was", "rows were")} lost, and {lost} was usual");
        return worse.Count == 0 ? null : string.Join("; ", worse);
    }

    // the lower middle of an even number: a result is held against one that there was
    private static long? Median(IEnumerable<long?> values)
    {
        var known = values.OfType<long>().Order().ToList();
        return known.Count == 0 ? null : known[(known.Count - 1) / 2];
    }

    private static DrillResult? Parse(string line)
    {
        try
        {
            return JsonSerializer.Deserialize<DrillResult>(line, EngineJson.Compact);
        }
        catch (Exception e) when (e is JsonException or NotSupportedException)
        {
            return null;
        }
    }

    // another drill of the cluster may be writing its line
    private async Task<FileStream> OpenAloneAsync(CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return new FileStream(FilePath, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException) when (attempt < Attempts && File.Exists(FilePath))
            {
                await Task.Delay(Pause, clock, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    // through the handle that has the lock: another drill may take the file as soon as it is closed
    private static List<string> Lines(FileStream file)
    {
        file.Seek(0, SeekOrigin.Begin);
        using var reader = new StreamReader(file, leaveOpen: true);
        var lines = new List<string>();
        while (reader.ReadLine() is { } line)
            lines.Add(line);
        return lines;
    }

    private static long WholeLines(FileStream file)
    {
        for (var length = file.Length; length > 0; length--)
        {
            file.Seek(length - 1, SeekOrigin.Begin);
            if (file.ReadByte() == '\n')
                return length;
        }
        return 0;
    }
}
