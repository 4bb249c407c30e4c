using DbRecovery.Engine.Faults;
using DbRecovery.Engine.Health;
using DbRecovery.Engine.Runbooks;
using DbRecovery.Engine.Tests.Runbooks;

namespace DbRecovery.Engine.Tests.Faults;

/// <summary>One row a situation of a real cluster: the recording of it, or a change of one, and exactly the faults that it adds up to, as 'id@node'.</summary>
public sealed class RecordingTableTests
{
    // a primary that lives, whatever the watcher sees
    private static readonly HashSet<string> s_livingPrimary = new(StringComparer.Ordinal)
    {
        "healthy", "healthy-quiet", "healthy-synchronous", "healthy-cascading", "healthy-through-relays", "switched-over-by-hand", "primary-crash-loop", "primary-in-recovery",
        "watcher-cut-off", "watcher-cut-off-two", "watcher-cut-off-from-primary", "watcher-cut-off-from-primary-quiet", "watcher-reset-by-primary", "watcher-cut-off-from-most",
        "watcher-cut-off-from-standby", "cut-off-and-standby-broken-before", "standby-killed", "standby-frozen", "standby-without-connections", "receiver-wrong-port",
        "receiver-no-conninfo", "receiver-slot-missing", "sibling-left-behind", "replay-paused", "standby-behind", "slot-lost", "slot-lost-standby-down", "slot-bloat",
        "standby-diverged", "two-primaries", "promoted-out-of-band", "primary-read-only", "foreign-node", "node-twice", "sync-blocked", "sync-one-of-two-down", "prepared",
        "connections-exhausted", "connections-nearly-exhausted", "wrong-password", "archive-failing", "checksum-failure", "settings-differ", "lock-pileup", "open-transaction",
        "primary-host-gone-quiet",
    };

    private static readonly RunbookLibrary s_shipped = new([Path.Combine(Texts.Root, "runbooks")], Texts.Context);

    // only these are answered by a takeover, and node.hung only where the others confirm it
    private static bool AsksForTakeover(Fault fault) => fault.Id == "pg.primary.dead" || (fault.Id == "node.hung" && fault.Details["confirmed"].AsBool());

    private static readonly Dictionary<string, string[]> s_expected = new()
    {
        ["healthy"] = [],
        ["healthy-quiet"] = [],
        ["healthy-synchronous"] = [],
        ["healthy-cascading"] = [],
        ["healthy-through-relays"] = [],
        ["switched-over-by-hand"] = [],
        ["primary-killed"] = ["pg.primary.dead@lab-1"],
        ["primary-killed-never-seen"] = ["pg.primary.dead@lab-1"],
        ["primary-killed-cascading"] = ["pg.primary.dead@lab-1"],
        ["primary-killed-synchronous"] = ["pg.primary.dead@lab-1"],
        ["primary-killed-through-relays"] = ["pg.primary.dead@lab-1"],
        ["primary-frozen"] = ["node.hung@lab-1"],
        ["primary-host-gone"] = ["pg.primary.dead@lab-1"],
        // nothing was written, so nothing that is missing says that it is gone
        ["primary-host-gone-quiet"] = ["net.partial-partition@lab-1"],
        ["primary-crash-loop"] = ["pg.primary.crash-loop@lab-1"],
        ["primary-in-recovery"] = ["pg.primary.crash-recovery@lab-1"],
        ["single-killed"] = ["node.process-down@lab-1"],
        ["single-frozen"] = ["node.hung@lab-1"],
        ["all-killed"] = ["node.process-down@lab-1", "node.process-down@lab-2", "node.process-down@lab-3"],
        ["watcher-cut-off"] = ["net.watcher-isolated@"],
        ["watcher-cut-off-two"] = ["net.watcher-isolated@"],
        ["watcher-cut-off-from-primary"] = ["net.partial-partition@lab-1"],
        ["watcher-cut-off-from-primary-quiet"] = ["net.partial-partition@lab-1"],
        ["watcher-reset-by-primary"] = ["net.partial-partition@lab-1"],
        ["watcher-cut-off-from-most"] = ["net.partial-partition@lab-1", "net.watcher-isolated@"],
        ["watcher-cut-off-from-standby"] = ["net.partial-partition@lab-2"],
        ["cut-off-and-standby-broken-before"] = ["node.host-unreachable@lab-1"],
        ["standby-killed"] = ["node.process-down@lab-2"],
        ["standby-frozen"] = ["node.hung@lab-2"],
        ["standby-without-connections"] = ["node.refusing@lab-2"],
        ["receiver-wrong-port"] = ["pg.replica.receiver-down@lab-2"],
        ["receiver-no-conninfo"] = ["pg.replica.receiver-down@lab-2"],
        ["receiver-slot-missing"] = ["pg.replica.receiver-down@lab-2"],
        ["sibling-left-behind"] = ["pg.standby.promoted-out-of-band@lab-2", "node.process-down@lab-1", "pg.replica.receiver-down@lab-3"],
        ["replay-paused"] = ["pg.replica.replay-paused@lab-2"],
        ["standby-behind"] = ["pg.replica.lagging@lab-2"],
        ["slot-lost"] = ["pg.replica.wal-gap@lab-2"],
        ["slot-lost-standby-down"] = ["node.process-down@lab-2", "pg.slot.lost@lab-1"],
        ["slot-bloat"] = ["pg.slot.bloat@lab-1"],
        ["standby-diverged"] = ["pg.standby.promoted-out-of-band@lab-2", "node.process-down@lab-1", "pg.replica.timeline-diverged@lab-3"],
        // both have a claim: one was primary, the other has the higher timeline
        ["two-primaries"] = ["topology.split-brain@"],
        ["promoted-out-of-band"] = ["pg.standby.promoted-out-of-band@lab-2", "node.process-down@lab-1"],
        ["no-primary"] = ["topology.no-writable-primary@"],
        ["primary-read-only"] = ["topology.no-writable-primary@lab-1"],
        ["foreign-node"] = ["pg.sysid-mismatch@lab-3"],
        ["node-twice"] = ["config.node-twice@lab-3"],
        ["sync-blocked"] = ["pg.sync-blocked@lab-1", "node.process-down@lab-2", "node.process-down@lab-3"],
        ["sync-one-of-two-down"] = ["node.process-down@lab-2"],
        ["prepared"] = [],
        ["connections-exhausted"] = ["node.conn-exhausted@lab-1"],
        ["connections-nearly-exhausted"] = ["node.conn-exhausted@lab-1"],
        ["wrong-password"] = ["node.auth-rejected@lab-1", "node.auth-rejected@lab-2"],
        ["archive-failing"] = ["pg.archive-failing@lab-1"],
        ["checksum-failure"] = ["pg.corruption@lab-1"],
        ["settings-differ"] = ["config.drift@lab-1", "config.drift@lab-2"],
        ["lock-pileup"] = ["perf.lock-pileup@lab-1"],
        ["open-transaction"] = [],
    };

    /// <summary>What cannot be brought about on purpose, or would take too long: a recording with one thing changed.</summary>
    private static readonly Dictionary<string, (Func<ClusterView> View, string[] Faults)> s_changed = new()
    {
        ["killed, and one replica has not noticed yet"] = (() => Recorded.View("healthy").Silent("lab-1", Reachability.Absent, "refused").Lost("lab-2"), ["net.partial-partition@lab-1"]),
        ["killed, and the other replica is silent, too: no majority"] = (() => Recorded.View("healthy").Silent("lab-1", Reachability.Absent, "refused").Lost("lab-2").Silent("lab-3"), ["node.process-down@lab-1", "node.host-unreachable@lab-3"]),
        ["host gone with one of two replicas: no majority"] = (() => Recorded.View("healthy").Silent("lab-1").Lost("lab-2").Silent("lab-3"), ["net.watcher-isolated@"]),
        ["killed, and the replicas were broken before"] = (() => Broken(Recorded.View("primary-killed")), ["node.process-down@lab-1"]),
        ["hung, and a replica still hears it"] = (() => Recorded.View("healthy").Silent("lab-1", Reachability.TimedOut, "hung"), ["net.partial-partition@lab-1"]),
        ["an old look is no evidence"] = (() => Old(Recorded.View("primary-killed")), ["node.process-down@lab-1"]),
        ["the name of the host is not known"] = (() => Recorded.View("primary-killed").Silent("lab-1", Reachability.TimedOut, "unknown-host"), ["pg.primary.dead@lab-1"]),
        ["TLS refused"] = (() => Recorded.View("healthy").Silent("lab-1", Reachability.Refusing, "tls"), ["node.auth-rejected@lab-1"]),
        ["a version that is not supported"] = (() => Recorded.View("healthy").Silent("lab-1", Reachability.Refusing, ErrorIds.VersionNotSupported), ["node.refusing@lab-1"]),
        ["a replica with another data origin, streaming or not"] = (() => Recorded.View("healthy").With("lab-3", n => n with { SystemId = "1" }), ["pg.sysid-mismatch@lab-3"]),
        ["promoted by a takeover of ours: the epoch says so"] = (() => Recorded.View("promoted-out-of-band") with { LastPrimary = Recorded.View("promoted-out-of-band").LastPrimary! with { Node = "lab-2" } }, ["node.process-down@lab-1"]),
        ["a former primary comes back alone"] = (() => Stale(), ["topology.stale-primary@lab-1", "node.process-down@lab-2"]),
        ["two primaries, the epoch tells which is right"] = (() => Epoch(Recorded.View("two-primaries"), "lab-1", 7), ["topology.split-brain@lab-2"]),
        ["two primaries, the later one is remembered"] = (() => Recorded.View("two-primaries") with { LastPrimary = Recorded.View("two-primaries").LastPrimary! with { Node = "lab-2" } }, ["topology.split-brain@lab-1"]),
        ["two primaries on one timeline"] = (() => Recorded.View("two-primaries").Facts("lab-2", f => f.Set(PostgreSqlFacts.Timeline, 1L)), ["topology.split-brain@"]),
        ["a forgotten prepared transaction"] = (() => Recorded.View("prepared").Facts("lab-1", f => f.Set(PostgreSqlFacts.PreparedOldest, 400.0)), ["pg.prepared-orphan@lab-1"]),
        ["a transaction open for hours"] = (() => Recorded.View("open-transaction").Facts("lab-1", f => f.Set(PostgreSqlFacts.LongestTransaction, 4000.0)), ["perf.long-transaction@lab-1"]),
        ["a wait for one lock for over a minute"] = (() => Recorded.View("healthy").Facts("lab-1", f => { f.Set(PostgreSqlFacts.Blocked, 1L); f.Set(PostgreSqlFacts.BlockedLongest, 61.0); }), ["perf.lock-pileup@lab-1"]),
        ["transactions run out"] = (() => Recorded.View("healthy").Facts("lab-1", f => f.Set(PostgreSqlFacts.XidAge, 1_600_000_000L)), ["pg.wraparound@lab-1"]),
        ["a disk that fails"] = (() => Recorded.View("healthy").With("lab-1", n => n with { Errors = [new ObservedError("58030", "could not read block", "observing")] }), ["disk.stalled-or-eio@lab-1"]),
        ["a disk that stands still"] = (() => Stalled(Recorded.View("healthy-quiet"), TimeSpan.FromSeconds(12), 15), ["disk.stalled-or-eio@lab-1"]),
        ["a disk that is slow: the log stood still for a moment"] = (() => Stalled(Recorded.View("healthy-quiet"), TimeSpan.FromSeconds(2), 15), []),
        ["a quiet primary and its first write"] = (() => Stalled(Recorded.View("healthy-quiet"), TimeSpan.FromHours(3), 0.01), []),
        ["a full disk, said by the server"] = (() => Recorded.View("healthy").With("lab-1", n => n with { Errors = [new ObservedError("53100", "No space left on device", "observing")] }), ["disk.full@lab-1"]),
        ["a full disk, measured"] = (() => Recorded.View("healthy").Facts("lab-2", f => f.Set(CommonFacts.DiskFree, 100_000L)), ["disk.full@lab-2"]),
        ["damage that a check found"] = (() => Recorded.View("healthy").Facts("lab-3", f => f.Set(PostgreSqlFacts.CorruptObjects, FactValue.OfList(["app: public.t: invalid page"]))), ["pg.corruption@lab-3"]),
        ["a slow synchronous replica"] = (() => Recorded.View("healthy-synchronous").Facts("lab-1", f => { f.Set(PostgreSqlFacts.SyncWaiters, 3L); f.Set(PostgreSqlFacts.SyncWaitLongest, 11.0); }), ["pg.sync-blocked@lab-1"]),
        ["less synchronous than the inventory says"] = (() => Policy(Recorded.View("healthy"), p => p with { Synchronous = 1 }), ["config.drift@lab-1"]),
        ["a replica that lacks connections of the primary's"] = (() => Setting(Recorded.View("healthy"), "lab-2", "max_connections", "10"), ["config.drift@lab-2"]),
        ["far behind in bytes and time"] = (() => Recorded.View("healthy").With("lab-1", n => n with { Downstreams = [] }).With("lab-2", n => Behind(n, 100 << 20)), ["pg.replica.lagging@lab-2"]),
        ["diverged, and the fork is known"] = (() => Recorded.View("standby-diverged").Facts("lab-2", f => f.Set(PostgreSqlFacts.TimelineForks, FactValue.OfList(["1: 0/1"]))), ["pg.standby.promoted-out-of-band@lab-2", "node.process-down@lab-1", "pg.replica.timeline-diverged@lab-3"]),
        ["not diverged: it ended before the fork"] = (() => Recorded.View("standby-diverged").Facts("lab-2", f => f.Set(PostgreSqlFacts.TimelineForks, FactValue.OfList(["1: F/0"]))), ["pg.standby.promoted-out-of-band@lab-2", "node.process-down@lab-1", "pg.replica.receiver-down@lab-3"]),
        ["diverged: the upstream's history does not lead over its timeline"] = (() => Recorded.View("standby-diverged").Facts("lab-2", f => { f.Set(PostgreSqlFacts.Timeline, 3L); f.Set(PostgreSqlFacts.TimelineForks, FactValue.OfList(["2: F/0"])); }), ["pg.standby.promoted-out-of-band@lab-2", "node.process-down@lab-1", "pg.replica.timeline-diverged@lab-3"]),
        ["diverged on two timelines of one number"] = (() => Forked(Recorded.View("receiver-wrong-port"), "1: 0/5", "1: 0/6"), ["pg.replica.timeline-diverged@lab-2"]),
        ["on one timeline, and it only receives nothing"] = (() => Forked(Recorded.View("receiver-wrong-port"), "1: 0/5", "1: 0/5"), ["pg.replica.receiver-down@lab-2"]),
        ["the log that it needs is gone, without a slot"] = (() => Recorded.View("receiver-slot-missing").Facts("lab-1", f => f.Set(PostgreSqlFacts.OldestWal, "F/0")), ["pg.replica.wal-gap@lab-2"]),
        ["a route leads to a replica"] = (() => Route(Recorded.View("healthy"), "lab-2"), ["routing.wrong-target@lab-1"]),
        ["a route leads to the primary"] = (() => Route(Recorded.View("healthy"), "lab-1"), []),
        ["a slow answer"] = (() => Recorded.View("healthy").Facts("lab-1", f => { f.Set(CommonFacts.ProbeBaseline, 0.001); f.Set(CommonFacts.ProbeLatency, 0.2); }), ["perf.latency@lab-1"]),
        ["every node is slow at once: it is this machine"] = (() => Recorded.View("healthy").Late("lab-1", 0.2).Late("lab-2", 0.25).Late("lab-3", 0.19), []),
        ["one node is slow, and the others as quick as ever"] = (() => Recorded.View("healthy").Late("lab-1", 0.2).Late("lab-2", 0).Late("lab-3", 0), ["perf.latency@lab-1"]),
        ["all are late, and one far more than the others"] = (() => Recorded.View("healthy").Late("lab-1", 0.4).Late("lab-2", 0.1).Late("lab-3", 0.2), ["perf.latency@lab-1"]),
        ["a cluster manager promoted"] = (() => Recorded.View("promoted-out-of-band") with { LastPrimary = null }, ["node.process-down@lab-1"]),
    };

    public static TheoryData<string> Names => [.. Recorded.Names];
    public static TheoryData<string> Changes => [.. s_changed.Keys];

    [Fact]
    public void Every_situation_is_recorded() => Assert.Equal(s_expected.Keys.Order(StringComparer.Ordinal), Recorded.Names);

    [Theory]
    [MemberData(nameof(Names))]
    public void A_recording_gives_exactly_its_faults(string name) => AssertFaults(s_expected[name], Recorded.View(name));

    [Theory]
    [MemberData(nameof(Changes))]
    public void A_changed_recording_gives_exactly_its_faults(string name) => AssertFaults(s_changed[name].Faults, s_changed[name].View());

    [Theory]
    [MemberData(nameof(Names))]
    public void A_primary_that_lives_is_never_taken_over_from(string name)
    {
        var view = Recorded.View(name);
        var takeover = FaultClassifier.Classify(view).Where(AsksForTakeover).ToList();
        if (!s_livingPrimary.Contains(name))
            return;
        Assert.Empty(takeover);
        // no runbook that ships answers it by a takeover; a primary that lives and crashes again and again is the one that has to be taken over from
        if (name != "primary-crash-loop")
            Assert.All(FaultClassifier.Classify(view), f => Assert.DoesNotContain(s_shipped.Match(f), r => r.Steps.Any(s => s.Action is "failover" or "promote")));
        // nor is one asked for where the watcher's own connection to it is gone as well, as long as a replica receives from it
        if (view.Replication.Leader is not { } leader)
            return;
        foreach (var (how, code) in new[] { (Reachability.TimedOut, "timeout"), (Reachability.TimedOut, "hung"), (Reachability.Absent, "refused"), (Reachability.Absent, "broken"), (Reachability.TimedOut, "unknown-host") })
        {
            var cut = view.Silent(leader.Node, how, code);
            if (cut.Nodes.Any(n => cut.Replication.Word(n, cut.Replication.Find(leader.Node)!) == StreamWord.Streams))
                Assert.DoesNotContain(FaultClassifier.Classify(cut), AsksForTakeover);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Details_and_evidence_are_those_of_the_catalogue(string name)
    {
        foreach (var fault in FaultClassifier.Classify(Recorded.View(name)))
        {
            var known = Assert.Single(FaultCatalogue.Classes, c => c.Id == fault.Id);
            Assert.All(fault.Details, d => Assert.Contains(known.Details, k => k.Name == d.Key && (k.Type == d.Value.Type || k.Type == FactType.Number)));
            Assert.NotEmpty(fault.Evidence);
            Assert.NotEmpty(fault.RuledOut);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void No_fault_of_another_engine_is_spoken_of(string name) =>
        Assert.All(FaultClassifier.Classify(Recorded.View(name)), f => Assert.DoesNotContain(f.RuledOut, r => r.Contains("sqlite", StringComparison.OrdinalIgnoreCase)));

    [Fact]
    public void Hard_evidence_needs_few_rounds_and_a_silence_one_beside_the_looks_at_it()
    {
        int Rounds(string name) => FaultClassifier.Classify(Policy(Recorded.View(name), p => p with { Confirmations = 5 }))[0].Confirmations;
        Assert.Equal((2, 1, 5), (Rounds("primary-killed"), Rounds("primary-host-gone"), Rounds("primary-frozen")));
    }

    [Theory]
    [InlineData("primary-killed", true)]
    [InlineData("primary-killed-cascading", true)] // who follows another node cannot tell
    [InlineData("primary-frozen", true)]
    [InlineData("primary-host-gone", true)]
    public void Most_of_those_that_may_be_in_touch_with_it_have_lost_it(string name, bool majority)
    {
        Assert.Equal(majority, FaultClassifier.Classify(Recorded.View(name))[0].Details["majority"].AsBool());
        // one that was broken before is no witness, and says nothing for it either
        var broken = Recorded.View(name).Remembering("lab-2", m => m with { StreamedAt = m.StreamedAt - TimeSpan.FromMinutes(1) });
        var fault = Assert.Single(FaultClassifier.Classify(broken), f => f.Node == "lab-1");
        Assert.False(fault.Details["majority"].AsBool());
    }

    [Theory]
    [InlineData("lab-3", 0L, false, FaultSeverity.Degraded, "postgresql-corrupt-replica")] // a copy of what is sound elsewhere
    [InlineData("lab-3", 1L, true, FaultSeverity.DataAtRisk, "postgresql-corrupt-replica")]
    [InlineData("lab-3", null, null, FaultSeverity.DataAtRisk, "postgresql-corrupt-replica")] // without checksums nobody can tell
    [InlineData("lab-1", 1L, true, FaultSeverity.DataAtRisk, "postgresql-corruption")]
    public void Damage_of_a_replica_is_as_grave_as_its_primary_is_unsound(string node, long? failuresOfPrimary, bool? damaged, FaultSeverity severity, string runbook)
    {
        var view = Recorded.View("healthy").Facts("lab-3", f => f.Set(PostgreSqlFacts.ChecksumFailures, 2L)).Facts("lab-1", f =>
        {
            if (failuresOfPrimary is { } count)
                f.Set(PostgreSqlFacts.ChecksumFailures, count);
            else
                f.SetUnknown(PostgreSqlFacts.ChecksumFailures, "data checksums are off");
        });
        var fault = FaultClassifier.Classify(view).Single(f => f.Id == "pg.corruption" && f.Node == node);
        Assert.Equal((severity, runbook), (fault.Severity, s_shipped.Match(fault)[0].Name));
        // its guard: nothing is copied from what is not known to be sound
        Assert.All(view.Nodes, n => Assert.Equal(damaged, n.Facts.Bool(ReplicationFacts.PrimaryDamaged)));
    }

    [Theory]
    [InlineData(0, false)]
    [InlineData(1, false)] // the other one is left
    [InlineData(2, true)]
    public void A_damaged_replica_that_transactions_wait_for_is_not_taken_away_by_itself(int required, bool awaited)
    {
        var view = Recorded.View("healthy-synchronous").Facts("lab-3", f => f.Set(PostgreSqlFacts.ChecksumFailures, 2L));
        view = view.With("lab-1", n => n with { Downstreams = [.. n.Downstreams.Select(d => d with { SyncState = required == 0 ? "async" : "quorum" })] });
        view = view with { LastPrimary = view.LastPrimary! with { Synchronous = ["lab-2", "lab-3"], SynchronousRequired = required } };
        var fault = FaultClassifier.Classify(view).Single(f => f.Id == "pg.corruption");
        Assert.Equal(awaited, fault.Details["awaited"].AsBool());
    }

    [Fact]
    public void Where_the_fork_is_known_a_divergence_is_certain()
    {
        var fault = FaultClassifier.Classify(Recorded.View("standby-diverged")).Single(f => f.Id == "pg.replica.timeline-diverged");
        Assert.Equal(FaultConfidence.Certain, fault.Confidence);
        Assert.True(fault.Details["bytes"].AsInt() > 0);
    }

    [Fact]
    public void What_a_quick_look_shows_in_full_is_looked_at_quickly() => Assert.Equal(
        ["node.host-unreachable", "node.hung", "node.process-down", "pg.primary.crash-loop", "pg.primary.dead"],
        FaultCatalogue.Classes.Select(c => c.Id).Where(FaultClassifier.IsSeenAtOnce).Order(StringComparer.Ordinal));

    private static void AssertFaults(string[] expected, ClusterView view) => Assert.Equal(expected, FaultClassifier.Classify(view).Select(f => $"{f.Id}@{f.Node}"));

    private static ClusterView Policy(ClusterView view, Func<PolicySettings, PolicySettings> change) => (view with { Cluster = view.Cluster with { Policy = change(view.Cluster.Policy) } }).Judged();

    private static ClusterView Broken(ClusterView view) => view.Nodes.Where(n => n.Role == NodeRole.Replica).Select(n => n.Node).ToList()
        .Aggregate(view, (v, name) => v.Remembering(name, m => m with { StreamedAt = m.StreamedAt - TimeSpan.FromMinutes(1) }));

    private static ClusterView Old(ClusterView view) => (view with { At = view.At + TimeSpan.FromMinutes(1) }).Judged();

    private static ClusterView Stalled(ClusterView view, TimeSpan stands, double waits) => (view with
    {
        LastPrimary = view.LastPrimary! with { Position = view.Nodes[0].Position, StandsSince = view.Nodes[0].ObservedAt - stands },
    }).Facts("lab-1", f => f.Set(PostgreSqlFacts.LogWaitLongest, waits));

    private static ClusterView Forked(ClusterView view, string primary, string replica) => view
        .Facts("lab-1", f => { f.Set(PostgreSqlFacts.Timeline, 2L); f.Set(PostgreSqlFacts.TimelineForks, FactValue.OfList([primary])); })
        .Facts("lab-2", f => { f.Set(PostgreSqlFacts.Timeline, 2L); f.Set(PostgreSqlFacts.TimelineForks, FactValue.OfList([replica])); })
        .Facts("lab-3", f => f.Set(PostgreSqlFacts.Timeline, 2L));

    private static ClusterView Epoch(ClusterView view, string node, long epoch) => view.Facts(node, f => { f.Set(ReplicationFacts.Epoch, epoch); f.Set(ReplicationFacts.EpochPrimary, node); });

    private static ClusterView Stale()
    {
        var view = Recorded.View("healthy").Silent("lab-2", Reachability.Absent, "refused");
        view = view with { LastPrimary = view.LastPrimary! with { Node = "lab-2", Position = new LogPosition("lsn", "0/5000000", "2", 0x5000000) } };
        return view.Judged();
    }

    private static ClusterView Setting(ClusterView view, string node, string name, string value) => view.Facts(node, f =>
        f.Set(PostgreSqlFacts.Settings, FactValue.OfList(f.List(PostgreSqlFacts.Settings)!.Select(s => s.StartsWith(name + "=", StringComparison.Ordinal) ? $"{name}={value}" : s))));

    private static NodeObservation Behind(NodeObservation node, long bytes)
    {
        node.Facts.Set(PostgreSqlFacts.ReplayAge, 60.0);
        var applied = node.Upstream!.Applied!;
        return node with { Upstream = node.Upstream with { Applied = applied with { Ordinal = applied.Ordinal - bytes } } };
    }

    private static ClusterView Route(ClusterView view, string node) => view with { Routes = [new RouteObservation { Route = "haproxy /run/haproxy.sock", ObservedAt = view.At, LeadsTo = node, Targets = [node] }] };
}
