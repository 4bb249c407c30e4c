using System.CommandLine;
using System.Runtime.InteropServices;
using DbRecovery.Cli.Commands;
using DbRecovery.Cli.Output;
using DbRecovery.Runtime;

namespace DbRecovery.Cli;

/// <summary>What a run of the program has to do with: its streams, whether they are terminals, and how it makes the engine.</summary>
internal sealed record AppEnvironment
{
    public required TextWriter Out { get; init; }
    public required TextWriter Error { get; init; }
    /// <summary>The input; a function, because touching the console's own sets up the terminal.</summary>
    public Func<TextReader> In { get; init; } = () => TextReader.Null;
    public bool OutIsTerminal { get; init; }
    public bool ErrorIsTerminal { get; init; }
    public bool InIsTerminal { get; init; }
    /// <summary>The columns that may be used; asked for only when something is drawn.</summary>
    public Func<int> Width { get; init; } = () => 100;
    public bool Color { get; init; }
    public Func<RuntimeOptions, RecoveryRuntime> MakeRuntime { get; init; } = options => new RecoveryRuntime(options);
}

/// <summary>The program.</summary>
internal static class App
{
    /// <summary>Runs with the process's own streams and signals.</summary>
    public static async Task<int> MainAsync(string[] args)
    {
        using var cancel = new CancellationTokenSource();
        // Ctrl+C and a scheduler's stop cancel; a second one changes nothing, so that a file being swapped is not left half way
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context => Stop(context, cancel));
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context => Stop(context, cancel));
        var outIsTerminal = !Console.IsOutputRedirected;
        await using var output = new StreamWriter(Console.OpenStandardOutput(), new System.Text.UTF8Encoding(false), 16384) { AutoFlush = outIsTerminal };
        // UTF-8 whatever the locale says: names of files and tables are shown as they are
        await using var error = new StreamWriter(Console.OpenStandardError(), new System.Text.UTF8Encoding(false), 256) { AutoFlush = true };
        return await RunAsync(args, new AppEnvironment
        {
            Out = output,
            Error = error,
            In = () => Console.In,
            OutIsTerminal = outIsTerminal,
            ErrorIsTerminal = !Console.IsErrorRedirected,
            InIsTerminal = !Console.IsInputRedirected,
            Width = outIsTerminal ? TerminalWidth : () => 100,
            Color = outIsTerminal && Environment.GetEnvironmentVariable("NO_COLOR") is null or "",
        }, cancel.Token);
    }

    /// <summary>Runs a command line and gives the exit code.</summary>
    public static async Task<int> RunAsync(string[] args, AppEnvironment environment, CancellationToken cancellationToken)
    {
        var root = CommandTree.Build(environment);
        var parsed = root.Parse(args);
        try
        {
            if (parsed.Action is not HelpAction && (parsed.Errors.Count > 0 || Usage.UnknownOption(parsed) is not null))
                return Usage.Report(parsed, environment.Error);
            var settings = new InvocationConfiguration
            {
                Output = environment.Out,
                Error = environment.Error,
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
            };
            return await parsed.InvokeAsync(settings, cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            environment.Error.WriteLine(parsed.CommandResult.Command is Verb { IsRecovery: true }
                ? "cancelled; 'dbrecovery incident list' shows whether something waits to be gone on with"
                : "cancelled");
            return ExitCodes.Cancelled;
        }
        catch (DbRecoveryException e)
        {
            ErrorText.Write(e, environment);
            return ExitCodes.Of(e);
        }
        catch (IOException e) when (environment is { OutIsTerminal: false } && IsBrokenPipe(e))
        {
            // the reader of the pipe had enough, as with 'head'
            return ExitCodes.Done;
        }
        catch (Exception e)
        {
            environment.Error.WriteLine($"error: unforeseen {e.GetType().Name}: {e.Message}");
            environment.Error.WriteLine("This is a defect of DbRecovery; please report it with the command line and this text:");
            environment.Error.WriteLine(e.StackTrace);
            return ExitCodes.Failed;
        }
    }

    private static void Stop(PosixSignalContext context, CancellationTokenSource cancel)
    {
        context.Cancel = true;
        try
        {
            cancel.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // the program is at its end already
        }
    }

    private static bool IsBrokenPipe(IOException error) => (error.HResult & 0xffff) is 32 or 109 or 232;

    private static int TerminalWidth()
    {
        try
        {
            return Console.WindowWidth is > 20 and var width ? Math.Min(width, 100) : 100;
        }
        catch (IOException)
        {
            return 100;
        }
    }
}
