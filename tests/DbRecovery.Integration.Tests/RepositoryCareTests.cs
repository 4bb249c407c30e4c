using System.Diagnostics;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace DbRecovery.Integration.Tests;

/// <summary>Repositories of real databases, checked, repaired, copied and restored by hand: by the executable, and by a shell alone.</summary>
public sealed class RepositoryCareTests
{
    [Fact]
    public void Damage_is_named_with_the_backup_and_its_tables_and_is_repaired_from_a_copy()
    {
        using var lab = new Lab(megabytes: 6);
        var other = Path.Combine(lab.Folder, "other");
        var backup = lab.ProvedBackup();
        lab.DbRecovery(0, "backup", "copy", "shop", "--to", other);
        Assert.True(lab.DbRecovery(0, "repository", "test", "main").Object.GetProperty("passed").GetBoolean());
        Bytes.Flip(Bytes.Packs(lab)[0], 0.6);

        var report = lab.DbRecovery(1, "repository", "test", "main").Object;
        var damage = Assert.Single(report.GetProperty("damage").EnumerateArray());
        Assert.Equal("Pack", damage.GetProperty("kind").GetString());
        Assert.Equal(backup, Assert.Single(damage.GetProperty("backups").EnumerateArray()).GetString());
        var hit = damage.GetProperty("objects").EnumerateArray().Select(o => o.GetString()!).ToList();
        Assert.NotEmpty(hit);
        Assert.All(hit, o => Assert.Matches("^(table|index) ", o));

        Assert.Equal("ApprovalRequired", lab.DbRecovery(4, "repository", "repair", "main", "--from", other).ErrorId);
        lab.DbRecovery(1, "repository", "repair", "main", "--from", other, "--plan");
        var repaired = lab.DbRecovery(0, "repository", "repair", "main", "--from", other, "--yes").Object;
        Assert.Equal((1, 0), (repaired.GetProperty("blobsRefilled").GetInt32(), repaired.GetProperty("blobsLost").GetInt32()));
        lab.DbRecovery(0, "repository", "test", "main", "--decode");
        Assert.True(lab.DbRecovery(0, "backup", "test", "shop", backup).Object.GetProperty("passed").GetBoolean());
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("zstd")]
    public void A_backup_is_restored_by_the_script_in_the_repository_with_standard_tools_alone(string codec)
    {
        if (codec == "zstd" && Find("zstd") is null)
            return; // the tool is a benchmark's need; gzip is the promise
        Assert.True(Find("jq") is not null, "jq is missing: the build installs it");
        using var lab = new Lab(megabytes: 3);
        string[] portable = codec == "gzip" ? ["--portable"] : [];
        lab.DbRecovery(0, ["backup", "new", "shop", .. portable]);
        lab.Workload("churn", lab.Database, "--rows", "20");
        lab.DbRecovery(0, ["backup", "new", "shop", "--kind", "incremental", .. portable]);
        var script = Path.Combine(lab.Folder, "restore.sh");
        File.WriteAllText(script, Regex.Match(File.ReadAllText(Path.Combine(lab.Repository, "RESTORE-BY-HAND.md")),
            @"^# BEGIN restore-by-hand\.sh$.*^# END restore-by-hand\.sh$", RegexOptions.Multiline | RegexOptions.Singleline).Value + "\n");

        foreach (var backup in lab.DbRecovery(0, "backup", "list", "shop").Objects)
        {
            var id = backup.GetProperty("id").GetString()!;
            var expected = Path.Combine(lab.Folder, $"{id}.db");
            lab.DbRecovery(0, "backup", "restore", "shop", id, "--to", expected);
            var manifest = Directory.GetFiles(lab.Repository, "manifest.json", SearchOption.AllDirectories).Single(m => m.Contains(id));
            var folder = Path.Combine(lab.Folder, $"by-hand-{id}");
            var (code, said) = Sh(lab, script, lab.Repository, manifest, folder);
            Assert.True(code == 0, said);
            Assert.True(File.ReadAllBytes(Path.Combine(folder, "database")).AsSpan().SequenceEqual(File.ReadAllBytes(expected)), $"{id} differs");
            Assert.NotEqual(0, Sh(lab, script, lab.Repository, manifest, folder).Code);
        }
        foreach (var pack in Bytes.Packs(lab))
            Bytes.Flip(pack, 0.5);
        var first = Directory.GetFiles(lab.Repository, "manifest.json", SearchOption.AllDirectories).Order().First();
        var damaged = Sh(lab, script, lab.Repository, first, Path.Combine(lab.Folder, "damaged"));
        Assert.True(damaged.Code != 0 && damaged.Said.Contains("is damaged"), damaged.Said);
        Assert.False(Path.Exists(Path.Combine(lab.Folder, "damaged")));
    }

    [Theory]
    [InlineData(2, "RepositoryInvalid", "repository", "test", "nowhere")]
    [InlineData(3, "RepositoryInvalid", "repository", "test", "./nothing-here")]
    [InlineData(2, "ParameterInvalid", "repository", "repair", "main", "--from", "main", "--yes")]
    [InlineData(2, "ParameterInvalid", "backup", "copy", "shop", "--to", "main")]
    [InlineData(2, "BackupNotFound", "backup", "copy", "shop", "19990101", "--to", "./other")]
    public void Bad_input_is_named(int code, string error, params string[] arguments)
    {
        using var lab = new Lab(megabytes: 1);
        lab.DbRecovery(0, "backup", "new", "shop");
        var run = lab.Try(arguments);
        Assert.Equal(error, run.ErrorId);
        Assert.True(run.ExitCode == code || run.ExitCode == 3, run.ToString());
    }

    private static (int Code, string Said) Sh(Lab lab, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("sh", arguments) { WorkingDirectory = lab.Temp, RedirectStandardError = true, RedirectStandardOutput = true })!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        Assert.True(process.WaitForExit(120_000), "the script did not end");
        return (process.ExitCode, output.Result + error.Result);
    }

    private static string? Find(string program) =>
        Environment.GetEnvironmentVariable("PATH")!.Split(Path.PathSeparator).Select(p => Path.Combine(p, program)).FirstOrDefault(File.Exists);
}
