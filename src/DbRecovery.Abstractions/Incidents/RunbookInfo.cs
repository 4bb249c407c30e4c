namespace DbRecovery;

/// <summary>A runbook in the library.</summary>
public sealed record RunbookInfo
{
    /// <summary>The runbook's name.</summary>
    public required string Name { get; init; }
    /// <summary>Its version.</summary>
    public required string Version { get; init; }
    /// <summary>What it is for.</summary>
    public required string Description { get; init; }
    /// <summary>The engines that it is for.</summary>
    public required IReadOnlyList<string> Engines { get; init; }
    /// <summary>The fault classes that it answers.</summary>
    public required IReadOnlyList<string> Faults { get; init; }
    /// <summary>The ids and actions of its steps, as <c>id: action</c>.</summary>
    public required IReadOnlyList<string> Steps { get; init; }
    /// <summary>Whether a step of it destroys something.</summary>
    public required bool Destructive { get; init; }
    /// <summary>The file.</summary>
    public required string Path { get; init; }
}

/// <summary>What the linter says of a runbook or inventory file.</summary>
public sealed record LintResult
{
    /// <summary>The file.</summary>
    public required string File { get; init; }
    /// <summary>The runbook's name where it could be read.</summary>
    public string? Name { get; init; }
    /// <summary>Whether there is no error.</summary>
    public bool Valid => Findings.All(f => f.Severity != LintSeverity.Error);
    /// <summary>The findings in order of place.</summary>
    public required IReadOnlyList<LintFinding> Findings { get; init; }
}
