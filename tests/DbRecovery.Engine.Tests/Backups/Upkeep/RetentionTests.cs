using System.Globalization;
using DbRecovery.Engine.Backups;

namespace DbRecovery.Engine.Tests.Backups;

public sealed class RetentionTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 21, 12, 0, 0, TimeSpan.Zero);

    /// <summary>A backup: its id is its day (and hour); ! suspect, + proved, i incremental.</summary>
    private static BackupInfo Backup(string text, string node = "n1")
    {
        var plain = text.TrimEnd('!', '+', 'i');
        var at = DateTimeOffset.ParseExact(plain, ["yyyy-MM-dd", "yyyy-MM-dd'T'HH"], CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal);
        return new BackupInfo
        {
            Id = plain, Cluster = "app", Node = node, Engine = "fake", EngineVersion = "1", SystemId = "s", Repository = "main", SizeBytes = 1, StoredBytes = 1,
            Kind = text.Contains('i') ? BackupKind.Incremental : BackupKind.Full,
            Status = text.Contains('!') ? BackupStatus.Suspect : BackupStatus.Complete, StartedAt = at, FinishedAt = at,
            Proof = text.Contains('+') ? new BackupProof { BackupId = plain, TestedAt = at, Passed = true, RestoreDuration = default, CheckDuration = default, Checks = [] } : null,
        };
    }

    [Theory]
    [InlineData("last=2", "2026-11-01 2026-11-02 2026-11-03", "2026-11-03 2026-11-02")]
    [InlineData("last=1", "2026-11-01 2026-11-02+ 2026-11-03", "2026-11-03 2026-11-02")]
    [InlineData("last=1", "2026-11-01+ 2026-11-02+ 2026-11-03", "2026-11-03 2026-11-02")]
    [InlineData("last=9", "2026-11-01 2026-11-02", "2026-11-02 2026-11-01")]
    [InlineData("full=1", "2026-11-01 2026-11-02 2026-11-03i 2026-11-04i", "2026-11-04 2026-11-02")]
    [InlineData("days=3", "2026-11-17 2026-11-18T12 2026-11-18T13 2026-11-20", "2026-11-20 2026-11-18T13")]
    [InlineData("hours=24", "2026-11-20T12 2026-11-20T13 2026-11-21T11", "2026-11-21T11 2026-11-20T13")]
    [InlineData("daily=2", "2026-11-18 2026-11-19T01 2026-11-19T23 2026-11-20T01 2026-11-20T05", "2026-11-20T05 2026-11-19T23")]
    // 2026-11-16 is a Monday; the days of 2026-12-28 to 2027-01-03 are one ISO week
    [InlineData("weekly=2", "2026-11-15 2026-11-16 2026-11-20 2026-11-21", "2026-11-21 2026-11-15")]
    [InlineData("weekly=1", "2026-12-28 2027-01-03", "2027-01-03")]
    [InlineData("monthly=2", "2026-09-30 2026-10-01 2026-10-31 2026-11-01", "2026-11-01 2026-10-31")]
    [InlineData("yearly=2", "2024-12-31 2025-01-01 2025-12-31 2026-01-01", "2026-01-01 2025-12-31")]
    [InlineData("last=1,monthly=2", "2026-10-05 2026-10-06 2026-11-01 2026-11-02", "2026-11-02 2026-10-06")]
    // the full that the last ones come from stays with them, however many came between; dates age it out
    [InlineData("last=2", "2026-11-01 2026-11-02i 2026-11-03i 2026-11-04i", "2026-11-04 2026-11-03 2026-11-01")]
    [InlineData("last=2", "2026-11-01 2026-11-02 2026-11-03i 2026-11-04i 2026-11-05i", "2026-11-05 2026-11-04 2026-11-02")]
    [InlineData("last=2", "2026-11-01 2026-11-02i 2026-11-03 2026-11-04i", "2026-11-04 2026-11-03")]
    [InlineData("last=3", "2026-11-01 2026-11-02i 2026-11-03 2026-11-04i", "2026-11-04 2026-11-03 2026-11-02 2026-11-01")]
    [InlineData("days=3", "2026-11-01 2026-11-19i 2026-11-20i", "2026-11-20 2026-11-19")]
    // a rule that matches nothing keeps everything
    [InlineData("days=1", "2025-01-01 2025-01-02 2025-01-03", "2025-01-03 2025-01-02 2025-01-01")]
    // a suspect one is not counted, and while it is the newest no good one goes
    [InlineData("last=1", "2026-11-01 2026-11-02! 2026-11-03", "2026-11-03")]
    [InlineData("last=2", "2026-11-01 2026-11-02 2026-11-03! 2026-11-04", "2026-11-04 2026-11-03 2026-11-02")]
    [InlineData("last=1", "2026-11-01 2026-11-02! 2026-11-03 2026-11-04!", "2026-11-04 2026-11-03 2026-11-01")]
    [InlineData("daily=1", "2026-11-01 2026-11-02T01 2026-11-02T02! 2026-11-02T03", "2026-11-02T03")]
    public void A_rule_keeps(string rule, string backups, string kept)
    {
        var decisions = RetentionPolicy.Decide(RetentionText.Parse(rule), [.. backups.Split(' ').Select(b => Backup(b))], Now);

        Assert.Equal(kept.Split(' '), decisions.Where(d => d.Keep).Select(d => d.Backup.Id));
        Assert.All(decisions, d => Assert.Equal(d.Keep, d.Reasons.Count > 0));
    }

    [Fact]
    public void No_rule_keeps_everything_and_each_node_is_judged_by_itself()
    {
        BackupInfo[] backups = [Backup("2026-11-01"), Backup("2026-11-02"), Backup("2026-11-01", "n2")];

        Assert.All(RetentionPolicy.Decide(null, backups, Now), d => Assert.True(d.Keep));
        Assert.All(RetentionPolicy.Decide(new RetentionRule(), backups, Now), d => Assert.True(d.Keep));
        Assert.Equal([("n1", "2026-11-02", true), ("n1", "2026-11-01", false), ("n2", "2026-11-01", true)],
            RetentionPolicy.Decide(new RetentionRule { Last = 1 }, backups, Now).Select(d => (d.Backup.Node, d.Backup.Id, d.Keep)));
    }

    [Fact]
    public void Whatever_the_rule_and_the_history_the_newest_and_the_newest_proved_stay()
    {
        var random = new Random(20261121);
        for (var round = 0; round < 2000; round++)
        {
            var backups = Enumerable.Range(0, random.Next(1, 30)).Select(_ => Now.AddHours(-random.Next(20_000))).Distinct()
                .Select(t => Backup(t.ToString("yyyy-MM-dd'T'HH", CultureInfo.InvariantCulture) + new[] { "", "!", "+", "i", "+i" }[random.Next(5)])).DistinctBy(b => b.Id).ToList();
            int? Some() => random.Next(3) == 0 ? random.Next(1, 5) : null;
            var rule = new RetentionRule { Last = Some(), Full = Some(), Within = Some() is { } d ? TimeSpan.FromDays(d * 30) : null, Daily = Some(), Weekly = Some(), Monthly = Some(), Yearly = Some() };

            var kept = RetentionPolicy.Decide(rule, backups, Now).Where(d => d.Keep).Select(d => d.Backup).ToList();

            Assert.Contains(backups.MaxBy(b => b.StartedAt), kept);
            if (backups.Where(b => b.Proof is not null).MaxBy(b => b.StartedAt) is { } proved)
                Assert.Contains(proved, kept);
            if (rule.Last is { } last)
                Assert.True(kept.Count >= Math.Min(last, backups.Count));
        }
    }

    [Theory]
    [InlineData("", "empty")]
    [InlineData("  ", "empty")]
    [InlineData("last=7,", "empty")]
    [InlineData("lats=7", "'last'")]
    [InlineData("week=7", "weekly")]
    [InlineData("last", "last=7")]
    [InlineData("last=", "1 to")]
    [InlineData("last=0", "1 to")]
    [InlineData("last=-1", "1 to")]
    [InlineData("last=+1", "1 to")]
    [InlineData("last=1.5", "1 to")]
    [InlineData("last=99999999999999999999", "1 to")]
    [InlineData("last=100001", "1 to")]
    [InlineData("last=7d", "1 to")]
    [InlineData("last=٧", "1 to")]
    [InlineData("last=7,last=8", "twice")]
    [InlineData("days=1,hours=24", "one of them")]
    [InlineData("last=7;days=3", "1 to")]
    public void A_mistake_is_named_with_what_would_be_right(string text, string hint)
    {
        var error = Assert.Throws<DbRecoveryException>(() => RetentionText.Parse(text));

        Assert.Equal((ErrorIds.RetentionInvalid, ErrorKind.InvalidInput), (error.Id, error.Kind));
        Assert.Contains(hint, $"{error.Message} {error.RecommendedAction}");
    }

    [Theory]
    [InlineData("last=7,full=4,days=30,daily=7,weekly=4,monthly=12,yearly=3")]
    [InlineData("hours=36")]
    public void A_rule_as_text_is_read_as_it_was(string text) => Assert.Equal(text, RetentionText.Format(RetentionText.Parse(text)));
}
