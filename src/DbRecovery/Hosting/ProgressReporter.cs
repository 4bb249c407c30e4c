using System.Management.Automation;

namespace DbRecovery.PowerShell.Hosting;

/// <summary>Shows progress of what takes longer than a second, a few times a second, and always takes it away again.</summary>
internal sealed class ProgressReporter(PipelinePump pump, Action<ProgressRecord> write, int activityId) : IProgress<OperationProgress>
{
    private const long FirstAfterMs = 1000;
    private const long EveryMs = 200;
    private readonly long _startedAt = Environment.TickCount64;
    private readonly object _gate = new();
    private long _lastAt;
    private string? _shown;

    /// <inheritdoc/>
    public void Report(OperationProgress value)
    {
        var now = Environment.TickCount64;
        lock (_gate)
        {
            if (now - _startedAt < FirstAfterMs || now - _lastAt < EveryMs)
                return;
            _lastAt = now;
            _shown = Text(value.Activity, "DbRecovery");
        }
        var record = new ProgressRecord(activityId, Text(value.Activity, "DbRecovery"), Text(value.Status, "Working")) { PercentComplete = value.Percent ?? -1 };
        pump.Post(() => write(record));
    }

    /// <summary>Takes the bar away. Call on the pipeline's thread, when the work has ended.</summary>
    public void Complete()
    {
        if (_shown is { } activity)
            write(new ProgressRecord(activityId, activity, "Done") { RecordType = ProgressRecordType.Completed });
    }

    private static string Text(string? text, string otherwise) => string.IsNullOrEmpty(text) ? otherwise : text;
}

/// <summary>Hands each value to a function at once; the type of the class library would go through a thread pool and lose their order.</summary>
internal sealed class DirectProgress<T>(Action<T> report) : IProgress<T>
{
    public void Report(T value) => report(value);
}
