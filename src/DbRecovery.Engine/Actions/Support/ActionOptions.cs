using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.Json;
using DbRecovery.Engine.Runbooks;

namespace DbRecovery.Engine.Actions;

/// <summary>Reads an options record: its YAML options from its properties, and an instance from bound values.</summary>
public static class ActionOptions
{
    /// <summary>The options of a record, in the order of its properties.</summary>
    public static IReadOnlyList<OptionDescriptor> Describe(Type optionsType)
    {
        var defaults = Activator.CreateInstance(optionsType);
        return [.. Properties(optionsType).Select(p => Describe(p.Property, p.Attribute, defaults))];
    }

    /// <summary>Makes an options record of values by option name; what is not given keeps its default.</summary>
    /// <param name="optionsType">The record.</param>
    /// <param name="values">TimeSpan, long, bool, string, a list of strings or a map of strings, as the option's type says.</param>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.ParameterInvalid"/>: an option is unknown, missing or of another type.</exception>
    public static object Create(Type optionsType, IReadOnlyDictionary<string, object> values)
    {
        var options = Activator.CreateInstance(optionsType)!;
        var properties = Properties(optionsType).ToDictionary(p => Name(p.Property), p => p.Property, StringComparer.Ordinal);
        foreach (var (name, value) in values)
        {
            if (!properties.TryGetValue(name, out var property))
                throw Invalid($"there is no option '{name}'", $"The options are: {string.Join(", ", properties.Keys)}.");
            property.SetValue(options, Fit(name, value, property.PropertyType));
        }
        foreach (var (name, property) in properties)
        {
            if (IsRequired(property) && !values.ContainsKey(name))
                throw Invalid($"the option '{name}' is required", $"Give '{name}' under 'with'.");
        }
        return options;
    }

    private static IEnumerable<(PropertyInfo Property, OptionAttribute Attribute)> Properties(Type type) =>
        type.GetProperties(BindingFlags.Public | BindingFlags.Instance)
            .Select(p => (p, p.GetCustomAttribute<OptionAttribute>()!))
            .Where(p => p.Item2 is not null)
            .OrderBy(p => p.Item2.Line);

    private static OptionDescriptor Describe(PropertyInfo property, OptionAttribute attribute, object? defaults)
    {
        var type = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
        var required = IsRequired(property);
        return new OptionDescriptor(Name(property), TypeOf(type), required,
            required ? null : Write(property.GetValue(defaults)),
            type.IsEnum ? [.. Enum.GetNames(type).Select(JsonNamingPolicy.KebabCaseLower.ConvertName)] : [], attribute.Description);
    }

    private static OptionType TypeOf(Type type) =>
        type == typeof(TimeSpan) ? OptionType.Duration
        : type == typeof(bool) ? OptionType.Bool
        : type == typeof(int) ? OptionType.Int
        : type == typeof(long) ? OptionType.Size
        : type == typeof(string) ? OptionType.String
        : type.IsEnum ? OptionType.Enum
        : type == typeof(IReadOnlyList<string>) ? OptionType.List
        : type == typeof(IReadOnlyDictionary<string, string>) ? OptionType.Map
        : throw new InvalidOperationException($"an option cannot be a {type.Name}");

    private static object Fit(string name, object value, Type target)
    {
        var type = Nullable.GetUnderlyingType(target) ?? target;
        if (type.IsInstanceOfType(value))
            return value;
        if (type == typeof(int) && value is long whole and >= int.MinValue and <= int.MaxValue)
            return (int)whole;
        if (type.IsEnum && value is string word && Enum.TryParse(type, word.Replace("-", "", StringComparison.Ordinal), ignoreCase: true, out var parsed))
            return parsed;
        throw Invalid($"the option '{name}' is a {TypeOf(type)}, not a {value.GetType().Name}", "Give a value of that type.");
    }

    private static string? Write(object? value) => value switch
    {
        null => null,
        bool b => b ? "true" : "false",
        TimeSpan t => WriteDuration(t),
        Enum e => JsonNamingPolicy.KebabCaseLower.ConvertName(e.ToString()),
        string s => s,
        System.Collections.IEnumerable => null,
        _ => Convert.ToString(value, CultureInfo.InvariantCulture),
    };

    private static string WriteDuration(TimeSpan value) =>
        value.Milliseconds != 0 ? $"{(long)value.TotalMilliseconds}ms" : $"{(long)value.TotalSeconds}s";

    private static string Name(PropertyInfo property) => JsonNamingPolicy.CamelCase.ConvertName(property.Name);

    private static bool IsRequired(PropertyInfo property) => property.IsDefined(typeof(RequiredMemberAttribute), inherit: false);

    private static DbRecoveryException Invalid(string message, string action) =>
        new(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, message, action);
}
