using DbRecovery.Engine.Yaml;

namespace DbRecovery.Engine.Runbooks;

/// <summary>Reads what is written in a runbook as the type that its place demands.</summary>
internal static class Literals
{
    /// <summary>How each type is written, for messages.</summary>
    public static string Form(OptionType type, IReadOnlyList<string> words) => type switch
    {
        OptionType.Duration => Scalars.WaitForm,
        OptionType.Size => Quantities.SizeForm,
        OptionType.Int => "a whole number",
        OptionType.Bool => "true or false",
        OptionType.Enum => $"one of {string.Join(", ", words)}",
        OptionType.List => "a list of texts",
        OptionType.Map => "a mapping of names to texts",
        _ => "text",
    };

    /// <summary>Reads a literal as an option's type: TimeSpan, long, bool or string.</summary>
    public static bool TryRead(string text, OptionType type, IReadOnlyList<string> words, out object value)
    {
        value = text;
        switch (type)
        {
            // options and timeouts are waited for
            case OptionType.Duration when Scalars.TryWait(text, out var duration):
                value = duration;
                return true;
            case OptionType.Size when Quantities.TrySize(text, out var size):
                value = size;
                return true;
            case OptionType.Int when Scalars.TryInt(text, out var whole):
                value = whole;
                return true;
            case OptionType.Bool when Scalars.TryBool(text, out var flag):
                value = flag;
                return true;
            case OptionType.Enum:
                return words.Contains(text);
            default:
                return type == OptionType.String;
        }
    }

    /// <summary>Reads a literal as something to compare a fact with: sizes for whole numbers, durations for numbers.</summary>
    public static bool TryFact(string text, FactType type, out FactValue value)
    {
        value = text;
        switch (type)
        {
            case FactType.Bool when Scalars.TryBool(text, out var flag):
                value = flag;
                return true;
            case FactType.Int or FactType.Number when Scalars.TryInt(text, out var whole):
                value = whole;
                return true;
            case FactType.Int when Quantities.TrySize(text, out var size):
                value = size;
                return true;
            case FactType.Number when Scalars.TryNumber(text, out var number):
                value = number;
                return true;
            case FactType.Number when Quantities.TryDuration(text, out var duration):
                value = duration;
                return true;
            default:
                return type == FactType.Text;
        }
    }

    /// <summary>The fact that a bound value is: durations in seconds.</summary>
    public static FactValue ToFact(object value) => value switch
    {
        bool flag => flag,
        long whole => whole,
        TimeSpan duration => duration,
        IReadOnlyList<string> list => FactValue.OfList(list),
        _ => value.ToString() ?? "",
    };
}
