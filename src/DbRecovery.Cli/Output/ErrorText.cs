using DbRecovery.Shells;

namespace DbRecovery.Cli.Output;

/// <summary>Errors as text: what is wrong, findings one a line, then what to do.</summary>
internal static class ErrorText
{
    public static void Write(DbRecoveryException error, AppEnvironment environment)
    {
        WriteLine($"error {error.Id}: {error.Message}", environment);
        foreach (var finding in error.Findings)
            WriteLine("  " + finding, environment);
        if (!string.IsNullOrEmpty(error.RecommendedAction))
            WriteLine(error.RecommendedAction, environment);
    }

    /// <summary>A line for people on the error stream: a terminal gets it wrapped between words, a log as it is.</summary>
    public static void WriteLine(string text, AppEnvironment environment) =>
        environment.Error.WriteLine(environment.ErrorIsTerminal ? TextLayout.Wrap(text, environment.Width()) : text);
}
