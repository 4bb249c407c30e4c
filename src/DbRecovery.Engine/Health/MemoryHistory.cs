using System.Collections.Concurrent;

namespace DbRecovery.Engine.Health;

/// <summary>
/// Earlier rounds in memory, for a watch: no round writes a file. It begins with what the files know, and tells them only when another node has become
/// primary: a watch that starts anew must know that, too.
/// </summary>
/// <param name="files">The files; null for none.</param>
/// <param name="readOnly">Whether the files are read and never written.</param>
internal sealed class MemoryHistory(INodeHistory? files, bool readOnly) : INodeHistory
{
    private readonly ConcurrentDictionary<(string Cluster, string Node), NodeMemory?> _nodes = new();
    private readonly ConcurrentDictionary<string, ClusterMemory?> _primaries = new(StringComparer.Ordinal);

    /// <inheritdoc/>
    public NodeMemory? Read(string cluster, string node) => _nodes.GetOrAdd((cluster, node), key => files?.Read(key.Cluster, key.Node));

    /// <inheritdoc/>
    public bool Write(string cluster, string node, NodeMemory memory)
    {
        _nodes[(cluster, node)] = memory;
        return true;
    }

    /// <inheritdoc/>
    public ClusterMemory? ReadPrimary(string cluster) => _primaries.GetOrAdd(cluster, name => files?.ReadPrimary(name));

    /// <inheritdoc/>
    public bool WritePrimary(string cluster, ClusterMemory memory)
    {
        var before = ReadPrimary(cluster);
        _primaries[cluster] = memory;
        return readOnly || files is null || (before?.Primary?.Node == memory.Primary?.Node && before?.Epoch == memory.Epoch) || files.WritePrimary(cluster, memory);
    }
}
