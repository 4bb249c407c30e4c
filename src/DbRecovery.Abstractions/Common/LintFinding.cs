namespace DbRecovery;

/// <summary>How bad a linter's finding is.</summary>
public enum LintSeverity
{
    /// <summary>Worth a look; the file is usable.</summary>
    Warning,
    /// <summary>The file is refused.</summary>
    Error,
}

/// <summary>One problem in an inventory or runbook file.</summary>
public sealed record LintFinding
{
    /// <summary>The file's path as it was given.</summary>
    public required string File { get; init; }
    /// <summary>The line, from 1.</summary>
    public required int Line { get; init; }
    /// <summary>The column, from 1.</summary>
    public required int Column { get; init; }
    /// <summary>How bad it is.</summary>
    public LintSeverity Severity { get; init; } = LintSeverity.Error;
    /// <summary>The rule's stable id, such as <c>unknown-key</c>.</summary>
    public required string Rule { get; init; }
    /// <summary>What is wrong.</summary>
    public required string Message { get; init; }
    /// <summary>What would be right.</summary>
    public string? Suggestion { get; init; }

    /// <inheritdoc/>
    public override string ToString() =>
        $"{File}:{Line}:{Column}: {(Severity == LintSeverity.Error ? "error" : "warning")} {Rule}: {Message}{(Suggestion is null ? "" : $" {Suggestion}")}";
}
