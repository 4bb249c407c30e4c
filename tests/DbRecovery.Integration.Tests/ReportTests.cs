using System.Text.RegularExpressions;

namespace DbRecovery.Integration.Tests;

/// <summary>The report of real recoveries, made by the executable.</summary>
public sealed class ReportTests
{
    [Fact]
    public void A_recovery_is_told_with_its_backup_and_its_loss()
    {
        using var lab = new Lab();
        var backup = lab.ProvedBackup();
        lab.Workload("damage", lab.Database, "data");
        var incident = lab.DbRecovery(0, "recover", "shop", "--yes", "--allow-data-loss", "any").Object;
        var id = incident.GetProperty("id").GetString()!;
        var page = Path.Combine(lab.Folder, "report.html");

        var made = lab.DbRecovery(0, "report", "shop", "--to", page, "--health").Object;
        Assert.Equal((page, 1, 1, 1), (made.GetProperty("path").GetString(), made.GetProperty("clusters").GetInt32(), made.GetProperty("incidents").GetInt32(), made.GetProperty("backups").GetInt32()));
        var text = File.ReadAllText(page);
        Assert.Equal(new FileInfo(page).Length, made.GetProperty("sizeBytes").GetInt64());
        foreach (var told in new[] { id, backup, "sqlite.corrupt", "sqlite-corrupt-data", "integrity_check", "healthy", ">Nothing<", "Step restore", incident.GetProperty("evidencePath").GetString()! })
            Assert.Contains(told, text, StringComparison.Ordinal);
        Assert.All(incident.GetProperty("steps").EnumerateArray(), s => Assert.Contains($"Step {s.GetProperty("id").GetString()}", text, StringComparison.Ordinal));

        // what is there is not replaced unasked
        Assert.Equal("TargetExists", lab.DbRecovery(4, "report", "--to", page).ErrorId);
        Assert.Equal(text, File.ReadAllText(page));
        lab.DbRecovery(0, "report", "--incident", "latest", "--to", page, "--force");
        Assert.Single(Regex.Matches(File.ReadAllText(page), "<article id=\"incident-"));
        Assert.DoesNotContain(Directory.GetFiles(lab.Folder, "*", SearchOption.TopDirectoryOnly), f => f.EndsWith(".tmp", StringComparison.Ordinal));

        Assert.Equal(0, lab.DbRecovery(0, "report", "--to", page, "--since", "0s", "--force").Object.GetProperty("incidents").GetInt32());
    }

    [Fact]
    public void What_cannot_be_told_is_said()
    {
        using var lab = new Lab();
        var page = Path.Combine(lab.Folder, "report.html");
        Assert.Equal("ClusterNotFound", lab.Try("report", "shpo", "--to", page).ErrorId);
        Assert.Equal("IncidentNotFound", lab.Try("report", "--incident", "latest", "--to", page).ErrorId);
        Assert.Equal("ParameterInvalid", lab.DbRecovery(2, "report", "--to", page, "--since", "soon").ErrorId);
        Assert.Equal("ParameterInvalid", lab.Try("report", "--to", lab.Folder).ErrorId);
        Assert.Equal("ParameterInvalid", lab.Try("report", "--to", Path.Combine(lab.Folder, "none", "r.html")).ErrorId);
        Assert.False(File.Exists(page));

        // a repository that is none: the page is there and says so
        Directory.CreateDirectory(lab.Repository);
        File.WriteAllText(Path.Combine(lab.Repository, "repo.json"), "{ \"format\": 99 ");
        var run = lab.Try("report", "shop", "--to", page);
        Assert.NotEqual(0, run.ExitCode);
        Assert.NotNull(run.ErrorId);
        Assert.NotEqual(0, run.Object.GetProperty("problems").GetArrayLength());
        Assert.Contains("Not read", File.ReadAllText(page), StringComparison.Ordinal);
    }

    [Fact]
    public void A_cluster_without_any_backup_yet_has_a_report()
    {
        using var lab = new Lab();
        var page = Path.Combine(lab.Folder, "report.html");
        lab.DbRecovery(0, "report", "--to", page);
        Assert.Contains("shop has no backup", File.ReadAllText(page), StringComparison.Ordinal);
    }
}
