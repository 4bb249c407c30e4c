using DbRecovery.Shells;

namespace DbRecovery.Cli.Output;

/// <summary>One line of progress on the error stream, for what takes over a second, only on a terminal.</summary>
internal sealed class TerminalProgress(TextWriter writer, bool enabled, Func<int> width) : IProgress<OperationProgress>, IDisposable
{
    private const long FirstAfterMs = 1000;
    private const long EveryMs = 200;
    private readonly long _startedAt = Environment.TickCount64;
    private readonly object _gate = new();
    private long _lastAt;
    private int _shown;

    /// <inheritdoc/>
    public void Report(OperationProgress value)
    {
        if (!enabled)
            return;
        var now = Environment.TickCount64;
        lock (_gate)
        {
            if (now - _startedAt < FirstAfterMs || now - _lastAt < EveryMs)
                return;
            _lastAt = now;
            var done = value.Unit == "B" ? SizeText.Size(value.Done) : $"{value.Done} {value.Unit}";
            var line = $"{value.Activity}: {value.Status} {(value.Percent is { } percent ? $"{percent} %" : done)}";
            var columns = width();
            if (line.Length >= columns)
                line = line[..(columns - 1)];
            writer.Write("\r" + line.PadRight(_shown));
            _shown = line.Length;
        }
    }

    /// <summary>Takes the line away.</summary>
    public void Clear()
    {
        lock (_gate)
        {
            if (_shown > 0)
                writer.Write("\r" + new string(' ', _shown) + "\r");
            _shown = 0;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Clear();
}

/// <summary>An incident's transitions as they happen, on the error stream.</summary>
internal sealed class TimelineWriter(TextWriter writer, bool enabled, TerminalProgress progress) : IProgress<TimelineEntry>
{
    /// <inheritdoc/>
    public void Report(TimelineEntry value)
    {
        if (!enabled)
            return;
        progress.Clear();
        writer.WriteLine(value.ToString());
    }
}
