using DbRecovery.Engine.Runbooks;

namespace DbRecovery.Engine.Yaml;

/// <summary>Collects what is wrong with one file.</summary>
internal sealed class FindingList(string file)
{
    // one broken line can make hundreds of consequences; nobody reads those. Each severity has its own bound: warnings must not crowd
    // out the error that makes the file invalid
    private const int Most = 100;
    private const int LongestText = 600;
    private readonly List<LintFinding> _findings = [];

    public string File => file;

    public bool HasErrors => _findings.Any(f => f.Severity == LintSeverity.Error);

    public void Error(SourcePosition at, string rule, string message, string? suggestion = null) => Add(LintSeverity.Error, at, rule, message, suggestion);

    public void Warning(SourcePosition at, string rule, string message, string? suggestion = null) => Add(LintSeverity.Warning, at, rule, message, suggestion);

    public IReadOnlyList<LintFinding> InOrder() => [.. _findings.OrderBy(f => f.Line).ThenBy(f => f.Column).ThenBy(f => f.Rule, StringComparer.Ordinal)];

    private void Add(LintSeverity severity, SourcePosition at, string rule, string message, string? suggestion)
    {
        if (_findings.Count(f => f.Severity == severity) < Most)
            _findings.Add(new LintFinding { File = file, Line = at.Line, Column = at.Column, Severity = severity, Rule = rule, Message = Clip(message), Suggestion = suggestion is null ? null : Clip(suggestion) });
    }

    private static string Clip(string text) => text.Length <= LongestText ? text : text[..LongestText] + "...";
}
