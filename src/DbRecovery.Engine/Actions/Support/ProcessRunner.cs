using System.ComponentModel;
using System.Diagnostics;
using System.Text;

namespace DbRecovery.Engine.Actions;

/// <summary>A program to run.</summary>
internal sealed record ProcessRequest
{
    /// <summary>The program and its arguments; never passed through a shell.</summary>
    public required IReadOnlyList<string> Command { get; init; }
    /// <summary>The folder that it runs in; null: this process's own.</summary>
    public string? WorkingFolder { get; init; }
    /// <summary>Variables beside those inherited; secrets go here, never into arguments.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();
    /// <summary>Variables of this process that it does not inherit.</summary>
    public IEnumerable<string> Withheld { get; init; } = [];
    /// <summary>What it reads from its standard input.</summary>
    public string? Input { get; init; }
    /// <summary>The deadline; the whole process tree is killed when it passes.</summary>
    public required TimeSpan Timeout { get; init; }
    /// <summary>Characters kept of each stream; the rest is read and thrown away.</summary>
    public int OutputLimit { get; init; } = 64 * 1024;
}

/// <summary>What a program left.</summary>
internal sealed record ProcessOutcome(int ExitCode, string Output, string Error);

/// <summary>Runs programs by argument list, with a deadline and bounded output.</summary>
internal static class ProcessRunner
{
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.StepFailed"/>: it cannot be started; <see cref="ErrorIds.TimedOut"/>: it was killed.</exception>
    public static async Task<ProcessOutcome> RunAsync(ProcessRequest request, TimeProvider clock, CancellationToken cancellationToken)
    {
        using var process = Start(request);
        using var deadline = new CancellationTokenSource(request.Timeout, clock);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        var output = DrainAsync(process.StandardOutput, request.OutputLimit, linked.Token);
        var error = DrainAsync(process.StandardError, request.OutputLimit, linked.Token);
        try
        {
            await FeedAsync(process, request.Input, linked.Token).ConfigureAwait(false);
            await process.WaitForExitAsync(linked.Token).ConfigureAwait(false);
            return new ProcessOutcome(process.ExitCode, await output.ConfigureAwait(false), await error.ConfigureAwait(false));
        }
        catch (OperationCanceledException)
        {
            Kill(process);
            await Task.WhenAll(Quiet(output), Quiet(error)).ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
            throw new DbRecoveryException(ErrorIds.TimedOut, ErrorKind.Timeout,
                $"'{request.Command[0]}' did not end within {request.Timeout} and was killed with what it had started; what it did until then is not known",
                "Look at what the program did, or give the step a longer timeout.", request.Command[0]);
        }
    }

    private static Process Start(ProcessRequest request)
    {
        if (request.Command.Count == 0 || string.IsNullOrWhiteSpace(request.Command[0]))
            throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, "a command needs a program", "Give a list: the program, then its arguments.");
        var start = new ProcessStartInfo(request.Command[0])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
            CreateNoWindow = true,
            WorkingDirectory = request.WorkingFolder ?? string.Empty,
        };
        foreach (var argument in request.Command.Skip(1))
            start.ArgumentList.Add(argument);
        foreach (var name in request.Withheld)
            start.Environment.Remove(name);
        foreach (var (name, value) in request.Environment)
            start.Environment[name] = value;
        try
        {
            return Process.Start(start)!;
        }
        catch (Exception e) when (e is Win32Exception or InvalidOperationException or DirectoryNotFoundException)
        {
            throw new DbRecoveryException(ErrorIds.StepFailed, ErrorKind.Failed, $"the program '{request.Command[0]}' cannot be started: {e.Message}",
                "Check its path, its rights and the working folder.", request.Command[0], e);
        }
    }

    private static async Task FeedAsync(Process process, string? input, CancellationToken cancellationToken)
    {
        try
        {
            if (input is not null)
                await process.StandardInput.WriteAsync(input.AsMemory(), cancellationToken).ConfigureAwait(false);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // a program that does not read its input has closed the pipe: its exit code tells whether that matters
        }
    }

    private static async Task<string> DrainAsync(StreamReader reader, int limit, CancellationToken cancellationToken)
    {
        var kept = new StringBuilder();
        var buffer = new char[4096];
        while (await reader.ReadAsync(buffer, cancellationToken).ConfigureAwait(false) is var read and > 0)
            kept.Append(buffer, 0, Math.Min(read, limit - kept.Length));
        return kept.ToString();
    }

    private static async Task Quiet(Task task)
    {
        try
        {
            await task.ConfigureAwait(false);
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or ObjectDisposedException)
        {
            // the output of a killed program is of no use
        }
    }

    private static void Kill(Process process)
    {
        try
        {
            process.Kill(entireProcessTree: true);
        }
        catch (Exception e) when (e is InvalidOperationException or Win32Exception or AggregateException)
        {
            // it ended in the meantime
        }
    }
}
