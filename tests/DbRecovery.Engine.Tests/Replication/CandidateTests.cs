using DbRecovery.Engine.Replication;

namespace DbRecovery.Engine.Tests.Replication;

/// <summary>Who becomes primary, and what that loses: a row a situation.</summary>
public sealed class CandidateTests
{
    private static readonly DateTimeOffset Now = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    /// <summary>One node of a situation: name, timeline and bytes received, and what is unusual about it.</summary>
    private static NodeObservation Node(string text)
    {
        var parts = text.Split(' ');
        var words = parts.Skip(2).ToHashSet();
        var at = parts[1].Split(':');
        var facts = new FactSet();
        facts.Set(PostgreSqlFacts.ChecksumFailures, words.Contains("damaged") ? 3L : 0L);
        var place = new LogPosition("lsn", parts[1], at[0], at[1] == "?" ? null : long.Parse(at[1], System.Globalization.CultureInfo.InvariantCulture));
        return new NodeObservation
        {
            Node = parts[0], ObservedAt = Now, Duration = TimeSpan.Zero, Level = ObservationLevel.Quick,
            Reachability = words.Contains("silent") ? Reachability.TimedOut : Reachability.Reachable,
            Role = words.Contains("primary") ? NodeRole.Primary : NodeRole.Replica, SystemId = words.Contains("foreign") ? "other" : "same", Facts = facts,
            Upstream = new UpstreamObservation { Address = "p:1", Streaming = false, Received = place, Applied = place with { Ordinal = Math.Max(0, (place.Ordinal ?? 0) - 50) } },
        };
    }

    private static ClusterDefinition Cluster(long? maxLag = null) => new()
    {
        Name = "c", Engine = "postgresql", Policy = new PolicySettings { MaxLagBytes = maxLag },
        Nodes =
        [
            new NodeDefinition { Name = "old", Host = "p", Port = 1, Zone = "x" }, new NodeDefinition { Name = "a", Host = "a", Port = 1 },
            new NodeDefinition { Name = "b", Host = "b", Port = 1, Priority = 50 }, new NodeDefinition { Name = "near", Host = "n", Port = 1, Zone = "x" },
            new NodeDefinition { Name = "veto", Host = "v", Port = 1, Candidate = false },
        ],
    };

    private static LastPrimary Last(long end = 1000, int required = 0, string names = "", double? rate = 0, int secondsAgo = 0, long timeline = 1) => new()
    {
        Node = "old", SystemId = "same", Position = new LogPosition("lsn", "x", $"{timeline}", end), At = Now - TimeSpan.FromSeconds(secondsAgo), BytesPerSecond = rate,
        SeenAt = Now - TimeSpan.FromSeconds(secondsAgo), Synchronous = names.Split(' ', StringSplitOptions.RemoveEmptyEntries), SynchronousRequired = required,
    };

    [Theory]
    [InlineData("a", "a 1:1000; b 1:900")]
    [InlineData("b", "a 1:900; b 1:1000")] // what was received counts, not the priority
    [InlineData("a", "a 1:1000; b 1:1000")] // among equals the priority
    [InlineData("near", "a 1:1000; near 1:1000")] // then the old primary's zone
    [InlineData("b", "a 1:1000; b 2:10")] // the highest timeline
    [InlineData("a", "a 1:900; veto 1:1000")]
    [InlineData("a", "a 1:900; b 1:1000 foreign")]
    [InlineData("a", "a 1:900; b 1:1000 silent")]
    [InlineData("a", "a 1:900; b 1:?")]
    [InlineData("b", "a 1:1000 damaged; b 1:900")] // what is damaged comes after what is sound, whatever it has
    [InlineData("near", "a 1:1000 damaged; b 1:1000 damaged; near 1:10")]
    [InlineData("b", "a 1:900 damaged; b 1:1000 damaged")]
    [InlineData("a", "a 1:1000 damaged; veto 1:1000")]
    [InlineData("b", "a 1:1000; b 2:10 damaged")] // a sound one of an older timeline may not
    [InlineData(null, "veto 1:1000")]
    [InlineData(null, "a 1:1000 foreign")]
    [InlineData(null, "")]
    public void The_best_takes_over(string? expected, string nodes) =>
        Assert.Equal(expected, Choose(nodes, Last()).Candidate?.Name);

    [Theory]
    [InlineData(null, "a 1:800", 100L)] // behind what the primary itself was known to have
    [InlineData("a", "a 1:800", 200L)]
    [InlineData("a", "a 1:800", null)]
    [InlineData("b", "a 1:700; b 1:950", 100L)]
    public void Nobody_takes_over_who_is_too_far_behind(string? expected, string nodes, long? bound)
    {
        var choice = Choose(nodes, Last(), Cluster(bound));
        Assert.Equal(expected, choice.Candidate?.Name);
        if (expected is null)
            Assert.Equal(ErrorIds.NoCandidate, Assert.Throws<DbRecoveryException>(() => choice.Require("c")).Id);
    }

    [Fact]
    public void Whoever_names_a_replica_answers_for_what_it_lacks()
    {
        Assert.Equal("a", Choose("a 1:800", Last(), Cluster(100), wanted: "a").Candidate?.Name);
        Assert.Null(Choose("a 1:800; b 1:800 foreign", Last(), Cluster(100), wanted: "b").Candidate);
    }

    [Theory]
    [InlineData(false, null, "a 1:1000 damaged; b 1:900")]
    [InlineData(true, null, "a 1:1000 damaged")]
    [InlineData(true, null, "a 1:1000 damaged; b 1:1000 silent")]
    [InlineData(true, null, "a 1:1000 damaged; b 1:800")] // too far behind
    [InlineData(false, "a", "a 1:1000 damaged; b 1:1000")]
    [InlineData(false, null, "a 1:1000")]
    public void Where_only_a_damaged_one_may_take_over_a_person_agrees_or_names_it(bool asks, string? wanted, string nodes)
    {
        var choice = Choose(nodes, Last(), Cluster(150), wanted);
        Assert.Equal(asks, choice.ApprovalBecause is not null);
        Assert.Equal(wanted ?? (asks || !nodes.Contains("b ", StringComparison.Ordinal) ? "a" : "b"), choice.Candidate!.Name);
        // the plan says so, whoever is chosen
        Assert.Equal(nodes.Contains("damaged", StringComparison.Ordinal) ? ["a"] : [], choice.Remarks.Select(r => r.Target));
    }

    [Fact]
    public void Damage_that_only_a_longer_look_showed_counts()
    {
        var question = new CandidateQuestion { Cluster = Cluster(), Old = "old", Seen = Seen("a 1:1000; b 1:900"), Last = Last() };
        var fault = new Fault { Id = "pg.corruption", Node = "a", Cluster = "c", Engine = "postgresql", Severity = FaultSeverity.Degraded, Confidence = FaultConfidence.Certain, Summary = "x", DetectedAt = Now, Evidence = [] };
        Assert.Equal("a", CandidateSelection.Choose(question).Candidate!.Name);
        Assert.Equal("b", CandidateSelection.Choose(question with { Faults = [fault] }).Candidate!.Name);
    }

    [Fact]
    public void Without_a_memory_of_the_primary_replicas_that_disagree_are_none()
    {
        Assert.Null(Choose("a 1:1; b 1:1 foreign", null).Candidate);
        Assert.Equal("b", Choose("a 1:9 foreign; b 1:1; near 1:0", null).Candidate?.Name);
    }

    [Theory]
    [InlineData(true, 1, "a", "a 1:900")]
    [InlineData(true, 1, "a b", "a 1:900; b 1:800")]
    [InlineData(false, 1, "a b", "a 1:900; b 1:800 silent")] // b may be the one that had it
    [InlineData(true, 2, "a b", "a 1:900; b 1:800 silent")] // both had to have it
    [InlineData(false, 1, "b", "a 1:900; b 1:950 silent")]
    [InlineData(false, 1, "*", "a 1:900; b 1:900")]
    [InlineData(false, 1, "a b", "a 2:900; b 1:950")] // the higher timeline is not the primary's
    [InlineData(false, 0, "", "a 1:1000; b 1:1000")] // asynchronous: never proved
    public void Only_a_synchronous_quorum_proves_that_nothing_is_lost(bool proved, int required, string names, string nodes)
    {
        var last = Last(1000, required, names);
        var choice = Choose(nodes, last);
        var loss = LossPreview.Of(Cluster(), last, Seen(nodes), choice.Candidate!.Name, choice.Place, Now);
        Assert.Equal(proved, loss.Bytes == 0);
        Assert.Equal(!proved, loss.Since is not null);
    }

    [Theory]
    [InlineData(65536L, 1000L, 0d, 0)]
    [InlineData(65636L, 1100L, 0d, 0)] // 100 bytes that it never received
    [InlineData(2000000L, 1000L, 100000d, 10)] // twice the fastest growth for the time unseen
    [InlineData(null, 1000L, null, 1)] // seen once only
    public void A_loss_is_what_is_known_to_be_missing_and_what_may_have_been_written_since(long? expected, long end, double? rate, int secondsAgo)
    {
        var last = Last(end, rate: rate, secondsAgo: secondsAgo);
        Assert.Equal(expected, LossPreview.Of(Cluster(), last, Seen("a 1:1000"), "a", new LogPlace(1, 1000), Now).Bytes);
    }

    [Fact]
    public void What_nobody_knows_is_not_guessed()
    {
        Assert.Null(LossPreview.Of(Cluster(), null, Seen("a 1:1000"), "a", new LogPlace(1, 1000), Now).Bytes);
        Assert.Null(LossPreview.Of(Cluster(), Last(timeline: 2), Seen("a 1:1000"), "a", new LogPlace(1, 1000), Now).Bytes);
        // a setting that was last seen long ago proves nothing
        Assert.NotEqual(0, LossPreview.Of(Cluster(), Last(1000, 1, "a", secondsAgo: 600), Seen("a 1:1000"), "a", new LogPlace(1, 1000), Now).Bytes);
        // not even where replicas have heard of the log since
        Assert.NotEqual(0, LossPreview.Of(Cluster(), Last(1000, 1, "a", secondsAgo: 600) with { At = Now }, Seen("a 1:1000"), "a", new LogPlace(1, 1000), Now).Bytes);
    }

    [Fact]
    public void Who_was_asked_before_is_the_only_one_and_nobody_has_agreed_to_what_it_lacks()
    {
        CandidateChoice Pinned(string nodes, long? maxLag = null) =>
            CandidateSelection.Choose(new CandidateQuestion { Cluster = Cluster(maxLag), Old = "old", Seen = Seen(nodes), Last = Last(), Pinned = "a" });
        Assert.Equal("a", Pinned("a 1:900; b 1:1000").Candidate?.Name);
        Assert.NotNull(Pinned("a 1:1000 damaged; b 1:1000").ApprovalBecause);
        Assert.Null(Pinned("a 1:900; b 1:1000", maxLag: 50).Candidate);
    }

    private static NodeObservation[] Seen(string nodes) => [.. nodes.Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(Node)];

    private static CandidateChoice Choose(string nodes, LastPrimary? last, ClusterDefinition? cluster = null, string? wanted = null) =>
        CandidateSelection.Choose(new CandidateQuestion { Cluster = cluster ?? Cluster(), Old = "old", Seen = Seen(nodes), Last = last, Wanted = wanted });
}
