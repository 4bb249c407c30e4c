using System.Security.Cryptography;
using System.Text;
using DbRecovery.Report.Html;
using DbRecovery.Report.Sections;
using DbRecovery.Report.View;

namespace DbRecovery.Report;

/// <summary>Writes a report as one HTML page that asks for nothing else: no font, no picture, no address is fetched.</summary>
public static class ReportWriter
{
    /// <summary>The page of a model.</summary>
    public static string Write(ReportModel model)
    {
        var view = new ReportView(model);
        var (style, script) = (Asset("report.css"), Asset("report.js"));
        var to = new HtmlWriter();
        to.Asset("<!DOCTYPE html>\n").Open("html", ("lang", "en"));
        Head(to, view, style, script);
        to.Open("body");
        Markup.Shapes(to);
        to.Leaf("a", "Skip to the report", ("class", "skip"), ("href", "#report")).Line();
        Banner(to, view);
        Contents(to, view);
        to.Open("main", ("id", "report"), ("tabindex", "-1")).Line();
        OverviewSection.Write(to, view);
        HealthSection.Write(to, view);
        IncidentSection.Write(to, view);
        DrillSection.Write(to, view);
        BackupSection.Write(to, view);
        RepositorySection.Write(to, view);
        to.Close().Line();
        to.Open("footer").Open("p").Text($"Made by DbRecovery {model.Version} on ").Moment(model.MadeAt).Text(". All times are UTC. This page stands alone: nothing is loaded from anywhere.").Close().Close().Line();
        to.Open("script").Asset(script).Close();
        return to.Close().Close().Line().ToString();
    }

    private static void Head(HtmlWriter to, ReportView view, string style, string script)
    {
        to.Open("head").Open("meta", ("charset", "utf-8")).Line();
        to.Open("meta", ("http-equiv", "Content-Security-Policy"),
            ("content", $"default-src 'none'; style-src '{Hash(style)}'; script-src '{Hash(script)}'; base-uri 'none'; form-action 'none'")).Line();
        to.Open("meta", ("name", "referrer"), ("content", "no-referrer")).Line();
        to.Open("meta", ("name", "viewport"), ("content", "width=device-width, initial-scale=1")).Line();
        to.Open("meta", ("name", "color-scheme"), ("content", "light dark")).Line();
        to.Leaf("title", HtmlText.Bounded(view.Title)).Line();
        to.Open("style").Asset(style).Close().Close().Line();
    }

    private static void Banner(HtmlWriter to, ReportView view)
    {
        to.Open("header").Open("div").Leaf("p", "DbRecovery", ("class", "brand"));
        to.Open("h1").Foreign(view.Title).Close();
        to.Open("p", ("class", "note")).Text("As of ").Moment(view.Model.MadeAt);
        if (view.Model.Since is { } since)
            to.Text(", since ").Moment(since);
        to.Text($" · {Markup.Count(view.Clusters.Count, "cluster")}, {Markup.Count(view.Incidents.Count, "incident")}, {Markup.Count(view.Backups.Count, "backup")}, {Markup.Count(view.Drills.Count, "drill result")}").Close().Close();
        // it does something only where scripts run, so the script shows it
        to.Leaf("button", "Open all details", ("type", "button"), ("id", "unfold"), ("hidden", ""));
        to.Close().Line();
    }

    private static void Contents(HtmlWriter to, ReportView view)
    {
        to.Open("nav", ("aria-label", "Contents")).Open("ul");
        foreach (var (id, name, there) in new (string, string, bool)[]
        {
            ("overview", "Overview", true), ("health", "Health now", view.Model.Health.Count > 0), ("incidents", "Incidents", true), ("drills", "Drills", true),
            ("backups", "Backups", true), ("repositories", "Repositories", view.Repositories.Count > 0),
        })
            if (there)
                to.Open("li").Leaf("a", name, ("href", "#" + id)).Close();
        to.Close().Close().Line();
    }

    private static string Hash(string text) => "sha256-" + Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    private static string Asset(string name)
    {
        using var stream = typeof(ReportWriter).Assembly.GetManifestResourceStream(name)
            ?? throw new InvalidOperationException($"the resource {name} is not in the assembly");
        using var reader = new StreamReader(stream, Encoding.UTF8);
        // a browser reads a line's end as \n whatever it was, and hashes that
        return reader.ReadToEnd().ReplaceLineEndings("\n");
    }
}
