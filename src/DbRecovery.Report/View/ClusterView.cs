using DbRecovery.Report.Html;

namespace DbRecovery.Report.View;

/// <summary>How fresh something is that must not be old.</summary>
/// <param name="Tone">What it means.</param>
/// <param name="Word">The word for it.</param>
/// <param name="Age">The age; null where there is none.</param>
internal sealed record Freshness(Tone Tone, string Word, TimeSpan? Age);

/// <summary>One cluster with all that the model knows of it.</summary>
internal sealed class ClusterView
{
    public ClusterView(string name, ReportModel model, ILookup<string, IncidentReport> incidents, ILookup<string, BackupInfo> backups, ILookup<string, DrillResult> drills)
    {
        Name = name;
        Definition = model.Clusters.FirstOrDefault(c => c.Name == name)
            ?? backups[name].Select(b => b.Definition).FirstOrDefault(d => d is not null)
            ?? incidents[name].Select(i => i.Definition).FirstOrDefault(d => d is not null);
        Incidents = [.. incidents[name]];
        Backups = [.. backups[name]];
        Drills = [.. drills[name]];
        Health = model.Health.Where(h => h.Cluster == name).MaxBy(h => h.ObservedAt);
        Engine = Definition?.Engine ?? Health?.Engine ?? Backups.FirstOrDefault()?.Engine ?? Incidents.FirstOrDefault()?.Engine ?? Drills.FirstOrDefault()?.Engine ?? "-";
        Backup = FreshnessOf(Backups.FirstOrDefault()?.FinishedAt, Definition?.Backups?.MaxAge, model.MadeAt, "no backup");
        Proved = Backups.Where(b => b.Proof is { Passed: true }).MaxBy(b => b.Proof!.TestedAt);
        Proof = FreshnessOf(Proved?.Proof!.TestedAt, Definition?.Backups?.MaxProofAge, model.MadeAt, "never proved");
        Coverage = new Coverage(Backups, Definition?.Backups?.MaxAge, model.MadeAt);
    }

    public string Name { get; }
    public string Engine { get; }
    public ClusterDefinition? Definition { get; }
    /// <summary>Newest first.</summary>
    public IReadOnlyList<IncidentReport> Incidents { get; }
    /// <summary>Newest first.</summary>
    public IReadOnlyList<BackupInfo> Backups { get; }
    /// <summary>Newest first.</summary>
    public IReadOnlyList<DrillResult> Drills { get; }
    public HealthReport? Health { get; }
    /// <summary>How fresh the newest backup is.</summary>
    public Freshness Backup { get; }
    /// <summary>The backup whose passed test is the newest.</summary>
    public BackupInfo? Proved { get; }
    /// <summary>How fresh the newest proof is.</summary>
    public Freshness Proof { get; }
    /// <summary>The days of its backups.</summary>
    public Coverage Coverage { get; }
    /// <summary>Whether backups are expected of it, or there.</summary>
    public bool HasBackups => Backups.Count > 0 || Definition?.Backups is not null;

    /// <summary>The results of the last drill.</summary>
    public IEnumerable<DrillResult> LastDrill => Drills.Count == 0 ? [] : Drills.Where(d => d.DrillId == Drills[0].DrillId);

    /// <summary>The state at a glance: of today's look where there was one, else of the last incident.</summary>
    public (Tone Tone, string Word) Status => Health is { } health
        ? (ToneOf(health.Status), Markup.Words(health.Status))
        : Incidents.FirstOrDefault() is not { } last ? (Tone.None, "not looked at")
        : IncidentFigures.NeedsPerson(last) ? (IncidentFigures.ToneOf(last), Markup.Words(last.State))
        : IncidentFigures.Recovered(last) ? (Tone.Good, "recovered")
        : (IncidentFigures.ToneOf(last), Markup.Words(last.State));

    /// <summary>What a state of health means.</summary>
    public static Tone ToneOf(HealthStatus status) => status switch
    {
        HealthStatus.Healthy => Tone.Good,
        HealthStatus.Degraded => Tone.Warn,
        HealthStatus.Failed => Tone.Bad,
        _ => Tone.None,
    };

    private static Freshness FreshnessOf(DateTimeOffset? at, TimeSpan? most, DateTimeOffset now, string none)
    {
        if (at is not { } then)
            return new Freshness(most is null ? Tone.None : Tone.Bad, none, null);
        var age = now > then ? now - then : TimeSpan.Zero;
        return most is not { } limit ? new Freshness(Tone.Info, "no limit set", age)
            : age > limit ? new Freshness(Tone.Warn, "too old", age)
            : new Freshness(Tone.Good, "fresh", age);
    }
}
