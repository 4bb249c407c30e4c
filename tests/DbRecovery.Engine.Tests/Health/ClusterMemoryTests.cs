using DbRecovery.Engine.Health;
using DbRecovery.Engine.Replication;
using DbRecovery.Engine.Tests.Faults;

namespace DbRecovery.Engine.Tests.Health;

/// <summary>What a cluster's rounds leave behind: who was primary, how far its log went, what an ordinary silence is.</summary>
public sealed class ClusterMemoryTests
{
    private static ClusterMemory Seen(string recording) => new ClusterMemory().With(Recorded.View(recording) with { LastPrimary = null });

    [Fact]
    public void The_primary_and_its_quorum_are_remembered()
    {
        var memory = Seen("healthy-synchronous");
        Assert.Equal(("lab-1", 1), (memory.Primary!.Node, memory.Primary.SynchronousRequired));
        Assert.Equal(["lab-2", "lab-3"], memory.Primary.Synchronous);
        Assert.Equal("lab-1", memory.With(Recorded.View("primary-killed")).Primary!.Node);
    }

    [Fact]
    public void Since_when_its_log_stands_still_is_known_until_it_grows()
    {
        var view = Recorded.View("healthy-quiet") with { LastPrimary = null };
        var began = view.Nodes[0].ObservedAt;
        ClusterView After(int seconds, long bytes) => view.With("lab-1", n => n with { ObservedAt = began + TimeSpan.FromSeconds(seconds), Position = n.Position! with { Ordinal = n.Position.Ordinal + bytes } });
        var memory = new ClusterMemory().With(view);
        Assert.Null(memory.Primary!.StandsSince);
        for (var i = 1; i < 20; i++)
            Assert.Equal(began, (memory = memory.With(After(i, 0))).Primary!.StandsSince);
        Assert.Null((memory = memory.With(After(20, 8))).Primary!.StandsSince);
        Assert.Equal(began + TimeSpan.FromSeconds(20), memory.With(After(21, 8)).Primary!.StandsSince);
    }

    /// <summary>A round at which the primary is seen so, and its replicas are told what they say.</summary>
    private static ClusterView Round(ClusterView view, int second, Reachability reachability, string? error, Func<NodeObservation, NodeObservation> replica, string message = "")
    {
        var facts = new FactSet();
        if (error is not null)
            facts.Set(PostgreSqlFacts.ConnectError, error);
        return view with
        {
            Nodes = [.. view.Nodes.Select(n => n.Node == "lab-1"
                ? n with { ObservedAt = n.ObservedAt + TimeSpan.FromSeconds(second), Reachability = reachability, Role = NodeRole.Unknown, Facts = facts, Errors = [new ObservedError(error ?? "", message, "connecting")], Downstreams = [] }
                : n.Role == NodeRole.Replica ? replica(n) : n)],
        };
    }

    private static NodeObservation Cut(NodeObservation replica) => replica with { Upstream = replica.Upstream! with { Streaming = false } };

    [Fact]
    public void Since_when_it_is_gone_is_known_until_it_may_have_come_up_again()
    {
        var view = Recorded.View("healthy") with { LastPrimary = null };
        var began = view.Nodes[0].ObservedAt;
        var memory = new ClusterMemory().With(view);
        void Look(int second, Reachability reachability, string? error, int? gone, string message = "")
        {
            memory = memory.With(Round(view, second, reachability, error, Cut, message));
            Assert.Equal(gone is { } at ? began + TimeSpan.FromSeconds(at) : null, memory.Primary!.GoneAt);
        }
        Look(1, Reachability.TimedOut, "timeout", null);
        Look(2, Reachability.Absent, "broken", null);
        Look(3, Reachability.Absent, "refused", 3);
        Look(4, Reachability.Absent, "refused", 3);
        Look(5, Reachability.Refusing, "57P03", 3, "the database system is starting up"); // what replays its log takes no writes
        Look(6, Reachability.Absent, "refused", 3); // it was killed at that
        Look(7, Reachability.Refusing, "57P03", null, "the database system is shutting down"); // it was up
        Look(8, Reachability.Absent, "refused", 8);
        Look(9, Reachability.Refusing, "53300", null);
        Look(10, Reachability.Absent, "refused", 10);
        Look(11, Reachability.TimedOut, "timeout", null); // it may start where nobody sees it
        Look(12, Reachability.Absent, "refused", 12);
        Assert.Null(memory.With(view).Primary!.GoneAt);
    }

    [Fact]
    public void One_that_refuses_us_is_not_gone_while_anybody_receives_from_it()
    {
        var view = Recorded.View("healthy") with { LastPrimary = null };
        var began = view.Nodes[0].ObservedAt;
        var memory = new ClusterMemory().With(view);
        NodeObservation More(NodeObservation replica, int bytes) => replica with { Upstream = replica.Upstream! with { Received = replica.Upstream.Received! with { Ordinal = replica.Upstream.Received.Ordinal + 1_000_000 + bytes } } };
        void Look(int second, Func<NodeObservation, NodeObservation> replica, int? gone)
        {
            memory = memory.With(Round(view, second, Reachability.Absent, "refused", replica));
            Assert.Equal(gone is { } at ? began + TimeSpan.FromSeconds(at) : null, memory.Primary!.GoneAt);
        }
        Look(1, n => n, null);
        Look(2, n => More(n, 2), null);
        Look(3, n => n.Node == "lab-2" ? n : Cut(n), null);
        Look(3600, n => Cut(More(n, 3)), 3600);
        Look(3601, n => Cut(More(n, 3)), 3600);
        // a replica that was away has more of its log: it lived
        Look(3602, n => Cut(More(n, 4)), 3602);
    }

    [Fact]
    public void What_it_waits_for_is_known_from_when_it_was_seen_and_any_standby_is_none_that_is_named()
    {
        var view = Recorded.View("healthy-synchronous");
        var memory = Seen("healthy-synchronous");
        var seenAt = memory.Primary!.SeenAt!.Value;
        // the replicas go on, and the primary does not answer
        var later = view with
        {
            Nodes = [.. view.Nodes.Select(n => n.Role == NodeRole.Primary
                ? n with { Reachability = Reachability.TimedOut, Role = NodeRole.Unknown }
                : n with { ObservedAt = n.ObservedAt + TimeSpan.FromHours(1), Upstream = n.Upstream! with { Received = n.Upstream.Received! with { Ordinal = n.Upstream.Received.Ordinal + 1000 } } })],
        };
        var heard = memory.With(later).Primary!;
        Assert.True(heard.At > seenAt);
        Assert.Equal(seenAt, heard.SeenAt);
        Assert.NotNull(SynchronousProof.Needed(heard, seenAt));
        Assert.Null(SynchronousProof.Needed(heard, heard.At));

        var any = new ClusterMemory().With(view.Facts("lab-1", f => f.Set(PostgreSqlFacts.SyncNames, "*")) with { LastPrimary = null }).Primary!;
        Assert.Null(SynchronousProof.Needed(any, any.SeenAt!.Value));
    }

    [Theory]
    [InlineData(null, 0, "lab-1")] // promoted behind our back
    [InlineData("lab-2", 1, "lab-2")] // by a takeover
    [InlineData("lab-1", 1, "lab-1")] // its data still tells of the takeover before
    public void Another_primary_is_taken_for_it_only_after_a_takeover(string? epochPrimary, long epoch, string expected)
    {
        var view = Recorded.View("promoted-out-of-band");
        if (epochPrimary is not null)
            view = view.Facts("lab-2", f => { f.Set(ReplicationFacts.Epoch, epoch); f.Set(ReplicationFacts.EpochPrimary, epochPrimary); });
        Assert.Equal(expected, Seen("healthy").With(view).Primary!.Node);
    }

    [Fact]
    public void Another_primary_is_taken_for_it_where_the_old_one_follows_or_a_manager_decides()
    {
        Assert.Equal("lab-2", Seen("healthy").With(Recorded.View("switched-over-by-hand")).Primary!.Node);
        var view = Recorded.View("promoted-out-of-band");
        Assert.Equal("lab-2", Seen("healthy").With(view with { Cluster = view.Cluster with { ManagedBy = new ClusterManager("patroni", []) } }).Primary!.Node);
    }

    [Fact]
    public void A_silence_counts_when_it_has_ended()
    {
        var node = Recorded.View("healthy").Nodes.First(n => n.Role == NodeRole.Replica);
        NodeMemory Rounds(Func<int, double> age, int rounds) => Enumerable.Range(0, rounds).Aggregate(new NodeMemory(), (memory, i) =>
        {
            var facts = new FactSet(node.Facts);
            facts.Set(PostgreSqlFacts.ReceiptAge, age(i));
            return memory.With(node with { ObservedAt = node.ObservedAt + TimeSpan.FromSeconds(i), Facts = facts }, "lab-1", upstreamLives: true);
        });
        Assert.Null(Rounds(i => i, 40).LongestSilence);
        Assert.Equal(0.2, Rounds(_ => 0.2, 10).LongestSilence);
        Assert.Equal(9, Rounds(i => i % 10, 50).LongestSilence);
    }

    [Theory]
    [InlineData("", "")]
    [InlineData("a, \"B c\"", "a|B c")]
    [InlineData("ANY 2 (n1, n2,n3)", "n1|n2|n3")]
    [InlineData("first 1 (\"it\"\"s\", *)", "it\"s|*")]
    [InlineData("2 (X, y)", "x|y")]
    public void Synchronous_names_are_read(string setting, string names) =>
        Assert.Equal(names.Split('|', StringSplitOptions.RemoveEmptyEntries), SynchronousNames.Parse(setting));

    [Theory]
    [InlineData("localhost", "127.0.0.1", true)]
    [InlineData("::1", "localhost", true)]
    [InlineData("/tmp", "127.0.0.1", true)]
    [InlineData("[2001:db8::1]", "2001:0db8:0::1", true)]
    [InlineData("::ffff:10.0.0.1", "10.0.0.1", true)]
    [InlineData("DB.example.", "db.example", true)]
    [InlineData("10.0.0.1", "10.0.0.2", false)]
    [InlineData("", "", false)]
    public void Hosts_are_compared_as_they_are_meant(string left, string right, bool same) => Assert.Equal(same, NodeAddress.SameHost(left, right));
}
