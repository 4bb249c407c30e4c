using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Reflection;

namespace DbRecovery;

/// <summary>The type of a fact, parameter or step output.</summary>
public enum FactType
{
    /// <summary>true or false.</summary>
    Bool,
    /// <summary>A whole number; sizes are in bytes.</summary>
    Int,
    /// <summary>A number with a fraction; durations are in seconds.</summary>
    Number,
    /// <summary>Text.</summary>
    Text,
    /// <summary>A list of texts.</summary>
    List,
}

/// <summary>What a fact is: its name, type, unit and meaning. The catalogue of these is what a linter checks a condition against.</summary>
/// <param name="Name">The dotted name, such as <c>sqlite.pageCount</c>.</param>
/// <param name="Type">The value's type.</param>
/// <param name="Unit">The unit: <c>B</c>, <c>s</c>, <c>pages</c>, or null.</param>
/// <param name="Description">What it says.</param>
public sealed record FactDefinition(string Name, FactType Type, string? Unit, string Description)
{
    /// <summary>The facts that a class such as <see cref="CommonFacts"/> declares.</summary>
    public static IEnumerable<FactDefinition> Of([DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicFields)] Type facts) =>
        facts.GetFields(BindingFlags.Public | BindingFlags.Static).Select(f => f.GetValue(null)).OfType<FactDefinition>();
}

/// <summary>A value of one of the <see cref="FactType"/>s. Equality is by value.</summary>
public readonly struct FactValue : IEquatable<FactValue>
{
    private readonly object _value;

    private FactValue(FactType type, object value)
    {
        Type = type;
        _value = value;
    }

    /// <summary>The value's type.</summary>
    public FactType Type { get; }

    /// <summary>The value as bool, long, double, string or list of strings.</summary>
    public object Boxed => _value ?? string.Empty;

    /// <summary>The value of a <see cref="FactType.Bool"/>.</summary>
    public bool AsBool() => (bool)_value;
    /// <summary>The value of an <see cref="FactType.Int"/>.</summary>
    public long AsInt() => (long)_value;
    /// <summary>The value of an <see cref="FactType.Int"/> or <see cref="FactType.Number"/>.</summary>
    public double AsNumber() => Type == FactType.Int ? (long)_value : (double)_value;
    /// <summary>The value of a <see cref="FactType.Text"/>.</summary>
    public string AsText() => (string)_value;
    /// <summary>The value of a <see cref="FactType.List"/>.</summary>
    public IReadOnlyList<string> AsList() => (IReadOnlyList<string>)_value;

    /// <summary>A list value.</summary>
    public static FactValue OfList(IEnumerable<string> items) => new(FactType.List, items.ToArray());

    /// <summary>Wraps a bool.</summary>
    public static implicit operator FactValue(bool value) => new(FactType.Bool, value);
    /// <summary>Wraps a whole number.</summary>
    public static implicit operator FactValue(long value) => new(FactType.Int, value);
    /// <summary>Wraps a number.</summary>
    public static implicit operator FactValue(double value) => new(FactType.Number, value);
    /// <summary>Wraps a text.</summary>
    public static implicit operator FactValue(string value) => new(FactType.Text, value);
    /// <summary>Wraps a duration, in seconds.</summary>
    public static implicit operator FactValue(TimeSpan value) => new(FactType.Number, value.TotalSeconds);

    /// <inheritdoc/>
    public bool Equals(FactValue other) => Type == other.Type
        && (Type == FactType.List ? AsList().SequenceEqual(other.AsList()) : Equals(_value, other._value));
    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is FactValue other && Equals(other);
    /// <inheritdoc/>
    public override int GetHashCode() => Type == FactType.List ? AsList().Count : HashCode.Combine(Type, _value);
    /// <summary>Equality by value.</summary>
    public static bool operator ==(FactValue left, FactValue right) => left.Equals(right);
    /// <summary>Inequality by value.</summary>
    public static bool operator !=(FactValue left, FactValue right) => !left.Equals(right);

    /// <summary>The value as invariant text.</summary>
    public override string ToString() => Type switch
    {
        FactType.Bool => (bool)_value ? "true" : "false",
        FactType.List => string.Join(", ", AsList()),
        _ => Convert.ToString(_value, CultureInfo.InvariantCulture) ?? string.Empty,
    };
}

/// <summary>One fact: a value that was seen, or the reason why it could not be. Unknown is not false.</summary>
public sealed record Fact
{
    /// <summary>The fact's name, from its <see cref="FactDefinition"/>.</summary>
    public required string Name { get; init; }
    /// <summary>The value; null where unknown.</summary>
    public FactValue? Value { get; init; }
    /// <summary>Why the value is unknown.</summary>
    public string? UnknownBecause { get; init; }
}

/// <summary>The facts of one observation, by name.</summary>
public sealed class FactSet : IReadOnlyCollection<Fact>
{
    private readonly Dictionary<string, Fact> _facts = new(StringComparer.Ordinal);

    /// <summary>Makes an empty set.</summary>
    public FactSet()
    {
    }

    /// <summary>Makes a set of these facts; of two with one name the later stands.</summary>
    public FactSet(IEnumerable<Fact> facts)
    {
        foreach (var fact in facts)
            _facts[fact.Name] = fact;
    }

    /// <inheritdoc/>
    public int Count => _facts.Count;

    /// <summary>Records a value.</summary>
    public void Set(FactDefinition definition, FactValue value)
    {
        if (value.Type != definition.Type && !(definition.Type == FactType.Number && value.Type == FactType.Int))
            throw new ArgumentException($"fact '{definition.Name}' is a {definition.Type}, not a {value.Type}", nameof(value));
        _facts[definition.Name] = new Fact { Name = definition.Name, Value = value };
    }

    /// <summary>Records that a value could not be had, and why.</summary>
    public void SetUnknown(FactDefinition definition, string because) =>
        _facts[definition.Name] = new Fact { Name = definition.Name, UnknownBecause = because };

    /// <summary>The fact of that name; null where nobody looked.</summary>
    public Fact? Find(string name) => _facts.GetValueOrDefault(name);

    /// <summary>The known value; null where unknown or not looked at.</summary>
    public FactValue? Value(FactDefinition definition) => Find(definition.Name)?.Value;

    /// <summary>The known bool; null where unknown.</summary>
    public bool? Bool(FactDefinition definition) => Value(definition)?.AsBool();
    /// <summary>The known whole number; null where unknown.</summary>
    public long? Int(FactDefinition definition) => Value(definition)?.AsInt();
    /// <summary>The known number; null where unknown.</summary>
    public double? Number(FactDefinition definition) => Value(definition)?.AsNumber();
    /// <summary>The known text; null where unknown.</summary>
    public string? Text(FactDefinition definition) => Value(definition)?.AsText();
    /// <summary>The known list; null where unknown.</summary>
    public IReadOnlyList<string>? List(FactDefinition definition) => Value(definition)?.AsList();

    /// <inheritdoc/>
    public IEnumerator<Fact> GetEnumerator() => _facts.Values.OrderBy(f => f.Name, StringComparer.Ordinal).GetEnumerator();
    System.Collections.IEnumerator System.Collections.IEnumerable.GetEnumerator() => GetEnumerator();
}
