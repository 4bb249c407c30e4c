using System.Globalization;

namespace DbRecovery.Shells;

/// <summary>What a watch tells, for people.</summary>
internal static class WatchText
{
    /// <summary>An event: when, where, what kind of thing, what happened.</summary>
    public static string Line(WatchEvent told, int width)
    {
        var where = told.Cluster.Length == 0 ? "" : told.Node is null || told.Node == told.Cluster ? told.Cluster + "  " : $"{told.Cluster}/{told.Node}  ";
        return TextLayout.Hang($"{told.At.UtcDateTime.ToString("HH:mm:ss.fff", CultureInfo.InvariantCulture)}  {Word(told),-8}  ", $"{where}{Summary(told)}", width);
    }

    private static string Summary(WatchEvent told) => told.Kind switch
    {
        WatchEventKind.FaultRaised => $"{told.Fault?.Id} ({told.Fault?.Severity}): {told.Summary}",
        WatchEventKind.Incident when told.To is not null && told.To != told.From => $"{told.To}: {told.Summary}",
        _ => told.Summary,
    };

    private static string Word(WatchEvent told) => told.Kind switch
    {
        WatchEventKind.Started => "watching",
        WatchEventKind.StateChanged => "state",
        WatchEventKind.FaultRaised => "FAULT",
        WatchEventKind.FaultCleared => "cleared",
        WatchEventKind.Incident => "incident",
        WatchEventKind.NotActed => "not done",
        _ => "watch",
    };
}
