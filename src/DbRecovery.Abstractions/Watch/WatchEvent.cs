namespace DbRecovery;

/// <summary>What a watch tells.</summary>
public enum WatchEventKind
{
    /// <summary>The watch of a cluster began.</summary>
    Started,
    /// <summary>The state of a node or cluster is another than before.</summary>
    StateChanged,
    /// <summary>A fault is there that was not.</summary>
    FaultRaised,
    /// <summary>A fault is gone.</summary>
    FaultCleared,
    /// <summary>An incident went from one state to another.</summary>
    Incident,
    /// <summary>Why nothing was done.</summary>
    NotActed,
    /// <summary>Something of the watch itself, such as its own network.</summary>
    Watcher,
}

/// <summary>One thing that a watch tells: a change, never a round without one.</summary>
public sealed record WatchEvent
{
    /// <summary>When (UTC).</summary>
    public required DateTimeOffset At { get; init; }
    /// <summary>What kind of thing.</summary>
    public required WatchEventKind Kind { get; init; }
    /// <summary>The cluster.</summary>
    public required string Cluster { get; init; }
    /// <summary>The node; null where it is about the whole cluster.</summary>
    public string? Node { get; init; }
    /// <summary>What happened, in one sentence.</summary>
    public required string Summary { get; init; }
    /// <summary>The state before; null where it is not about one.</summary>
    public string? From { get; init; }
    /// <summary>The state now.</summary>
    public string? To { get; init; }
    /// <summary>The fault, where it is about one.</summary>
    public Fault? Fault { get; init; }
    /// <summary>The incident's id, where it is about one.</summary>
    public string? Incident { get; init; }
}
