using System.Diagnostics;

namespace DbRecovery.PostgresLab;

/// <summary>A program that runs beside a test until it is disposed of, and writes into a log file.</summary>
public sealed class LabProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly string _log;
    private bool _disposed;

    private LabProcess(Process process, string log) => (_process, _log) = (process, log);

    /// <summary>The process's id.</summary>
    public int Id => _process.Id;

    /// <summary>Whether it ended.</summary>
    public bool HasExited => _process.HasExited;

    /// <summary>The end of its log.</summary>
    public string LogTail => File.Exists(_log) ? string.Join('\n', File.ReadLines(_log).TakeLast(20)) : "no log";

    /// <summary>Starts a program in the foreground.</summary>
    /// <param name="command">The program and its arguments.</param>
    /// <param name="log">Where its output goes.</param>
    public static LabProcess Start(IReadOnlyList<string> command, string log)
    {
        var start = new ProcessStartInfo("sh") { WorkingDirectory = "/" };
        foreach (var word in (string[])["-c", "exec \"$@\" >>\"$0\" 2>&1 </dev/null", log, .. command])
            start.ArgumentList.Add(word);
        foreach (var name in start.Environment.Keys.Where(k => k.StartsWith("PG", StringComparison.Ordinal)).ToArray())
            start.Environment.Remove(name);
        return new LabProcess(Process.Start(start)!, log);
    }

    /// <summary>Waits until something is so, while it runs.</summary>
    public async Task UntilAsync(Func<bool> condition, string what, CancellationToken cancellationToken = default)
    {
        await Machine.UntilAsync(() => HasExited || condition(), () => $"waited in vain for {what}: {LogTail}", cancellationToken);
        if (HasExited)
            throw new InvalidOperationException($"the program ended before {what}: {LogTail}");
    }

    /// <summary>Sends it a signal.</summary>
    public void Signal(int signal) => Machine.Signal(Id, signal);

    /// <summary>Kills it and reaps it.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_disposed)
            return;
        _disposed = true;
        if (!_process.HasExited)
            Signal(Machine.SigKill);
        await _process.WaitForExitAsync();
        _process.Dispose();
    }
}
