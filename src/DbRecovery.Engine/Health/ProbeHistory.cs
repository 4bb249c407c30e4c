using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using DbRecovery.Engine.Files;

namespace DbRecovery.Engine.Health;

/// <summary>
/// What earlier rounds knew of a node, kept in a small file in the state folder. It is a convenience: a file that is
/// damaged or cannot be written costs the baseline, never the examination.
/// </summary>
/// <param name="stateFolder">The state folder.</param>
internal sealed class ProbeHistory(string stateFolder)
{
    private const int MostBytes = 64 * 1024;

    /// <summary>What is remembered of a node; null for nothing.</summary>
    public NodeMemory? Read(string cluster, string node)
    {
        try
        {
            var path = PathOf(cluster, node);
            var info = new FileInfo(path);
            if (!info.Exists || info.Length > MostBytes)
                return null;
            var memory = JsonSerializer.Deserialize<NodeMemory>(File.ReadAllBytes(path), EngineJson.Compact);
            return memory is null ? null : memory with
            {
                Latencies = (memory.Latencies ?? []).Where(l => double.IsFinite(l) && l >= 0).TakeLast(NodeMemory.MostSamples).ToArray(),
            };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException or NotSupportedException)
        {
            return null;
        }
    }

    /// <summary>Remembers a node as it was seen; gives whether it could be written.</summary>
    public bool Write(string cluster, string node, NodeMemory memory)
    {
        var path = PathOf(cluster, node);
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

    private static string Safe(string name)
    {
        var safe = string.Concat(name.Select(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-' ? c : '_'));
        return safe == name && safe.Trim('.').Length > 0 && safe.Length <= 64
            ? safe
            : $"{safe[..Math.Min(safe.Length, 40)]}-{Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(name)))[..8].ToLowerInvariant()}";
    }
}
