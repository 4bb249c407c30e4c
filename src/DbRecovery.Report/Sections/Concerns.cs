using DbRecovery.Report.Html;
using DbRecovery.Report.View;

namespace DbRecovery.Report.Sections;

/// <summary>Something that a person must look at.</summary>
/// <param name="Tone">How grave it is.</param>
/// <param name="Word">What kind it is.</param>
/// <param name="Text">What it is, in one sentence.</param>
/// <param name="Link">The part of the page that tells more; null for none.</param>
internal sealed record Concern(Tone Tone, string Word, string Text, string? Link);

/// <summary>Finds what must not be overlooked, the gravest first.</summary>
internal static class Concerns
{
    /// <summary>All concerns.</summary>
    public static IReadOnlyList<Concern> Of(ReportView view) =>
        [.. view.Clusters.SelectMany(OfCluster).Concat(view.Repositories.SelectMany(OfRepository)).Concat(view.Model.Problems.Select(p => new Concern(Tone.Warn, "Not read", p, null)))
            .OrderBy(c => c.Tone == Tone.Bad ? 0 : 1)];

    private static IEnumerable<Concern> OfCluster(ClusterView cluster)
    {
        if (cluster.Health is { Status: not HealthStatus.Healthy } health)
            yield return new Concern(ClusterView.ToneOf(health.Status) is Tone.None ? Tone.Warn : ClusterView.ToneOf(health.Status), "Health",
                $"{cluster.Name} is {Markup.Words(health.Status)}{(health.Faults.Count > 0 ? ": " + health.Faults[0].Summary : "")}", "health");
        // an old failure that a later incident of the same fault mended needs nobody any more
        foreach (var incident in cluster.Incidents.DistinctBy(i => (i.Fault.Id, i.Node)).Where(IncidentFigures.NeedsPerson))
            yield return new Concern(IncidentFigures.ToneOf(incident), "Incident", $"{cluster.Name}: {incident.Fault.Id}, {Markup.Words(incident.State)}. {incident.Summary}", IncidentFigures.Anchor(incident));
        if (cluster.Backup.Tone is Tone.Bad or Tone.Warn)
            yield return new Concern(cluster.Backup.Tone, "Backup", cluster.Backup.Age is { } age ? $"{cluster.Name}: the newest backup is {Markup.Span(age)} old" : $"{cluster.Name} has no backup", "backups");
        if (cluster.Backups.Count > 0 && cluster.Proof.Tone is Tone.Bad or Tone.Warn)
            yield return new Concern(cluster.Proof.Tone, "Proof", cluster.Proof.Age is { } age ? $"{cluster.Name}: the newest proof of a backup is {Markup.Span(age)} old" : $"{cluster.Name}: no backup was ever proved", "backups");
        if (cluster.Backups.FirstOrDefault(b => b.Proof is not null) is { Proof.Passed: false } failed)
            yield return new Concern(Tone.Bad, "Proof", $"{cluster.Name}: the last test failed, of backup {failed.Id}", "backups");
        if (cluster.Backups.FirstOrDefault() is { Status: BackupStatus.Suspect } suspect)
            yield return new Concern(Tone.Warn, "Backup", $"{cluster.Name}: the newest backup {suspect.Id} was taken of a damaged source", "backups");
        foreach (var drill in cluster.LastDrill.Where(d => d.Skipped is null && (!d.Passed || d.Regression is not null)))
            yield return new Concern(drill.Passed ? Tone.Warn : Tone.Bad, "Drill", $"{cluster.Name}: {drill.Damage} {(drill.Passed ? "got worse: " + drill.Regression : $"did not pass ({drill.Score} of 100)")}", "drills");
    }

    private static IEnumerable<Concern> OfRepository(RepositoryReport repository)
    {
        if (!repository.Passed)
            yield return new Concern(Tone.Bad, "Repository", $"{repository.Repository}: {Markup.Count(repository.Damage.Count, "damaged object")}", "repositories");
    }
}
