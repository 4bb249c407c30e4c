using DbRecovery.Report.Html;
using DbRecovery.Report.View;
using DbRecovery.Shells;

namespace DbRecovery.Report.Sections;

/// <summary>What a look at the clusters showed, where somebody asked for one.</summary>
internal static class HealthSection
{
    public static void Write(HtmlWriter to, ReportView view)
    {
        if (view.Model.Health.Count == 0)
            return;
        to.Section("health", "Health now");
        foreach (var cluster in view.Clusters.Where(c => c.Health is not null).Take(ReportLimits.Clusters))
            WriteCluster(to, cluster, cluster.Health!, view.Model.Topologies.FirstOrDefault(t => t.Cluster == cluster.Name && t.Nodes.Count > 1));
        to.Close();
    }

    private static void WriteCluster(HtmlWriter to, ClusterView cluster, HealthReport health, ClusterTopology? topology)
    {
        to.Open("article", ("class", "card")).Open("h3").Foreign(cluster.Name).Text(" ").Badge(ClusterView.ToneOf(health.Status), Markup.Words(health.Status)).Close();
        to.Open("p", ("class", "note")).Text($"A {Markup.Words(health.Level)} look of {SizeText.Duration(health.Duration)} at ").Moment(health.ObservedAt).Text(".").Close();
        if (topology is not null)
            TopologyPicture.Write(to, topology);
        if (health.Faults.Count > 0)
            to.Table($"Faults of {HtmlText.Bounded(cluster.Name)}", health.Faults.Take(ReportLimits.Lines),
                new Column<Fault>("Fault", (w, f) => w.Foreign(f.Id)), new("Severity", (w, f) => w.Badge(IncidentSection.ToneOf(f.Severity), Markup.Words(f.Severity))),
                new("Confidence", (w, f) => w.Text(Markup.Words(f.Confidence))), new("Node", (w, f) => w.Foreign(f.Node ?? "the cluster")), new("What is wrong", (w, f) => w.Foreign(f.Summary)));
        var concerns = health.Checks.Where(c => c.Verdict is CheckVerdict.Fail or CheckVerdict.Warn).ToList();
        var words = new[] { (CheckVerdict.Fail, "failed"), (CheckVerdict.Warn, "with a warning"), (CheckVerdict.Pass, "passed"), (CheckVerdict.Unknown, "not looked at") }
            .Select(v => (Count: health.Checks.Count(c => c.Verdict == v.Item1), v.Item2)).Where(v => v.Count > 0).Select(v => $"{v.Count} {v.Item2}");
        to.Fold($"Checks: {string.Join(", ", words)}", concerns.Count > 0);
        to.Table($"Checks of {HtmlText.Bounded(cluster.Name)}", health.Checks.OrderBy(c => Order(c.Verdict)).Take(ReportLimits.Lines),
            new Column<HealthCheck>("Check", (w, c) => w.Foreign(c.Name)), new("Verdict", (w, c) => w.Badge(ToneOf(c.Verdict), Markup.Words(c.Verdict))),
            new("Node", (w, c) => w.Foreign(c.Node ?? "the cluster")), new("Value", (w, c) => w.Foreign(c.Value is null ? "unknown" : $"{Markup.Value(c.Value)} {c.Unit}".TrimEnd())),
            new("Threshold", (w, c) => w.Foreign(c.Threshold ?? "-")), new("What was seen", (w, c) => w.Foreign(c.Evidence)));
        to.Close().Close().Line();
    }

    private static int Order(CheckVerdict verdict) => verdict switch { CheckVerdict.Fail => 0, CheckVerdict.Warn => 1, CheckVerdict.Unknown => 2, _ => 3 };

    private static Tone ToneOf(CheckVerdict verdict) => verdict switch
    {
        CheckVerdict.Pass => Tone.Good,
        CheckVerdict.Warn => Tone.Warn,
        CheckVerdict.Fail => Tone.Bad,
        _ => Tone.None,
    };
}
