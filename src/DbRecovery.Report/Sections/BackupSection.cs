using System.Globalization;
using DbRecovery.Report.Html;
using DbRecovery.Report.View;
using DbRecovery.Shells;

namespace DbRecovery.Report.Sections;

/// <summary>Backups: each cluster's days and proof, then the list.</summary>
internal static class BackupSection
{
    public static void Write(HtmlWriter to, ReportView view)
    {
        to.Section("backups", "Backups");
        var clusters = view.Clusters.Where(c => c.HasBackups).ToList();
        if (clusters.Count == 0)
            to.Note("No cluster has backups, and none is configured to have any.");
        else
        {
            to.Open("div", ("class", "calendars")).Line();
            foreach (var cluster in clusters.Take(ReportLimits.Pictures))
                WriteCluster(to, cluster);
            to.Close().Line();
            CoverageStrip.WriteLegend(to);
            if (clusters.Count > ReportLimits.Pictures)
                to.Note($"{Markup.Count(clusters.Count - ReportLimits.Pictures, "more cluster")} not drawn; the overview lists them.");
            to.Note("Gaps are judged by the backups that are there: where old ones were removed, the past can look emptier than it was.");
            WriteList(to, view);
        }
        to.Close();
    }

    private static void WriteCluster(HtmlWriter to, ClusterView cluster)
    {
        to.Open("article", ("class", "card")).Open("h3").Foreign(cluster.Name).Close();
        to.Open("p").Text("Newest backup: ");
        OverviewSection.WriteFreshness(to, cluster.Backup, cluster.Definition?.Backups?.MaxAge);
        to.Open("br").Text("Newest proof: ");
        OverviewSection.WriteFreshness(to, cluster.Proof, cluster.Definition?.Backups?.MaxProofAge);
        to.Close();
        CoverageStrip.Write(to, cluster);
        WriteGaps(to, cluster.Coverage);
        var tested = cluster.Backups.Where(b => b.Proof is not null).MaxBy(b => b.Proof!.TestedAt);
        if (tested?.Proof is { } proof)
        {
            to.Fold($"Last proof: {proof.Checks.Count(c => c.Passed)} of {proof.Checks.Count} checks passed, restored in {SizeText.Duration(proof.RestoreDuration)}", open: !proof.Passed);
            to.Open("p", ("class", "note")).Text("Backup ").Id(proof.BackupId).Text(", tested ").Moment(proof.TestedAt).Text($", checked in {SizeText.Duration(proof.CheckDuration)}.").Close();
            IncidentPart.WriteChecks(to, $"Checks of backup {HtmlText.Bounded(proof.BackupId)}", proof.Checks);
            to.Close();
        }
        to.Close().Line();
    }

    private static void WriteGaps(HtmlWriter to, Coverage coverage)
    {
        var start = new DateTimeOffset(coverage.Start.ToDateTime(TimeOnly.MinValue), TimeSpan.Zero);
        var gaps = coverage.Gaps.Where(g => g.To is null || g.To >= start).Reverse().ToList();
        if (gaps.Count == 0)
            return;
        to.Fold($"{Markup.Count(gaps.Count, "gap")} in the last {Coverage.Weeks} weeks", open: gaps[0].To is null).Open("ul");
        foreach (var gap in gaps.Take(ReportLimits.Values))
        {
            to.Open("li").Moment(gap.From).Text(" to ");
            if (gap.To is { } end)
                to.Moment(end).Text($" ({SizeText.Duration(end - gap.From)})");
            else
                to.Text("now");
            to.Close();
        }
        if (gaps.Count > ReportLimits.Values)
            to.Leaf("li", $"and {Markup.Number(gaps.Count - ReportLimits.Values)} earlier");
        to.Close().Close();
    }

    private static void WriteList(HtmlWriter to, ReportView view)
    {
        if (view.Backups.Count == 0)
        {
            to.Note("No backup was taken in this time.");
            return;
        }
        to.Table("Backups, newest first", view.Backups.Take(ReportLimits.ListedBackups),
            new Column<BackupInfo>("Backup", (w, b) => w.Id(b.Id)), new("Cluster", (w, b) => w.Foreign(b.Cluster)), new("Kind", (w, b) => w.Text(Markup.Words(b.Kind))),
            new("Finished", (w, b) => w.Moment(b.FinishedAt)), new("Age", (w, b) => w.Text(b.FinishedAt <= view.Model.MadeAt ? SizeText.Duration(view.Model.MadeAt - b.FinishedAt) : "-"), true),
            new("Size", (w, b) => w.Text(SizeText.Size(b.SizeBytes)), true), new("Stored", (w, b) => w.Text(SizeText.Size(b.StoredBytes)), true),
            new("Changed", (w, b) => w.Text(b.ChangedBytes is null ? "-" : SizeText.Size(b.ChangedBytes)), true),
            new("Source", (w, b) => w.Badge(b.Status == BackupStatus.Complete ? Tone.Good : Tone.Warn, b.Status == BackupStatus.Complete ? "whole" : "damaged")),
            new("Proof", (w, b) => WriteProof(w, b.Proof)), new("Restored in", (w, b) => w.Text(SizeText.Duration(b.Proof?.RestoreDuration)), true),
            new("Compared with", (w, b) => w.Id(b.Parent ?? "-")), new("Repository", (w, b) => w.Foreign(b.Repository)));
        if (view.Backups.Count > ReportLimits.ListedBackups)
            WriteOlder(to, view.Backups.Skip(ReportLimits.ListedBackups).ToList());
    }

    private static void WriteProof(HtmlWriter to, BackupProof? proof)
    {
        if (proof is null)
            to.Badge(Tone.None, "never tested");
        else
            to.Badge(proof.Passed ? Tone.Good : Tone.Bad, proof.Passed ? "passed" : "failed").Text($" {proof.Checks.Count(c => c.Passed)}/{proof.Checks.Count}");
    }

    private static void WriteOlder(HtmlWriter to, IReadOnlyList<BackupInfo> older)
    {
        var months = older.GroupBy(b => (b.Cluster, Month: b.FinishedAt.UtcDateTime.ToString("yyyy-MM", CultureInfo.InvariantCulture))).ToList();
        to.Note($"{Markup.Count(older.Count, "older backup")} summed up by cluster and month:");
        to.Table("Older backups by cluster and month", months.Take(ReportLimits.ListedBackups),
            new Column<IGrouping<(string Cluster, string Month), BackupInfo>>("Month", (w, g) => w.Text(g.Key.Month)), new("Cluster", (w, g) => w.Foreign(g.Key.Cluster)),
            new("Backups", (w, g) => w.Text(Markup.Number(g.Count())), true), new("Proved", (w, g) => w.Text(Markup.Number(g.Count(b => b.Proof is { Passed: true }))), true),
            new("Stored", (w, g) => w.Text(SizeText.Size(g.Sum(b => b.StoredBytes))), true));
        if (months.Count > ReportLimits.ListedBackups)
            to.Note($"{Markup.Count(months.Count - ReportLimits.ListedBackups, "more month")} not listed.");
    }
}
