namespace DbRecovery.Engine.Watch;

/// <summary>What a round changed in what is known of a cluster's faults.</summary>
internal sealed record FaultChanges
{
    /// <summary>Faults that enough rounds agree on now, or that became graver or less grave.</summary>
    public required IReadOnlyList<Fault> Raised { get; init; }
    /// <summary>Faults that enough rounds do not see any more.</summary>
    public required IReadOnlyList<Fault> Cleared { get; init; }
    /// <summary>Faults that were seen, and not often enough.</summary>
    public required IReadOnlyList<Fault> Pending { get; init; }
    /// <summary>Every fault that stands, as the last round that saw it described it, gravest first.</summary>
    public required IReadOnlyList<Fault> Standing { get; init; }
}

/// <summary>
/// Believes a fault when enough rounds agree, and its end likewise. A round agrees anew only with a new look at every node that the fault is
/// about or whose evidence it rests on: judging one look twice is no second opinion. Counts and looks only, no clock: what a clock does
/// cannot confirm anything.
/// </summary>
/// <param name="rounds">Rounds that must agree by the policy; a fault may ask for others.</param>
internal sealed class Confirmation(int rounds)
{
    private readonly Dictionary<(string Id, string? Node), Entry> _entries = [];
    private readonly Dictionary<string, (int Looks, long Last)> _silences = [];

    /// <summary>Nothing that was seen before counts any more towards a confirmation; what is confirmed stays.</summary>
    public void Restart()
    {
        foreach (var (key, entry) in _entries.ToList())
        {
            entry.Absent = 0;
            if (!entry.Confirmed)
                _entries.Remove(key);
        }
        _silences.Clear();
    }

    /// <summary>Takes what a round showed.</summary>
    /// <param name="faults">The faults of the round.</param>
    /// <param name="looks">The number of the latest look at each node.</param>
    /// <param name="timedOut">The nodes that gave no answer: those are always asked as often as the policy says.</param>
    /// <param name="blind">Whether too little was seen for a fault to count as gone.</param>
    public FaultChanges Take(IReadOnlyList<Fault> faults, IReadOnlyDictionary<string, long> looks, IReadOnlySet<string> timedOut, bool blind)
    {
        CountSilences(looks, timedOut);
        if (faults.Count == 0 && _entries.Count == 0)
            return Nothing;
        var raised = new List<Fault>();
        var seen = new HashSet<(string, string?)>();
        foreach (var fault in faults)
        {
            if (!seen.Add((fault.Id, fault.Node)))
                continue;
            if (!_entries.TryGetValue((fault.Id, fault.Node), out var entry))
                _entries[(fault.Id, fault.Node)] = entry = new Entry();
            if (See(entry, fault, looks))
                raised.Add(entry.Fault!);
        }
        var cleared = new List<Fault>();
        foreach (var (key, entry) in _entries.Where(e => !seen.Contains(e.Key)).ToList())
        {
            // in the dark a fault has not gone, unless it has turned into another one of its node
            if (entry.Confirmed && ((blind && !seen.Any(s => s.Item2 == key.Node)) || !Miss(entry, looks)))
                continue;
            _entries.Remove(key);
            if (entry.Confirmed)
                cleared.Add(entry.Fault!);
        }
        return new FaultChanges
        {
            Raised = raised, Cleared = cleared, Pending = [.. _entries.Values.Where(e => !e.Confirmed).Select(e => e.Fault!)],
            Standing = [.. _entries.Values.Where(e => e.Confirmed).Select(e => e.Fault!).OrderBy(f => f.Severity)],
        };
    }

    /// <summary>The nodes that a fault is about or whose evidence it rests on; all where it names none.</summary>
    public static IReadOnlyCollection<string> NodesOf(Fault fault, IEnumerable<string> all)
    {
        var known = all.ToHashSet(StringComparer.Ordinal);
        var named = fault.Evidence.Select(e => e.Node).Append(fault.Node ?? "").Where(known.Contains).ToHashSet(StringComparer.Ordinal);
        return named.Count > 0 ? named : known;
    }

    private static FaultChanges Nothing { get; } = new() { Raised = [], Cleared = [], Pending = [], Standing = [] };

    private bool See(Entry entry, Fault fault, IReadOnlyDictionary<string, long> looks)
    {
        var graver = entry.Confirmed && entry.Fault!.Severity != fault.Severity;
        // the moment of the first sight is what a recovery time counts from
        entry.Fault = entry.Fault is { } before ? fault with { DetectedAt = before.DetectedAt } : fault;
        entry.Absent = 0;
        if (entry.Confirmed)
            return graver;
        if (entry.Agreed == 0 || IsNew(entry, looks))
        {
            entry.Agreed++;
            Count(entry, looks);
        }
        entry.Confirmed = entry.Agreed >= Needed(fault);
        return entry.Confirmed;
    }

    // what is not grave has the time to be looked at again, and a node that gives no answer might give one yet; a silence that was looked at as often as
    // must agree is confirmed, whatever it was called until the others had noticed it, too
    private int Needed(Fault fault) =>
        Math.Max(fault.Severity > FaultSeverity.Outage || (fault.Node is { } node && _silences.TryGetValue(node, out var silence) && silence.Looks < rounds) ? rounds : 1, fault.Confirmations);

    private void CountSilences(IReadOnlyDictionary<string, long> looks, IReadOnlySet<string> timedOut)
    {
        foreach (var (node, look) in looks)
        {
            if (!timedOut.Contains(node))
                _silences.Remove(node);
            else if (!_silences.TryGetValue(node, out var silence) || look > silence.Last)
                _silences[node] = (silence.Looks + 1, look);
        }
    }

    private bool Miss(Entry entry, IReadOnlyDictionary<string, long> looks)
    {
        if (entry.Absent == 0 || IsNew(entry, looks))
        {
            entry.Absent++;
            Count(entry, looks);
        }
        return entry.Absent >= rounds;
    }

    private static bool IsNew(Entry entry, IReadOnlyDictionary<string, long> looks) => entry.Counted.All(c => looks.TryGetValue(c.Node, out var look) && look > c.Look);

    private static void Count(Entry entry, IReadOnlyDictionary<string, long> looks) =>
        entry.Counted = [.. NodesOf(entry.Fault!, looks.Keys).Select(n => (n, looks[n]))];

    private sealed class Entry
    {
        public Fault? Fault { get; set; }
        public int Agreed { get; set; }
        public int Absent { get; set; }
        public bool Confirmed { get; set; }
        public IReadOnlyList<(string Node, long Look)> Counted { get; set; } = [];
    }
}
