using DbRecovery.Engine.Watch;

namespace DbRecovery.Engine.Tests.Watch;

public sealed class ConfirmationTests
{
    private static Fault Fault(string id = "f", string? node = "n1", FaultSeverity severity = FaultSeverity.Outage, int confirmations = 0, params string[] evidence) => new()
    {
        Id = id, Severity = severity, Confidence = FaultConfidence.Certain, Cluster = "c", Engine = "fake", Node = node, Summary = "", DetectedAt = DateTimeOffset.UnixEpoch, Confirmations = confirmations,
        Evidence = [.. evidence.Select(e => new Evidence { Fact = "x", Node = e, At = DateTimeOffset.UnixEpoch, Shows = "" })],
    };

    private static Dictionary<string, long> Looks(long n1, long n2 = 1) => new() { ["n1"] = n1, ["n2"] = n2 };

    private static FaultChanges Take(Confirmation confirmation, Dictionary<string, long> looks, bool blind, string? silent, params Fault[] faults) =>
        confirmation.Take(faults, looks, silent is null ? new HashSet<string>() : new HashSet<string> { silent }, blind);

    private static FaultChanges Take(Confirmation confirmation, Dictionary<string, long> looks, params Fault[] faults) => Take(confirmation, looks, false, null, faults);

    [Theory]
    // what admits nothing else is believed at once where it is grave, and what is not grave has time
    [InlineData(FaultSeverity.Outage, 0, false, 1)]
    [InlineData(FaultSeverity.DataAtRisk, 1, false, 1)]
    [InlineData(FaultSeverity.Outage, 3, false, 3)]
    [InlineData(FaultSeverity.Degraded, 0, false, 2)]
    [InlineData(FaultSeverity.Notice, 4, false, 4)]
    // a silent node might answer yet
    [InlineData(FaultSeverity.Outage, 0, true, 2)]
    public void As_many_rounds_agree_as_the_evidence_needs(FaultSeverity severity, int confirmations, bool silent, int rounds)
    {
        var confirmation = new Confirmation(2);
        for (var round = 1; round < rounds; round++)
        {
            var before = Take(confirmation, Looks(round), false, silent ? "n1" : null, Fault(severity: severity, confirmations: confirmations));
            Assert.Empty(before.Raised);
            Assert.Single(before.Pending);
        }
        var now = Take(confirmation, Looks(rounds), false, silent ? "n1" : null, Fault(severity: severity, confirmations: confirmations));
        Assert.Single(now.Raised);
        Assert.Single(now.Standing);
        Assert.Empty(Take(confirmation, Looks(rounds + 1), Fault(severity: severity, confirmations: confirmations)).Raised);
    }

    [Fact]
    public void A_look_that_is_judged_twice_is_no_second_opinion()
    {
        var confirmation = new Confirmation(2);
        for (var i = 0; i < 5; i++)
            Assert.Empty(Take(confirmation, Looks(1, n2: i + 1), Fault(confirmations: 2)).Raised);
        Assert.Single(Take(confirmation, Looks(2), Fault(confirmations: 2)).Raised);
    }

    [Fact]
    public void A_silence_that_was_looked_at_often_enough_is_confirmed_under_its_next_name_too()
    {
        var confirmation = new Confirmation(2);
        Take(confirmation, Looks(1), false, "n1", Fault("net.partial-partition"));
        Assert.Empty(Take(confirmation, Looks(1), false, "n1", Fault("pg.primary.dead")).Raised);
        Assert.Equal(["pg.primary.dead"], Take(confirmation, Looks(2), false, "n1", Fault("pg.primary.dead")).Raised.Select(f => f.Id));
        // an answer in between begins the count anew
        Take(confirmation, Looks(3));
        Take(confirmation, Looks(4));
        Assert.Empty(Take(confirmation, Looks(5), false, "n1", Fault("node.hung")).Raised);
        confirmation.Restart();
        Assert.Empty(Take(confirmation, Looks(6), false, "n1", Fault("node.hung")).Raised);
    }

    [Fact]
    public void Every_node_whose_evidence_it_rests_on_is_looked_at_anew()
    {
        var confirmation = new Confirmation(2);
        var fault = Fault(confirmations: 2, evidence: ["n1", "n2"]);
        Take(confirmation, Looks(1, 1), fault);
        Assert.Empty(Take(confirmation, Looks(2, 1), fault).Raised);
        Assert.Empty(Take(confirmation, Looks(3, 1), fault).Raised);
        Assert.Single(Take(confirmation, Looks(3, 2), fault).Raised);
    }

    [Fact]
    public void A_fault_of_the_whole_cluster_needs_all_of_it()
    {
        var confirmation = new Confirmation(2);
        var fault = Fault(node: null, confirmations: 2);
        Take(confirmation, Looks(1, 1), fault);
        Assert.Empty(Take(confirmation, Looks(2, 1), fault).Raised);
        Assert.Single(Take(confirmation, Looks(2, 2), fault).Raised);
    }

    [Fact]
    public void A_round_that_does_not_see_it_begins_the_count_anew()
    {
        var confirmation = new Confirmation(2);
        Take(confirmation, Looks(1), Fault(confirmations: 2));
        Take(confirmation, Looks(2));
        Assert.Empty(Take(confirmation, Looks(3), Fault(confirmations: 2)).Raised);
    }

    [Fact]
    public void Its_end_is_confirmed_too_and_not_in_the_dark()
    {
        var confirmation = new Confirmation(2);
        Take(confirmation, Looks(1), Fault());
        Assert.Empty(Take(confirmation, Looks(2)).Cleared);
        Assert.Single(Take(confirmation, Looks(2)).Standing);
        Assert.Empty(Take(confirmation, Looks(3), blind: true, null).Cleared);
        Assert.Single(Take(confirmation, Looks(4)).Cleared);
        Assert.Empty(Take(confirmation, Looks(5)).Standing);
    }

    [Fact]
    public void In_the_dark_a_fault_may_turn_into_another_of_its_node()
    {
        var confirmation = new Confirmation(2);
        Take(confirmation, Looks(1), Fault("node.process-down"));
        Take(confirmation, Looks(2), blind: true, null, Fault("node.host-unreachable"));
        var now = Take(confirmation, Looks(3), blind: true, null, Fault("node.host-unreachable"));
        Assert.Equal(["node.process-down"], now.Cleared.Select(f => f.Id));
        Assert.Equal(["node.host-unreachable"], now.Standing.Select(f => f.Id));
    }

    [Fact]
    public void A_restart_forgets_what_is_not_confirmed()
    {
        var confirmation = new Confirmation(2);
        Take(confirmation, Looks(1), Fault("a"), Fault("b", confirmations: 2));
        confirmation.Restart();
        var now = Take(confirmation, Looks(2), Fault("a"), Fault("b", confirmations: 2));
        Assert.Empty(now.Raised);
        Assert.Equal(["a"], now.Standing.Select(f => f.Id));
    }

    [Fact]
    public void What_becomes_graver_is_told_and_keeps_the_moment_of_its_detection()
    {
        var confirmation = new Confirmation(1);
        Take(confirmation, Looks(1), Fault(severity: FaultSeverity.Degraded));
        var later = Fault() with { DetectedAt = DateTimeOffset.UnixEpoch.AddMinutes(5) };
        var raised = Assert.Single(Take(confirmation, Looks(2), later).Raised);
        Assert.Equal((FaultSeverity.Outage, DateTimeOffset.UnixEpoch), (raised.Severity, raised.DetectedAt));
    }
}
