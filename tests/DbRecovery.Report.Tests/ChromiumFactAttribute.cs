namespace DbRecovery.Report.Tests;

/// <summary>A test that needs a browser.</summary>
internal sealed class ChromiumFactAttribute : FactAttribute
{
    public ChromiumFactAttribute() => Skip = Missing;

    /// <summary>Why there is none; null where there is one.</summary>
    public static string? Missing { get; } = Chromium.Executable is null ? "no chromium is on PATH (apt-get install chromium)" : null;
}

/// <summary>As <see cref="ChromiumFactAttribute"/>, for several cases.</summary>
internal sealed class ChromiumTheoryAttribute : TheoryAttribute
{
    public ChromiumTheoryAttribute() => Skip = ChromiumFactAttribute.Missing;
}
