using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace DbRecovery.Report.Tests;

/// <summary>The page as text: what it tells, what it leaves out, and that it is well built.</summary>
public sealed partial class PageTests
{
    public static TheoryData<string> Models() => ["rich", "adverse", "huge", "empty", "one"];

    private static ReportModel Model(string name) => name switch
    {
        "rich" => Sample.Rich(),
        "adverse" => Sample.Adverse(),
        "huge" => Sample.Huge(),
        "one" => new ReportModel { MadeAt = Sample.Now, Incidents = [Sample.Incident("shop", Sample.Now.AddHours(-1))] },
        _ => new ReportModel { MadeAt = Sample.Now },
    };

    [Theory]
    [MemberData(nameof(Models))]
    public void The_same_model_gives_the_same_page(string name)
    {
        var model = Model(name);
        var turned = model with { Incidents = [.. model.Incidents.Reverse()], Backups = [.. model.Backups.Reverse()], Drills = [.. model.Drills.Reverse()], Clusters = [.. model.Clusters.Reverse()] };
        Assert.Equal(ReportWriter.Write(model), ReportWriter.Write(Model(name)));
        Assert.Equal(ReportWriter.Write(model), ReportWriter.Write(turned));
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void The_page_is_well_built(string name)
    {
        var page = ReportWriter.Write(Model(name));
        var ids = Id().Matches(page).Select(m => m.Groups[1].Value).ToList();
        Assert.Equal(ids.Distinct(), ids);
        Assert.All(Reference().Matches(page).Select(m => m.Groups[1].Value), id => Assert.Contains(id, ids));
        Assert.All(Address().Matches(page).Select(m => m.Groups[1].Value), address => Assert.StartsWith("#", address, StringComparison.Ordinal));
        Assert.DoesNotMatch(Outside(), page);
        Assert.Single(Regex.Matches(page, "<h1"));
    }

    [Fact]
    public void The_policy_allows_only_what_is_on_the_page()
    {
        var page = ReportWriter.Write(Sample.Rich());
        var policy = Regex.Match(page, "Content-Security-Policy\" content=\"([^\"]+)\"").Groups[1].Value.Replace("&#39;", "'", StringComparison.Ordinal);
        Assert.StartsWith("default-src 'none';", policy, StringComparison.Ordinal);
        Assert.DoesNotContain("unsafe", policy, StringComparison.Ordinal);
        foreach (var part in new[] { "style", "script" })
        {
            var text = Regex.Match(page, $"<{part}>(.*?)</{part}>", RegexOptions.Singleline).Groups[1].Value;
            Assert.Contains($"{part}-src 'sha256-{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(text)))}'", policy, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void An_incident_is_told_whole()
    {
        var incident = Sample.Incident("shop", Sample.Now.AddHours(-1), approval: true);
        var page = ReportWriter.Write(new ReportModel { MadeAt = Sample.Now, Incidents = [incident] });
        foreach (var told in new[]
        {
            incident.Id, incident.Fault.Id, incident.Fault.Summary, incident.Summary, incident.Runbook, incident.EvidencePath!, incident.JournalPath, incident.PlanHash!, incident.Loss!.Statement,
            "sqlite.damagedObjects", "at most 0.05", "0.0123", "Waiting for approval", "dba agreed to plan", "at most 6.7 s", "12 min 26 s", "2 retries", ">salvaged<", "249,721", "−1,166", "≥ 65,929",
        })
            Assert.Contains(told, page, StringComparison.Ordinal);
        Assert.All(incident.Steps, s => Assert.Contains(s.Result!.Replace("'", "&#39;", StringComparison.Ordinal), page, StringComparison.Ordinal));
        Assert.All(incident.Verification, c => Assert.Contains(c.Detail.Replace("'", "&#39;", StringComparison.Ordinal), page, StringComparison.Ordinal));
    }

    [Fact]
    public void What_needs_a_person_comes_first()
    {
        var page = ReportWriter.Write(Sample.Rich());
        var concerns = page[page.IndexOf("What needs a person", StringComparison.Ordinal)..page.IndexOf("<dl class=\"figures\">", StringComparison.Ordinal)];
        foreach (var told in new[] { "awaiting approval", "billing: the newest backup is 2 d old", "silent-bit got worse", "copy: 1 damaged object", "offsite", "sqlite.locked, failed" })
            Assert.Contains(told, concerns, StringComparison.Ordinal);
        var calm = ReportWriter.Write(new ReportModel { MadeAt = Sample.Now, Clusters = [Sample.Cluster("shop")], Backups = [Sample.Backup("shop", Sample.Now.AddHours(-1), proved: true)] });
        Assert.Contains(">Nothing<", calm, StringComparison.Ordinal);
    }

    [Fact]
    public void A_failure_that_a_later_recovery_mended_needs_nobody()
    {
        var page = ReportWriter.Write(new ReportModel { MadeAt = Sample.Now, Incidents = [Sample.Incident("shop", Sample.Now.AddDays(-2), IncidentState.Failed), Sample.Incident("shop", Sample.Now.AddDays(-1))] });
        Assert.Contains(">Nothing<", page, StringComparison.Ordinal);
    }

    [Fact]
    public void Too_much_is_summed_up_and_said_to_be()
    {
        var page = ReportWriter.Write(Sample.Huge());
        Assert.InRange(Encoding.UTF8.GetByteCount(page), 100_000, 3_000_000);
        foreach (var said in new[] { "200 older incidents summed up by month", "9,800 older backups summed up by cluster and month", "The newest 30 are told whole" })
            Assert.Contains(said, page, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_older_than_asked_is_left_out_but_the_newest_backup_is_told()
    {
        var page = ReportWriter.Write(Sample.Rich() with { Since = Sample.Now.AddHours(-4), Incidents = [Sample.Incident("shop", Sample.Now.AddHours(-1), id: "young"), Sample.Incident("shop", Sample.Now.AddDays(-9), id: "old")] });
        Assert.Contains(">young<", page, StringComparison.Ordinal);
        Assert.DoesNotContain(">old<", page, StringComparison.Ordinal);
        Assert.Contains("No backup was taken in this time.", page, StringComparison.Ordinal);
        Assert.Contains("2 d old, allowed 1 d", page, StringComparison.Ordinal);
    }

    [GeneratedRegex(@"<[^<>]* id=""([^""]+)""")]
    private static partial Regex Id();

    [GeneratedRegex(@"(?:aria-labelledby=""|aria-describedby=""|href=""#)([^""]+)""")]
    private static partial Regex Reference();

    [GeneratedRegex(@"<[^<>]* href=""([^""]*)""")]
    private static partial Regex Address();

    [GeneratedRegex(@"<[^<>]* (?:src|srcset|action|data|xlink:href)=|url\(|@import")]
    private static partial Regex Outside();
}
