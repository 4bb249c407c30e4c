using DbRecovery.Cli;
using DbRecovery.Runtime;

namespace DbRecovery.Cli.Tests;

/// <summary>Runs command lines inside the test's process.</summary>
internal static class CliRunner
{
    public sealed record Result(int Code, string Out, string Error);

    public static async Task<Result> RunAsync(string[] args, Func<RuntimeOptions, RecoveryRuntime>? make = null, CancellationToken token = default)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        var code = await App.RunAsync(args, new AppEnvironment
        {
            Out = output,
            Error = error,
            MakeRuntime = make ?? (_ => throw new InvalidOperationException("this command line was not to reach the engine")),
        }, token);
        return new Result(code, output.ToString(), error.ToString());
    }
}
