using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using DbRecovery.Engine.Files;

namespace DbRecovery.Engine.Incidents;

/// <summary>A pause of a cluster, as its file says.</summary>
internal sealed record PauseRecord(string Reason, DateTimeOffset Since, DateTimeOffset? Until, string By);

/// <summary>Which incidents a person has looked at.</summary>
internal sealed record AcknowledgementRecord(string By, DateTimeOffset At, IReadOnlyList<string> Incidents);

/// <summary>The state folder: where each cluster's lease, epoch, pause and incidents are. Reading it makes nothing.</summary>
internal sealed class IncidentStore(string stateFolder)
{
    private const int Remembered = 500;
    private readonly ConcurrentDictionary<string, (long Length, IncidentHistory History)> _over = new(StringComparer.Ordinal);

    public string ClusterFolder(string cluster) => IsName(cluster)
        ? Path.Combine(stateFolder, cluster)
        : throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"'{cluster}' cannot be a cluster's name",
            "Names are letters, digits, dot, dash and underscore.", cluster);

    public string IncidentFolder(string cluster, string id) => Path.Combine(ClusterFolder(cluster), "incidents", id);

    public string JournalPath(string cluster, string id) => Path.Combine(IncidentFolder(cluster, id), "journal.jsonl");

    public static string NewId(DateTimeOffset now) =>
        now.UtcDateTime.ToString("yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture) + "-" + Convert.ToHexString(RandomNumberGenerator.GetBytes(3)).ToLowerInvariant();

    /// <summary>The clusters with a folder.</summary>
    public IReadOnlyList<string> Clusters() => Directory.Exists(stateFolder)
        ? [.. Directory.EnumerateDirectories(stateFolder).Select(d => Path.GetFileName(d)!).Where(IsName).Order(StringComparer.Ordinal)]
        : [];

    /// <summary>The incidents of a cluster, newest first.</summary>
    /// <param name="cluster">The cluster.</param>
    /// <param name="strict">Whether a broken journal is an error (before acting) or is left out (when listing).</param>
    public IReadOnlyList<IncidentHistory> Histories(string cluster, bool strict)
    {
        var folder = Path.Combine(ClusterFolder(cluster), "incidents");
        if (!Directory.Exists(folder))
            return [];
        var found = new List<IncidentHistory>();
        foreach (var id in Directory.EnumerateDirectories(folder).Select(d => Path.GetFileName(d)!).OrderDescending(StringComparer.Ordinal))
        {
            if (!File.Exists(JournalPath(cluster, id)))
                continue;
            try
            {
                var history = Load(cluster, id);
                if (!history.IsEmpty)
                    found.Add(history);
            }
            catch (DbRecoveryException e) when (!strict && e.Id == ErrorIds.JournalCorrupt)
            {
                // asking for it by its id says what is wrong with it
            }
        }
        return found;
    }

    /// <summary>One incident from its journal.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.JournalCorrupt"/>.</exception>
    public IncidentHistory Load(string cluster, string id)
    {
        var path = JournalPath(cluster, id);
        // a journal that has come to its end is not read again: with a year of incidents that would be what a failover waits for
        var length = new FileInfo(path) is { Exists: true } file ? file.Length : 0;
        if (_over.TryGetValue(path, out var over) && over.Length == length)
            return over.History;
        var history = new IncidentHistory(id, cluster, path);
        foreach (var record in Journal.Read(path).Records)
            history.Apply(record);
        if (!history.IsOpen && !history.IsEmpty)
        {
            if (_over.Count > 2 * Remembered)
                _over.Clear();
            _over[path] = (length, history);
        }
        return history;
    }

    /// <summary>An incident by its id, a unique beginning of it, or <c>latest</c>.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.IncidentNotFound"/>, <see cref="ErrorIds.JournalCorrupt"/>.</exception>
    public IncidentHistory Find(string id, string? cluster)
    {
        var ids = (cluster is null ? Clusters() : [cluster])
            .SelectMany(c => Directory.Exists(Path.Combine(ClusterFolder(c), "incidents"))
                ? Directory.EnumerateDirectories(Path.Combine(ClusterFolder(c), "incidents")).Select(d => (Cluster: c, Id: Path.GetFileName(d)!))
                : [])
            .Where(i => File.Exists(JournalPath(i.Cluster, i.Id)))
            .OrderByDescending(i => i.Id, StringComparer.Ordinal).ToList();
        var matching = id == "latest" ? ids.Take(1).ToList() : ids.Where(i => i.Id.StartsWith(id, StringComparison.Ordinal)).ToList();
        var exact = matching.FindIndex(i => i.Id == id);
        if (exact >= 0)
            matching = [matching[exact]];
        if (matching.Count != 1 || string.IsNullOrEmpty(id))
        {
            throw new DbRecoveryException(ErrorIds.IncidentNotFound, ErrorKind.NotFound,
                matching.Count == 0
                    ? $"there is no incident '{id}'{(cluster is null ? "" : $" of cluster '{cluster}'")}"
                    : $"'{id}' is the beginning of {matching.Count} incidents",
                ids.Count == 0 ? "There are no incidents." : $"The newest are: {string.Join(", ", ids.Take(3).Select(i => i.Id))}.", id);
        }
        var history = Load(matching[0].Cluster, matching[0].Id);
        return history.IsEmpty
            ? throw new DbRecoveryException(ErrorIds.IncidentNotFound, ErrorKind.NotFound, $"incident '{matching[0].Id}' has no record yet", target: id)
            : history;
    }

    public PauseRecord? ReadPause(string cluster, DateTimeOffset now) =>
        Read<PauseRecord>(PausePath(cluster)) is { } pause && !(pause.Until <= now) ? pause : null;

    public void WritePause(string cluster, PauseRecord? pause)
    {
        var path = PausePath(cluster);
        if (pause is not null)
            Write(path, pause);
        else
            FileErrors.Guarded(path, ErrorIds.Unexpected, () => { File.Delete(path); return true; });
    }

    public IReadOnlySet<string> Acknowledged(string cluster) =>
        (Read<AcknowledgementRecord>(AcknowledgementPath(cluster))?.Incidents ?? []).ToHashSet(StringComparer.Ordinal);

    public void Acknowledge(string cluster, string by, DateTimeOffset now)
    {
        var ids = Histories(cluster, strict: false).Select(h => h.Id).Take(Remembered).ToList();
        Write(AcknowledgementPath(cluster), new AcknowledgementRecord(by, now, ids));
    }

    private string PausePath(string cluster) => Path.Combine(ClusterFolder(cluster), "pause.json");

    private string AcknowledgementPath(string cluster) => Path.Combine(ClusterFolder(cluster), "acknowledged.json");

    private static void Write<T>(string path, T record) => FileErrors.Guarded(path, ErrorIds.Unexpected, () =>
    {
        DurableFile.CreateFolder(Path.GetDirectoryName(path)!);
        DurableFile.WriteAllText(path, JsonSerializer.Serialize(record, EngineJson.Indented));
        return true;
    });

    private static T? Read<T>(string path) where T : class
    {
        if (!File.Exists(path))
            return null;
        try
        {
            return JsonSerializer.Deserialize<T>(FileErrors.Guarded(path, ErrorIds.Unexpected, () => File.ReadAllText(path)), EngineJson.Compact);
        }
        catch (JsonException e)
        {
            throw new DbRecoveryException(ErrorIds.JournalCorrupt, ErrorKind.CorruptData, $"'{path}' cannot be read: {e.Message}",
                "Remove the file, and pause or acknowledge anew.", path, e);
        }
    }

    private static bool IsName(string cluster) => cluster.Length is > 0 and <= 200 && cluster.Trim('.').Length > 0
        && cluster.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_');
}
