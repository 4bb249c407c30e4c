using DbRecovery.Report.Html;
using DbRecovery.Report.View;
using DbRecovery.Shells;

namespace DbRecovery.Report.Sections;

/// <summary>The last check of each repository.</summary>
internal static class RepositorySection
{
    public static void Write(HtmlWriter to, ReportView view)
    {
        if (view.Repositories.Count == 0)
            return;
        to.Section("repositories", "Repositories");
        to.Table("The last check of each repository", view.Repositories.Take(ReportLimits.Lines),
            new Column<RepositoryReport>("Repository", (w, r) => w.Foreign(r.Repository)), new("Outcome", (w, r) => w.Badge(r.Passed ? Tone.Good : Tone.Bad, r.Passed ? "nothing damaged" : $"{r.Damage.Count} damaged")),
            new("Tested", (w, r) => w.Moment(r.TestedAt)), new("Extent", (w, r) => w.Text(r.Decoded ? "every byte, every blob decoded" : r.Full ? "every byte" : r.PacksTrusted == 0 ? "all of it" : $"new data; {Markup.Count(r.PacksTrusted, "pack")} read before")),
            new("Took", (w, r) => w.Text(SizeText.Duration(r.Duration)), true), new("Objects", (w, r) => w.Text(Markup.Number(r.ObjectsChecked)), true),
            new("Read", (w, r) => w.Text(SizeText.Size(r.BytesChecked)), true), new("Stored", (w, r) => w.Text(SizeText.Size(r.StoredBytes)), true),
            new("Unreferenced", (w, r) => w.Text(SizeText.Size(r.UnreferencedBytes)), true), new("Encrypted", (w, r) => w.Text(r.Encrypted ? "yes" : "no")), new("Place", (w, r) => w.Id(r.Location)));
        foreach (var repository in view.Repositories.Where(r => !r.Passed).Take(ReportLimits.Lines))
            to.Table($"Damage in {HtmlText.Bounded(repository.Repository)}", repository.Damage.Take(ReportLimits.Lines),
                new Column<RepositoryDamage>("Object", (w, d) => w.Id(d.Key)), new("Kind", (w, d) => w.Text(Markup.Words(d.Kind))), new("What is wrong", (w, d) => w.Foreign(d.Problem)),
                new("Backups hit", (w, d) => w.Foreign(Markup.Value(FactValue.OfList(d.Backups)))), new("Content hit", (w, d) => w.Foreign(Markup.Value(FactValue.OfList(d.Objects)))), new("What mends it", (w, d) => w.Foreign(d.Remedy)));
        to.Close();
    }
}
