using DbRecovery.Engine.Runbooks;

namespace DbRecovery.Engine.Yaml;

/// <summary>
/// Reads a mapping key by key. Each key that is asked for is known; <see cref="End"/> reports every other one. A wrong value is a
/// finding and reads as not given, so that one mistake does not hide the next.
/// </summary>
internal sealed class MapReader
{
    private readonly YamlMapping _map;
    private readonly FindingList _findings;
    private readonly string _what;
    private readonly HashSet<string> _known = new(StringComparer.Ordinal);

    private MapReader(YamlMapping map, FindingList findings, string what) => (_map, _findings, _what) = (map, findings, what);

    /// <summary>A reader over a node that must be a mapping; null, with a finding, if it is not.</summary>
    public static MapReader? Over(YamlNode? node, FindingList findings, string what)
    {
        if (node is YamlMapping map)
            return new MapReader(map, findings, what);
        if (node is not null)
            findings.Error(node.At, "wrong-type", $"{what} must be a mapping (key: value).");
        return null;
    }

    public SourcePosition At => _map.At;

    public bool IsEmpty => _map.Items.Count == 0;

    public bool Has(string key) => _map.Items.Any(i => i.Key.Text == key);

    /// <summary>Where a key stands; the mapping itself where it is missing.</summary>
    public SourcePosition PlaceOf(string key) => _map.Items.FirstOrDefault(i => i.Key.Text == key).Key?.At ?? _map.At;

    /// <summary>The value of a key; null where it is not given.</summary>
    public YamlNode? Node(string key, bool required = false)
    {
        _known.Add(key);
        foreach (var (name, value) in _map.Items)
        {
            if (name.Text != key)
                continue;
            if (value is not YamlScalar { IsNull: true })
                return value;
            _findings.Error(name.At, "missing-value", $"'{key}' of {_what} has no value.");
            return null;
        }
        if (required)
            _findings.Error(_map.At, "missing-key", $"{_what} needs the key '{key}'.");
        return null;
    }

    /// <summary>A scalar.</summary>
    public YamlScalar? Scalar(string key, bool required = false)
    {
        var node = Node(key, required);
        if (node is null or YamlScalar)
            return (YamlScalar?)node;
        _findings.Error(node.At, "wrong-type", $"'{key}' of {_what} must be one value.");
        return null;
    }

    public string? Text(string key, bool required = false) => Scalar(key, required)?.Text;

    public TimeSpan? Duration(string key) => Parse<TimeSpan>(key, Quantities.TryDuration, Quantities.DurationForm);

    /// <summary>A duration that is waited for, and so no longer than a timer runs.</summary>
    public TimeSpan? Wait(string key) => Parse<TimeSpan>(key, Scalars.TryWait, Scalars.WaitForm);

    public long? Size(string key) => Parse<long>(key, Quantities.TrySize, Quantities.SizeForm);

    public bool? Bool(string key) => Parse<bool>(key, Scalars.TryBool, "true or false");

    public double? Number(string key) => Parse<double>(key, Scalars.TryNumber, "a number");

    public int? Int(string key, int least, int most) =>
        Parse<int>(key, (string text, out int value) =>
        {
            var good = Scalars.TryInt(text, out var whole) && whole >= least && whole <= most;
            value = good ? (int)whole : 0;
            return good;
        }, $"a whole number from {least} to {most}");

    /// <summary>One of a few words.</summary>
    public T? Word<T>(string key, IReadOnlyDictionary<string, T> words) where T : struct
    {
        if (Scalar(key) is not { } scalar)
            return null;
        if (words.TryGetValue(scalar.Text, out var value))
            return value;
        _findings.Error(scalar.At, "wrong-value", $"'{key}' of {_what} is '{scalar.Text}'.", NearNames.Suggest(scalar.Text, [.. words.Keys]));
        return null;
    }

    /// <summary>A list; a single value counts as a list of one only where that is said.</summary>
    public IReadOnlyList<YamlNode>? List(string key, bool required = false)
    {
        var node = Node(key, required);
        if (node is YamlSequence sequence)
            return sequence.Items;
        if (node is not null)
            _findings.Error(node.At, "wrong-type", $"'{key}' of {_what} must be a list ([a, b], or a dash a line).");
        return null;
    }

    /// <summary>A list of words with their places.</summary>
    public IReadOnlyList<YamlScalar>? Words(string key, bool required = false)
    {
        if (List(key, required) is not { } items)
            return null;
        foreach (var item in items.Where(i => i is not YamlScalar))
            _findings.Error(item.At, "wrong-type", $"'{key}' of {_what} is a list of words.");
        return [.. items.OfType<YamlScalar>()];
    }

    /// <summary>A mapping below this one.</summary>
    public MapReader? Map(string key, bool required = false) => Over(Node(key, required), _findings, $"'{key}' of {_what}");

    /// <summary>Every entry, for a mapping whose keys are names.</summary>
    public IEnumerable<KeyValuePair<YamlScalar, YamlNode>> Entries()
    {
        _known.UnionWith(_map.Items.Select(i => i.Key.Text));
        return _map.Items;
    }

    /// <summary>Reports keys that nobody asked for.</summary>
    public void End()
    {
        foreach (var (key, _) in _map.Items.Where(i => !_known.Contains(i.Key.Text)))
            _findings.Error(key.At, "unknown-key", $"{_what} has no key '{key.Text}'.", NearNames.Suggest(key.Text, _known));
    }

    public delegate bool TryParse<T>(string text, out T value);

    private T? Parse<T>(string key, TryParse<T> parse, string form) where T : struct
    {
        if (Scalar(key) is not { } scalar)
            return null;
        if (parse(scalar.Text, out var value))
            return value;
        _findings.Error(scalar.At, "wrong-value", $"'{key}' of {_what} must be {form}.");
        return null;
    }
}
