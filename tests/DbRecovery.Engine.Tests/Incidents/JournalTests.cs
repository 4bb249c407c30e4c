using DbRecovery.Engine.Incidents;

namespace DbRecovery.Engine.Tests.Incidents;

public class JournalTests
{
    [Fact]
    public async Task A_torn_last_line_is_tolerated_at_every_length_and_cut_before_appending()
    {
        using var world = new World();
        var report = await world.RecoverAsync();
        var bytes = await File.ReadAllBytesAsync(report.JournalPath);
        var lastStart = Array.LastIndexOf(bytes, (byte)'\n', bytes.Length - 2) + 1;
        var whole = Journal.Read(report.JournalPath).Records.Count;
        for (var length = lastStart; length < bytes.Length; length += 37)
        {
            await File.WriteAllBytesAsync(report.JournalPath, bytes[..length]);
            Assert.Equal(whole - 1, Journal.Read(report.JournalPath).Records.Count);
        }
        Assert.Equal(IncidentState.Probation, (await world.Service().ResumeAsync(report.Id, world.Cluster, null, null, default)).State);
        Assert.True(Journal.Read(report.JournalPath).Records.Count > whole - 1);
    }

    [Fact]
    public async Task A_flipped_bit_anywhere_before_the_last_line_stops_automation()
    {
        using var world = new World();
        var report = await world.RecoverAsync();
        var bytes = await File.ReadAllBytesAsync(report.JournalPath);
        for (var at = 3; at < bytes.Length; at += 251)
        {
            var changed = (byte[])bytes.Clone();
            changed[at] ^= 1;
            await File.WriteAllBytesAsync(report.JournalPath, changed);
            Assert.Equal(ErrorIds.JournalCorrupt, Assert.Throws<DbRecoveryException>(() => world.Service().Get(report.Id)).Id);
        }
        world.Damage();
        Assert.Equal(ErrorIds.JournalCorrupt, (await Assert.ThrowsAsync<DbRecoveryException>(() => world.RecoverAsync())).Id);
        Assert.Equal(["restore", "swap"], world.Effects);
    }

    [Theory]
    [InlineData(1, 2)]
    [InlineData(3, 3)]
    public async Task A_missing_or_doubled_line_stops_automation(int first, int copies)
    {
        using var world = new World();
        var report = await world.RecoverAsync();
        var lines = (await File.ReadAllLinesAsync(report.JournalPath)).ToList();
        if (copies == 2)
            lines.RemoveAt(first);
        else
            lines.Insert(first, lines[first]);
        await File.WriteAllTextAsync(report.JournalPath, string.Join('\n', lines) + "\n");
        Assert.Equal(ErrorIds.JournalCorrupt, Assert.Throws<DbRecoveryException>(() => Journal.Read(report.JournalPath)).Id);
    }

    [Fact]
    public async Task A_report_is_rebuilt_from_the_journal_alone()
    {
        using var world = new World { ProvedUnwritten = false };
        var live = await world.RecoverAsync(allow: long.MaxValue);
        var read = world.Service().Get(live.Id);
        string Json(IncidentReport r) => System.Text.Json.JsonSerializer.Serialize(r, DbRecoveryJson.Compact);
        Assert.Equal(Json(live), Json(read));
        Assert.NotNull(read.Loss);
        Assert.Null(read.Loss.Bytes);
        Assert.Equal(DateTimeOffset.UnixEpoch, read.Loss.Since);
        var table = Assert.Single(read.Loss.Tables);
        Assert.Equal((3, 2, true), (table.RowsReadable, table.RowsAfter, table.Complete));
    }
}
