namespace DbRecovery.Engine.Backups;

/// <summary>Gives each value its place in a list, in which the values stand in the order in which they were met first.</summary>
internal sealed class Numbering<T> where T : notnull
{
    private readonly Dictionary<T, int> _numbers = [];
    private readonly List<T> _items = [];

    /// <summary>The values met so far.</summary>
    public IReadOnlyList<T> Items => _items;

    /// <summary>The place of a value.</summary>
    public int Of(T item)
    {
        if (_numbers.TryGetValue(item, out var number))
            return number;
        _items.Add(item);
        return _numbers[item] = _items.Count - 1;
    }
}
