using DbRecovery.Engine.Incidents;

namespace DbRecovery.Engine.Tests.Incidents;

public class StateTableTests
{
    public static TheoryData<IncidentState> Open => [.. Enum.GetValues<IncidentState>().Where(s => !IncidentStateTable.Final.Contains(s))];

    [Theory]
    [MemberData(nameof(Open))]
    public void An_open_state_has_a_timeout_can_fail_and_reaches_an_end(IncidentState state)
    {
        Assert.NotNull(IncidentStateTable.Find(state, IncidentTrigger.TimedOut));
        Assert.True(IncidentStateTable.Timeouts[state] > TimeSpan.Zero);
        Assert.Equal(IncidentState.Failed, IncidentStateTable.Next(state, IncidentTrigger.Failed));
        Assert.Contains(Reach(state), IncidentStateTable.Final.Contains);
    }

    [Fact]
    public void Every_state_is_reachable_and_a_final_one_leads_nowhere()
    {
        Assert.Equal(Enum.GetValues<IncidentState>().Order(), Reach(IncidentState.Observing).Append(IncidentState.Observing).Distinct().Order());
        Assert.DoesNotContain(IncidentStateTable.Transitions, t => IncidentStateTable.Final.Contains(t.From));
    }

    [Fact]
    public void A_trigger_leads_to_one_state_only() =>
        Assert.Equal(IncidentStateTable.Transitions.Count, IncidentStateTable.Transitions.DistinctBy(t => (t.From, t.Trigger)).Count());

    [Fact]
    public void An_edge_that_is_not_in_the_table_is_refused() =>
        Assert.Equal(ErrorIds.Unexpected, Assert.Throws<DbRecoveryException>(() => IncidentStateTable.Next(IncidentState.Resolved, IncidentTrigger.Start)).Id);

    [Fact]
    public void Timeouts_alone_lead_to_an_end_from_every_state()
    {
        foreach (var start in Enum.GetValues<IncidentState>())
        {
            var state = start;
            for (var i = 0; i < 10 && !IncidentStateTable.Final.Contains(state); i++)
                state = IncidentStateTable.Next(state, IncidentTrigger.TimedOut);
            Assert.Contains(state, IncidentStateTable.Final);
        }
    }

    [Fact]
    public void Steps_reach_every_state_from_pending()
    {
        var seen = new HashSet<StepState> { StepState.Pending };
        while (IncidentStateTable.StepTransitions.FirstOrDefault(t => seen.Contains(t.From) && !seen.Contains(t.To)) is { } next)
            seen.Add(next.To);
        Assert.Equal(Enum.GetValues<StepState>().Order(), seen.Order());
    }

    [Fact]
    public void The_graph_names_every_state()
    {
        var dot = IncidentStateTable.ToDot();
        Assert.All(Enum.GetNames<IncidentState>(), name => Assert.Contains(name, dot, StringComparison.Ordinal));
    }

    private static HashSet<IncidentState> Reach(IncidentState from)
    {
        var seen = new HashSet<IncidentState>();
        var todo = new Queue<IncidentState>([from]);
        while (todo.TryDequeue(out var state))
            foreach (var edge in IncidentStateTable.Transitions.Where(t => t.From == state && seen.Add(t.To)))
                todo.Enqueue(edge.To);
        return seen;
    }
}
