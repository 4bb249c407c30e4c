using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using DbRecovery.Engine.Files;

namespace DbRecovery.Engine.Health;

/// <summary>Where earlier rounds are remembered.</summary>
internal interface INodeHistory
{
    /// <summary>What is remembered of a node; null for nothing.</summary>
    NodeMemory? Read(string cluster, string node);
    /// <summary>Remembers a node as it was seen; gives whether it could be written.</summary>
    bool Write(string cluster, string node, NodeMemory memory);
    /// <summary>What is remembered of a cluster's primary; null for nothing.</summary>
    ClusterMemory? ReadPrimary(string cluster);
    /// <summary>Remembers a cluster's primary; gives whether it could be written.</summary>
    /// <param name="cluster">The cluster.</param>
    /// <param name="memory">What is known of it.</param>
    /// <param name="seen">Whether the round has seen it.</param>
    bool WritePrimary(string cluster, ClusterMemory memory, bool seen);
}

/// <summary>
/// What earlier rounds knew of a node, kept in a small file in the state folder. It is a convenience: a file that is
/// damaged or cannot be written costs the baseline, never the examination.
/// </summary>
/// <param name="stateFolder">The state folder.</param>
internal sealed class ProbeHistory(string stateFolder) : INodeHistory
{
    private const int MostBytes = 64 * 1024;

    /// <inheritdoc/>
    public NodeMemory? Read(string cluster, string node) => Read<NodeMemory>(PathOf(cluster, node)) is not { } memory ? null : memory with
    {
        Latencies = Usable(memory.Latencies), Silences = Usable(memory.Silences), Starts = memory.Starts ?? [],
    };

    /// <inheritdoc/>
    public bool Write(string cluster, string node, NodeMemory memory) => Write(PathOf(cluster, node), memory);

    /// <inheritdoc/>
    public ClusterMemory? ReadPrimary(string cluster) => Read<ClusterMemory>(PrimaryPathOf(cluster)) is not { } memory ? null : memory with
    {
        Samples = memory.Samples ?? [], Primary = memory.Primary is { Node.Length: > 0 } primary ? primary with { Synchronous = primary.Synchronous ?? [], LogicalSlots = primary.LogicalSlots ?? [] } : null,
    };

    /// <inheritdoc/>
    public bool WritePrimary(string cluster, ClusterMemory memory, bool seen) => Write(PrimaryPathOf(cluster), memory);

    private static double[] Usable(IReadOnlyList<double>? seconds) => (seconds ?? []).Where(l => double.IsFinite(l) && l >= 0).TakeLast(NodeMemory.MostSamples).ToArray();

    private static T? Read<T>(string path) where T : class
    {
        try
        {
            var info = new FileInfo(path);
            return info.Exists && info.Length <= MostBytes ? JsonSerializer.Deserialize<T>(File.ReadAllBytes(path), EngineJson.Compact) : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException or NotSupportedException)
        {
            return null;
        }
    }

    private static bool Write<T>(string path, T memory)
    {
        var temporary = $"{path}.{Guid.NewGuid():N}.tmp";
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllBytes(temporary, JsonSerializer.SerializeToUtf8Bytes(memory, EngineJson.Compact));
            File.Move(temporary, path, overwrite: true);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            DurableFile.Discard(temporary);
            return false;
        }
    }

    private string PathOf(string cluster, string node) => Path.Combine(stateFolder, Safe(cluster), "health", Safe(node) + ".json");

    // beside the folder of the nodes, whose names are the user's
    private string PrimaryPathOf(string cluster) => Path.Combine(stateFolder, Safe(cluster), "primary.json");

    private static string Safe(string name)
    {
        var safe = string.Concat(name.Select(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-' ? c : '_'));
        return safe == name && safe.Trim('.').Length > 0 && safe.Length <= 64
            ? safe
            : $"{safe[..Math.Min(safe.Length, 40)]}-{Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(name)))[..8].ToLowerInvariant()}";
    }
}
