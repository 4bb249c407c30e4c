using System.Globalization;
using DbRecovery.Report.Html;
using DbRecovery.Report.View;
using DbRecovery.Shells;

namespace DbRecovery.Report.Sections;

/// <summary>The incidents: a list, then each of the newest told whole.</summary>
internal static class IncidentSection
{
    public static void Write(HtmlWriter to, ReportView view)
    {
        to.Section("incidents", "Incidents");
        if (view.Incidents.Count == 0)
            to.Note(view.Model.Since is null ? "There are no incidents on record." : "There were no incidents in this time.");
        else
        {
            var whole = view.Incidents.Take(ReportLimits.WholeIncidents).ToList();
            if (view.Incidents.Count > 1)
                WriteList(to, view, whole.Count);
            for (var i = 0; i < whole.Count; i++)
                IncidentPart.Write(to, whole[i], view.Model.SalvagedRows.GetValueOrDefault(whole[i].Id) ?? [], open: i == 0);
        }
        to.Close();
    }

    /// <summary>What a severity means.</summary>
    public static Tone ToneOf(FaultSeverity severity) => severity switch
    {
        FaultSeverity.DataAtRisk or FaultSeverity.Outage => Tone.Bad,
        FaultSeverity.Degraded => Tone.Warn,
        _ => Tone.Info,
    };

    private static void WriteList(HtmlWriter to, ReportView view, int whole)
    {
        var row = 0;
        to.Table("Incidents, newest first", view.Incidents.Take(ReportLimits.ListedIncidents),
            new Column<IncidentReport>("Incident", (w, i) =>
            {
                if (row++ < whole)
                    w.Open("a", ("href", "#" + IncidentFigures.Anchor(i))).Id(i.Id).Close();
                else
                    w.Id(i.Id);
            }),
            new("Where", (w, i) => w.Foreign(IncidentFigures.Where(i))),
            new("Fault", (w, i) => w.Foreign(i.Fault.Id)),
            new("State", (w, i) => w.Badge(IncidentFigures.ToneOf(i), Markup.Words(i.State))),
            new("Began", (w, i) => w.Moment(i.StartedAt)),
            new("RTO", (w, i) => w.Text(IncidentFigures.RecoveryTime(i)), true),
            new("RPO", (w, i) => w.Text(IncidentFigures.LossText(i)), true),
            new("Runbook", (w, i) => w.Foreign(i.Runbook)));
        if (view.Incidents.Count > whole)
            to.Note($"The newest {whole} are told whole below; 'dbrecovery incident show ID' tells any other.");
        if (view.Incidents.Count > ReportLimits.ListedIncidents)
            WriteOlder(to, view.Incidents.Skip(ReportLimits.ListedIncidents).ToList());
    }

    private static void WriteOlder(HtmlWriter to, IReadOnlyList<IncidentReport> older)
    {
        to.Note($"{Markup.Count(older.Count, "older incident")} summed up by month:");
        to.Table("Older incidents by month", older.GroupBy(i => i.StartedAt.UtcDateTime.ToString("yyyy-MM", CultureInfo.InvariantCulture)).Take(ReportLimits.Lines),
            new Column<IGrouping<string, IncidentReport>>("Month", (w, g) => w.Text(g.Key)),
            new("Incidents", (w, g) => w.Text(Markup.Number(g.Count())), true),
            new("Recovered", (w, g) => w.Text(Markup.Number(g.Count(IncidentFigures.Recovered))), true),
            new("With loss", (w, g) => w.Text(Markup.Number(g.Count(i => i.Loss is not null))), true),
            new("Slowest RTO", (w, g) => w.Text(SizeText.Duration(g.Max(i => i.RecoveryTime))), true));
    }
}
