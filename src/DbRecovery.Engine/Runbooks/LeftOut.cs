namespace DbRecovery.Engine.Runbooks;

/// <summary>Says of the runbook files that errors keep from use which they are and why: a fault that nothing answers may be theirs.</summary>
public static class LeftOut
{
    private const int Most = 3;

    /// <summary>A sentence; null where no file is left out.</summary>
    public static string? Sentence(IReadOnlyList<LintResult> invalid) => invalid.Count == 0 ? null
        : $"{Counted.Of(invalid.Count, "runbook file is", "runbook files are")} left out because of errors: {string.Join("; ", invalid.Take(Most).Select(Of))}{(invalid.Count > Most ? "; and others" : "")}";

    private static string Of(LintResult file) => file.Findings.FirstOrDefault(f => f.Severity == LintSeverity.Error) is { } error
        ? $"{file.File}:{error.Line}:{error.Column}: {error.Message}"
        : file.File;
}
