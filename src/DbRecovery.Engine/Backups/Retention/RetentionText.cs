using System.Globalization;
using DbRecovery.Engine.Yaml;

namespace DbRecovery.Engine.Backups;

/// <summary>Retention rules as shells take them: <c>last=7,days=30,daily=7,weekly=4,monthly=12,yearly=3,full=4</c>.</summary>
public static class RetentionText
{
    /// <summary>The greatest number that a rule takes: some centuries of days, and no date leaves the calendar.</summary>
    public const int Most = 100_000;

    /// <summary>The words in the order in which they are written.</summary>
    public static IReadOnlyList<string> Words { get; } = ["last", "full", "days", "hours", "daily", "weekly", "monthly", "yearly"];

    private const string Form = "Write it as last=7,days=30,daily=7,weekly=4,monthly=12,yearly=3,full=4: any of them, each once.";

    /// <summary>Reads a rule. Nothing is guessed: a rule that is misread removes backups.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.RetentionInvalid"/> says which part is wrong and what would be right.</exception>
    public static RetentionRule Parse(string text)
    {
        if (string.IsNullOrWhiteSpace(text))
            throw Invalid(text, "it is empty", Form);
        var values = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var part in text.Split(','))
        {
            var (word, value) = Part(text, part);
            if (!values.TryAdd(word, value))
                throw Invalid(text, $"'{word}' is there twice", Form);
        }
        return Make(word => values.TryGetValue(word, out var value) ? value : null)
            ?? throw Invalid(text, "'days' and 'hours' say the same thing", "Write one of them.");
    }

    /// <summary>A rule from its numbers; null where both days and hours are given.</summary>
    internal static RetentionRule? Make(Func<string, int?> valueOf)
    {
        var (days, hours) = (valueOf("days"), valueOf("hours"));
        return days is not null && hours is not null ? null : new RetentionRule
        {
            Last = valueOf("last"),
            Full = valueOf("full"),
            Within = days is { } d ? TimeSpan.FromDays(d) : hours is { } h ? TimeSpan.FromHours(h) : null,
            Daily = valueOf("daily"),
            Weekly = valueOf("weekly"),
            Monthly = valueOf("monthly"),
            Yearly = valueOf("yearly"),
        };
    }

    /// <summary>A rule as text that <see cref="Parse"/> reads.</summary>
    public static string Format(RetentionRule rule)
    {
        var within = rule.Within is not { } span ? ((string, int?))("days", null)
            : span.Ticks % TimeSpan.TicksPerDay == 0 ? ("days", (int)span.TotalDays) : ("hours", (int)Math.Ceiling(span.TotalHours));
        (string Word, int? Value)[] parts =
            [("last", rule.Last), ("full", rule.Full), within, ("daily", rule.Daily), ("weekly", rule.Weekly), ("monthly", rule.Monthly), ("yearly", rule.Yearly)];
        return string.Join(',', parts.Where(p => p.Value is not null).Select(p => string.Create(CultureInfo.InvariantCulture, $"{p.Word}={p.Value}")));
    }

    private static (string Word, int Value) Part(string text, string part)
    {
        var trimmed = part.Trim();
        if (trimmed.Length == 0)
            throw Invalid(text, "a part of it is empty", Form);
        var at = trimmed.IndexOf('=', StringComparison.Ordinal);
        var word = (at < 0 ? trimmed : trimmed[..at]).Trim();
        if (!Words.Contains(word))
            throw Invalid(text, $"there is no rule '{word}'", NearNames.Suggest(word, [.. Words]));
        if (at < 0)
            throw Invalid(text, $"'{word}' has no number", $"Write {word}=7.");
        var number = trimmed[(at + 1)..].Trim();
        // ASCII digits only: no sign, no thousands, no other script
        if (number.Length == 0 || number.AsSpan().IndexOfAnyExceptInRange('0', '9') >= 0
            || !int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var value) || value is < 1 or > Most)
            throw Invalid(text, $"'{number}' of '{word}' is no number that a rule takes", $"Write a whole number from 1 to {Most}. To keep nothing by a rule, leave it out.");
        return (word, value);
    }

    private static DbRecoveryException Invalid(string text, string what, string action) =>
        new(ErrorIds.RetentionInvalid, ErrorKind.InvalidInput, $"the retention '{text}' cannot be used: {what}", action, text);
}
