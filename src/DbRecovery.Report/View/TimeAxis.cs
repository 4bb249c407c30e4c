using DbRecovery.Shells;

namespace DbRecovery.Report.View;

/// <summary>
/// An axis of time on which waiting takes a fixed room: a recovery of seconds and a probation of an hour stand in one picture, and
/// the seconds can still be read.
/// </summary>
internal sealed class TimeAxis
{
    private const double WaitingShare = 0.12;
    private const double MostWaiting = 0.4;
    private static readonly double[] Steps =
        [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400, 172800, 604800];

    private readonly List<(DateTimeOffset From, DateTimeOffset To, double At, double Width, bool Waiting)> _parts = [];

    /// <summary>Makes an axis over phases.</summary>
    public TimeAxis(IReadOnlyList<Phase> phases)
    {
        Begin = phases.Min(p => p.From);
        End = phases.Max(p => p.To ?? p.From);
        var at = Begin;
        foreach (var waiting in phases.Where(p => p.Kind == PhaseKind.Waiting && p.To > p.From).OrderBy(p => p.From))
        {
            if (waiting.From < at)
                continue;
            if (waiting.From > at)
                _parts.Add((at, waiting.From, 0, 0, false));
            _parts.Add((waiting.From, waiting.To!.Value, 0, 0, true));
            at = waiting.To.Value;
        }
        if (End > at)
            _parts.Add((at, End, 0, 0, false));
        // a wait whose end is not known has its room all the same
        if (phases.Any(p => p is { Kind: PhaseKind.Waiting, To: null } && p.From >= End))
            _parts.Add((End, End.AddSeconds(1), 0, 0, true));
        Place();
    }

    /// <summary>The first moment.</summary>
    public DateTimeOffset Begin { get; }

    /// <summary>The last moment.</summary>
    public DateTimeOffset End { get; }

    /// <summary>Where a moment stands, in percent of the width.</summary>
    public double At(DateTimeOffset moment)
    {
        foreach (var part in _parts)
            if (moment <= part.To)
                return part.At + part.Width * Math.Clamp((moment - part.From) / (part.To - part.From), 0, 1);
        return _parts.Count == 0 ? 0 : 100;
    }

    /// <summary>The marks of the axis: times since the beginning, none of them while nothing is done.</summary>
    public IReadOnlyList<(TimeSpan Since, double At)> Ticks()
    {
        var active = _parts.Where(p => !p.Waiting).ToList();
        var seconds = active.Sum(p => (p.To - p.From).TotalSeconds);
        if (seconds <= 0)
            return [(TimeSpan.Zero, 0)];
        var step = Steps.FirstOrDefault(s => s >= seconds / 6, Steps[^1] * Math.Ceiling(seconds / 6 / Steps[^1]));
        var ticks = new List<(TimeSpan Since, double At)>();
        // a label has room on a narrow page too
        var room = Math.Max(11, 2.2 * (SizeText.Duration(End - Begin).Length + 1));
        foreach (var part in active)
        {
            var first = Math.Ceiling((part.From - Begin).TotalSeconds / step - 1e-9);
            for (var i = 0; i <= 8 && Begin.AddSeconds((first + i) * step) is var moment && moment <= part.To; i++)
                if (ticks.Count == 0 || At(moment) - ticks[^1].At >= room)
                    ticks.Add((moment - Begin, At(moment)));
        }
        return ticks;
    }

    private void Place()
    {
        var waits = _parts.Count(p => p.Waiting);
        var active = _parts.Where(p => !p.Waiting).Sum(p => (p.To - p.From).TotalSeconds);
        var forWaiting = active > 0 ? Math.Min(waits * WaitingShare, MostWaiting) : 1;
        var at = 0d;
        for (var i = 0; i < _parts.Count; i++)
        {
            var part = _parts[i];
            var width = 100 * (part.Waiting ? forWaiting / waits : (1 - (waits == 0 ? 0 : forWaiting)) * (part.To - part.From).TotalSeconds / active);
            _parts[i] = part with { At = at, Width = width };
            at += width;
        }
    }
}
