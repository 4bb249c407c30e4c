namespace DbRecovery.Report.Tests;

/// <summary>A page is there whole, or what was there before is.</summary>
public sealed class ReportFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("dbrecovery-report-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string At(string name) => Path.Combine(_folder, name);

    [Fact]
    public async Task A_file_that_is_there_is_replaced_only_where_that_is_asked_for()
    {
        await ReportFile.SaveAsync(At("r.html"), "first", replace: false, default);
        var refused = await Assert.ThrowsAsync<DbRecoveryException>(() => ReportFile.SaveAsync(At("r.html"), "second", replace: false, default));
        Assert.Equal(ErrorIds.TargetExists, refused.Id);
        Assert.Equal("first", await File.ReadAllTextAsync(At("r.html")));
        await ReportFile.SaveAsync(At("r.html"), "third", replace: true, default);
        Assert.Equal("third", await File.ReadAllTextAsync(At("r.html")));
        Assert.Single(Directory.GetFileSystemEntries(_folder));
    }

    [Fact]
    public void A_folder_is_no_file_and_a_missing_folder_is_said()
    {
        Assert.Equal((ErrorIds.ParameterInvalid, ErrorKind.InvalidInput), Of(() => ReportFile.Check(_folder, true)));
        Assert.Equal((ErrorIds.ParameterInvalid, ErrorKind.NotFound), Of(() => ReportFile.Check(At("no/r.html"), true)));
    }

    [Fact]
    public async Task A_page_that_was_not_finished_leaves_nothing_behind()
    {
        await ReportFile.SaveAsync(At("r.html"), "first", replace: false, default);
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => ReportFile.SaveAsync(At("r.html"), "second", replace: true, cancelled.Token));
        Assert.Equal("first", await File.ReadAllTextAsync(At("r.html")));
        Assert.Single(Directory.GetFileSystemEntries(_folder));
    }

    private static (string, ErrorKind) Of(Action act)
    {
        var error = Assert.Throws<DbRecoveryException>(act);
        return (error.Id, error.Kind);
    }
}
