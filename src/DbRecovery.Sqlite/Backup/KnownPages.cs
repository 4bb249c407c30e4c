using DbRecovery.Sqlite.Format;

namespace DbRecovery.Sqlite.Backup;

/// <summary>
/// What the pages of the databases backed up last point to, kept between the increments of one process: so that where the log proves what
/// changed, nothing else need be read to count rows. About 20 bytes a page.
/// </summary>
internal sealed class KnownPages
{
    private const int MaxDatabases = 8;
    private readonly object _gate = new();
    private readonly Dictionary<string, (IReadOnlyDictionary<string, string> State, PageIndex Index)> _known = new(StringComparer.Ordinal);

    /// <summary>Takes out what is known of a database in exactly this state; null for nothing.</summary>
    internal PageIndex? Take(string path, IReadOnlyDictionary<string, string> state)
    {
        lock (_gate)
        {
            return _known.Remove(path, out var known) && known.State.Count == state.Count && known.State.All(p => state.TryGetValue(p.Key, out var value) && value == p.Value)
                ? known.Index
                : null;
        }
    }

    /// <summary>Keeps what is known of a database in a state.</summary>
    internal void Keep(string path, IReadOnlyDictionary<string, string> state, PageIndex? index)
    {
        if (index is null)
            return;
        lock (_gate)
        {
            if (_known.Count >= MaxDatabases && !_known.ContainsKey(path))
                _known.Clear();
            _known[path] = (state, index);
        }
    }
}
