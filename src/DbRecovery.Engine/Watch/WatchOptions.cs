using System.Net;
using DbRecovery.Engine.Health;
using DbRecovery.Engine.Incidents;
using DbRecovery.Engine.Runbooks;

namespace DbRecovery.Engine.Watch;

/// <summary>What is watched, how often, and whether anything is done about it.</summary>
public sealed record WatchOptions
{
    /// <summary>The shortest interval between two rounds.</summary>
    public static readonly TimeSpan ShortestEvery = TimeSpan.FromMilliseconds(100);

    /// <summary>The clusters.</summary>
    public required IReadOnlyList<ClusterDefinition> Clusters { get; init; }
    /// <summary>The time between two rounds; null: each cluster's <see cref="PolicySettings.Poll"/>.</summary>
    public TimeSpan? Every { get; init; }
    /// <summary>Whether a fault is recovered from by its runbook, where the cluster's policy has <see cref="PolicySettings.AutoRecover"/>.</summary>
    public bool Recover { get; init; }
    /// <summary>Where load balancers may ask which node is primary; null: nowhere.</summary>
    public IPEndPoint? Listen { get; init; }
    /// <summary>How long to go on; null: until it is cancelled.</summary>
    public TimeSpan? For { get; init; }
    /// <summary>The time between two looks at what a light look does not show, such as the structure of the data. One that takes long makes this longer.</summary>
    public TimeSpan StandardEvery { get; init; } = TimeSpan.FromMinutes(5);
    /// <summary>The time between two looks at the backups.</summary>
    public TimeSpan BackupsEvery { get; init; } = TimeSpan.FromMinutes(1);
    /// <summary>The time between two runs of the checks of the user's own.</summary>
    public TimeSpan ChecksEvery { get; init; } = TimeSpan.FromSeconds(15);
    /// <summary>The time between two looks where the routes lead; when another node becomes primary one follows at once.</summary>
    public TimeSpan RoutesEvery { get; init; } = TimeSpan.FromSeconds(5);
    /// <summary>Events that may wait for a slow reader; more are counted and left out.</summary>
    public int MostWaiting { get; init; } = 1024;
}

/// <summary>What a watch works with.</summary>
public sealed record WatchServices
{
    /// <summary>Gives the database of an engine, or throws <see cref="ErrorIds.EngineNotSupported"/>.</summary>
    public required Func<string, IDatabaseProvider> Providers { get; init; }
    /// <summary>Judges; what it remembers from round to round is its own.</summary>
    public required IClusterJudge Judge { get; init; }
    /// <summary>Makes the looks that read the data.</summary>
    public required IHealthService Health { get; init; }
    /// <summary>Recoveries; null: nothing is ever done.</summary>
    public IIncidentService? Incidents { get; init; }
    /// <summary>The runbooks; null: none.</summary>
    public IRunbookLibrary? Runbooks { get; init; }
    /// <summary>The clock.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;
}
