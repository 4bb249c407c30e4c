using System.Collections.Concurrent;

namespace DbRecovery.Engine.Health;

/// <summary>
/// Earlier rounds in memory, for a watch: hardly a round writes a file. It begins with what the files know, and tells them when another node has become
/// primary, when what it waits for has changed, and every few seconds how things are: a watch that starts anew, and a person who asks for a takeover, must know that, too.
/// </summary>
/// <param name="files">The files; null for none.</param>
/// <param name="readOnly">Whether the files are read and never written.</param>
internal sealed class MemoryHistory(INodeHistory? files, bool readOnly) : INodeHistory
{
    private static readonly TimeSpan Often = TimeSpan.FromSeconds(15);
    private readonly ConcurrentDictionary<(string Cluster, string Node), NodeMemory?> _nodes = new();
    private readonly ConcurrentDictionary<string, ClusterMemory?> _primaries = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, ClusterMemory?> _told = new(StringComparer.Ordinal);

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
    public bool WritePrimary(string cluster, ClusterMemory memory, bool seen)
    {
        var told = _told.GetOrAdd(cluster, ReadPrimary);
        _primaries[cluster] = memory;
        if (readOnly || files is null || !IsNews(told, memory, seen))
            return true;
        _told[cluster] = memory;
        return files.WritePrimary(cluster, memory, seen);
    }

    // of one that is gone others must know as much: what a person agrees to lose is worked out from it, here and by whoever goes on
    private static bool IsNews(ClusterMemory? told, ClusterMemory now, bool seen) => told?.Primary is not { } before || now.Primary is not { } primary
        || before.Node != primary.Node || told.Epoch != now.Epoch || before.SynchronousRequired != primary.SynchronousRequired || !before.Synchronous.SequenceEqual(primary.Synchronous)
        || before.GoneAt != primary.GoneAt || (primary.SeenAt - before.SeenAt)?.Duration() >= Often || (!seen && primary.SeenAt != before.SeenAt);
}
