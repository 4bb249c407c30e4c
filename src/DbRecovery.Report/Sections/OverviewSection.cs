using DbRecovery.Report.Html;
using DbRecovery.Report.View;
using DbRecovery.Shells;

namespace DbRecovery.Report.Sections;

/// <summary>Everything at a glance: what needs a person, the figures, the clusters.</summary>
internal static class OverviewSection
{
    public static void Write(HtmlWriter to, ReportView view)
    {
        to.Section("overview", "Overview");
        WriteConcerns(to, Concerns.Of(view));
        WriteFigures(to, view);
        if (view.Clusters.Count > 0)
            WriteClusters(to, view);
        if (view.Clusters.Count > ReportLimits.Clusters)
            to.Note($"{Markup.Count(view.Clusters.Count - ReportLimits.Clusters, "more cluster")} not listed here.");
        to.Close();
    }

    private static void WriteConcerns(HtmlWriter to, IReadOnlyList<Concern> concerns)
    {
        to.Open("div", ("class", concerns.Count == 0 ? "concerns calm" : "concerns")).Leaf("h3", "What needs a person");
        if (concerns.Count == 0)
            to.Open("p").Badge(Tone.Good, "Nothing").Text(" as far as this report can see.").Close();
        else
        {
            to.Open("ul");
            foreach (var concern in concerns.Take(ReportLimits.Lines))
            {
                to.Open("li").Badge(concern.Tone, concern.Word).Text(" ");
                if (concern.Link is null)
                    to.Foreign(concern.Text);
                else
                    to.Open("a", ("href", "#" + concern.Link)).Foreign(concern.Text).Close();
                to.Close().Line();
            }
            to.Close();
            if (concerns.Count > ReportLimits.Lines)
                to.Note($"And {Markup.Number(concerns.Count - ReportLimits.Lines)} more of the kind.");
        }
        to.Close().Line();
    }

    private static void WriteFigures(HtmlWriter to, ReportView view)
    {
        var recovered = view.Incidents.Where(IncidentFigures.Recovered).ToList();
        var times = recovered.Select(i => i.RecoveryTime!.Value).Order().ToList();
        var losses = recovered.Where(i => i.Loss is not null).ToList();
        var windows = losses.Select(IncidentFigures.LossWindow).OfType<TimeSpan>().ToList();
        var protectedClusters = view.Clusters.Where(c => c.HasBackups).ToList();
        to.Open("dl", ("class", "figures"));
        to.Figure("Incidents recovered", $"{recovered.Count} of {view.Incidents.Count}", view.Incidents.Count == 0 ? "none on record" : null);
        to.Figure("Recovery time (RTO)", times.Count == 0 ? "-" : SizeText.Duration(times[(times.Count - 1) / 2]), times.Count == 0 ? "no recovery" : $"median; slowest {SizeText.Duration(times[^1])}");
        to.Figure("Data lost (RPO)", losses.Count == 0 ? recovered.Count == 0 ? "-" : "none" : windows.Count == 0 ? "unknown" : $"≤ {SizeText.Duration(windows.Max())}",
            losses.Count == 0 ? null : $"in {losses.Count} of {recovered.Count}, at worst");
        to.Figure("Backups", Markup.Number(view.Backups.Count), view.Backups.Count == 0 ? null : $"{SizeText.Size(view.Backups.Sum(b => b.StoredBytes))} stored");
        to.Figure("Clusters with a fresh proof", $"{protectedClusters.Count(c => c.Proof.Tone is Tone.Good or Tone.Info)} of {view.Clusters.Count}", "a restore that was tested");
        var last = view.Clusters.SelectMany(c => c.LastDrill).Where(d => d.Skipped is null).ToList();
        to.Figure("Last drills passed", last.Count == 0 ? "-" : $"{last.Count(d => d.Passed)} of {last.Count}", last.Count == 0 ? "none on record" : null);
        to.Close().Line();
    }

    private static void WriteClusters(HtmlWriter to, ReportView view) => to.Table("Clusters", view.Clusters.Take(ReportLimits.Clusters),
        new Column<ClusterView>("Cluster", (w, c) => w.Foreign(c.Name)),
        new("Engine", (w, c) => w.Foreign(c.Engine)),
        new("Status", (w, c) => w.Badge(c.Status.Tone, c.Status.Word)),
        new("Incidents", (w, c) => w.Text(Markup.Number(c.Incidents.Count)), true),
        new("Last RTO", (w, c) => w.Text(c.Incidents.FirstOrDefault(IncidentFigures.Recovered) is { } i ? SizeText.Duration(i.RecoveryTime) : "-"), true),
        new("Last RPO", (w, c) => w.Text(c.Incidents.FirstOrDefault(IncidentFigures.Recovered) is { } i ? IncidentFigures.LossText(i) : "-"), true),
        new("Newest backup", (w, c) => WriteFreshness(w, c.Backup, c.Definition?.Backups?.MaxAge)),
        new("Newest proof", (w, c) => WriteFreshness(w, c.Proof, c.Definition?.Backups?.MaxProofAge)),
        new("Restore takes", (w, c) => w.Text(SizeText.Duration(c.Proved?.Proof?.RestoreDuration)), true),
        new("Last drill", (w, c) => w.Text(DrillSection.Score(c))));

    /// <summary>How fresh something is, and what is allowed.</summary>
    public static void WriteFreshness(HtmlWriter to, Freshness fresh, TimeSpan? most)
    {
        to.Badge(fresh.Tone, fresh.Word);
        if (fresh.Age is { } age)
            to.Open("span", ("class", "note")).Text($" {Markup.Span(age)} old{(most is { } limit ? $", allowed {Markup.Span(limit)}" : "")}").Close();
    }
}
