namespace DbRecovery.Cli.Output;

/// <summary>Errors as text: what is wrong, findings one a line, then what to do.</summary>
internal static class ErrorText
{
    public static void Write(DbRecoveryException error, TextWriter writer)
    {
        writer.WriteLine($"error {error.Id}: {error.Message}");
        foreach (var finding in error.Findings)
            writer.WriteLine("  " + finding);
        if (!string.IsNullOrEmpty(error.RecommendedAction))
            writer.WriteLine(error.RecommendedAction);
    }
}
