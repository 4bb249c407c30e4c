using System.Collections.Concurrent;
using DbRecovery.Engine.Health;
using DbRecovery.Engine.Watch;

namespace DbRecovery.Engine.Tests.Watch;

public sealed class WatchLoopTests
{
    private const string Down = "node.process-down";

    // a node that gave no answer, or refused the connection, is down
    private static IEnumerable<Fault> DownRule(ClusterRound round) => round.Nodes.Where(n => n.Reachability is Reachability.Absent or Reachability.TimedOut).Select(n => WatchWorld.FaultOf(round, Down, n.Node));

    private static WatchWorld World(TimeSpan? poll = null)
    {
        var world = new WatchWorld { Rule = DownRule };
        world.Clusters.Add(WatchWorld.Cluster(poll: poll));
        world.Servers.Set("n1", NodeRole.Primary);
        world.Servers.Set("n2", NodeRole.Replica);
        return world;
    }

    [Fact]
    public async Task A_round_without_a_change_tells_nothing()
    {
        await using var world = World();
        world.Start();
        await world.UntilAsync(() => world.Servers.Looks("n1") > 20 && world.Told(WatchEventKind.Started), "20 rounds");
        Assert.Equal([WatchEventKind.Started], world.Events.Select(e => e.Kind));
    }

    [Fact]
    public async Task A_broken_connection_is_looked_into_at_once_and_confirmed_without_a_poll()
    {
        var poll = TimeSpan.FromMinutes(1);
        await using var world = World(poll);
        world.Start();
        await world.UntilAsync(() => world.Told(WatchEventKind.Started) && world.Servers.IsListening("n1"), "the start");
        var (at, looks) = (world.Time.GetUtcNow(), world.Servers.Looks("n1"));
        world.Servers.Set("n1", NodeRole.Primary, Reachability.Absent);
        world.Servers.Break("n1");
        // no time passes until whoever listens to it has heard of it
        await Wait.UntilAsync(() => world.Servers.Looks("n1") > looks, "the look");
        await world.UntilAsync(() => world.Told(WatchEventKind.FaultRaised, Down), "the fault");
        // by the clock that the test moves: far from a poll
        Assert.True(world.Time.GetUtcNow() - at < poll / 2);
        Assert.Equal("n1", world.Events.Single(e => e.Kind == WatchEventKind.FaultRaised).Node);
        Assert.Contains(world.Events, e => e is { Kind: WatchEventKind.StateChanged, Node: "n1", To: "Absent" });
        Assert.Contains(world.Events, e => e is { Kind: WatchEventKind.StateChanged, Node: null, To: "Failed" });
    }

    [Fact]
    public async Task A_connection_that_breaks_all_the_time_is_no_busy_loop()
    {
        await using var world = World(poll: TimeSpan.FromSeconds(10));
        world.Start();
        var before = 0;
        await world.UntilAsync(() => world.Told(WatchEventKind.Started), "the start");
        var from = world.Servers.Looks("n1");
        var end = world.Time.GetUtcNow() + TimeSpan.FromSeconds(20);
        await world.UntilAsync(() =>
        {
            world.Servers.Break("n1");
            before++;
            return world.Time.GetUtcNow() > end;
        }, "20 seconds");
        Assert.True(before > 100);
        Assert.InRange(world.Servers.Looks("n1") - from, 1, 100);
        Assert.False(world.Told(WatchEventKind.FaultRaised));
    }

    [Fact]
    public async Task What_one_round_alone_saw_is_not_believed()
    {
        await using var world = World();
        world.Start();
        await world.UntilAsync(() => world.Told(WatchEventKind.Started), "the start");
        var once = true;
        world.Servers.Answers["n1"] = (request, _) =>
        {
            var absent = once;
            once = false;
            return Task.FromResult(world.Servers.Seen("n1", NodeRole.Primary, absent ? Reachability.Absent : Reachability.Reachable));
        };
        await world.UntilAsync(() => !once, "the one look");
        await world.PassAsync(TimeSpan.FromSeconds(5));
        Assert.Equal([WatchEventKind.Started], world.Events.Select(e => e.Kind));
    }

    [Fact]
    public async Task A_silent_node_delays_nobody_counts_as_no_answer_and_is_asked_once_at_a_time()
    {
        await using var world = World(poll: TimeSpan.FromMilliseconds(100));
        world.Start();
        await world.UntilAsync(() => world.Told(WatchEventKind.Started), "the start");
        // an observer that hears of no cancellation
        var never = new TaskCompletionSource<NodeObservation>();
        var (first, second) = (world.Servers.Looks("n1"), 0);
        world.Servers.Answers["n2"] = (_, _) => never.Task;
        await world.UntilAsync(() => world.Told(WatchEventKind.FaultRaised, Down), "the fault");
        second = world.Servers.Looks("n2");
        Assert.True(world.Servers.Looks("n1") - first > 10, "the neighbour was looked at all the while");
        await world.PassAsync(TimeSpan.FromSeconds(10));
        Assert.Equal(second, world.Servers.Looks("n2"));
        Assert.Equal(1, world.Servers.MostOpen);
        // what the late look saw is not what is so now
        never.SetResult(world.Servers.Seen("n2", NodeRole.Primary));
        world.Servers.Set("n2", NodeRole.Replica);
        await world.UntilAsync(() => world.Told(WatchEventKind.FaultCleared, Down), "the end of the fault");
        Assert.DoesNotContain(world.Events, e => e is { Node: "n2", To: "Primary" });
    }

    [Fact]
    public async Task A_silence_stays_what_it_was_while_the_next_look_is_under_way()
    {
        const string Hung = "node.hung";
        await using var world = World(poll: TimeSpan.FromMilliseconds(100));
        world.Rule = round => round.Nodes.Where(n => n.Facts.Text(PostgreSqlFacts.ConnectError) == "hung").Select(n => WatchWorld.FaultOf(round, Hung, n.Node));
        world.Start();
        await world.UntilAsync(() => world.Told(WatchEventKind.Started), "the start");
        world.Servers.Answers["n2"] = async (request, token) =>
        {
            // many rounds of the others long
            await Task.Delay(request.Timeout, world.Time, token);
            var facts = new FactSet();
            facts.Set(PostgreSqlFacts.ConnectError, "hung");
            return world.Servers.Seen("n2", NodeRole.Replica, Reachability.TimedOut) with { Facts = facts };
        };
        var since = world.Time.GetUtcNow();
        await world.UntilAsync(() => world.Told(WatchEventKind.FaultRaised, Hung) || world.Time.GetUtcNow() - since > TimeSpan.FromMinutes(1), "the fault");
        Assert.True(world.Told(WatchEventKind.FaultRaised, Hung));
    }

    [Theory]
    [InlineData("n1", true)]
    [InlineData("n2", false)] // a replica that is cut off from here can wait
    public async Task A_primary_that_only_we_do_not_hear_is_looked_at_again_without_a_pause(string silent, bool hurried)
    {
        const string Partition = "net.partial-partition";
        var poll = TimeSpan.FromMinutes(1);
        await using var world = World(poll: poll);
        world.Rule = round => round.Nodes.Where(n => n.Reachability == Reachability.TimedOut).Select(n => WatchWorld.FaultOf(round, Partition, n.Node, FaultSeverity.Degraded, confirmations: 3));
        world.Start();
        // the start, and the second look that follows it soon
        await world.UntilAsync(() => world.Told(WatchEventKind.Started) && world.Servers.Looks(silent) > 1, "the start");
        var looks = world.Servers.Looks(silent);
        world.Servers.Set(silent, NodeRole.Unknown, Reachability.TimedOut);
        await world.UntilAsync(() => world.Servers.Looks(silent) > looks, "the poll", TimeSpan.FromSeconds(1));
        var at = world.Time.GetUtcNow();
        await world.UntilAsync(() => world.Told(WatchEventKind.FaultRaised, Partition), "the fault");
        Assert.Equal(hurried, world.Time.GetUtcNow() - at < poll);
    }

    [Fact]
    public async Task An_exception_of_an_observer_is_an_unanswered_look()
    {
        await using var world = World();
        world.Start();
        await world.UntilAsync(() => world.Told(WatchEventKind.Started), "the start");
        world.Servers.Answers["n2"] = (_, _) => throw new InvalidOperationException("defect");
        await world.UntilAsync(() => world.Told(WatchEventKind.FaultRaised, Down), "the fault");
        world.Servers.Set("n2", NodeRole.Replica);
        await world.UntilAsync(() => world.Told(WatchEventKind.FaultCleared, Down), "its end");
    }

    [Fact]
    public async Task A_rule_that_fails_is_told_once_and_the_watch_goes_on()
    {
        await using var world = World();
        world.Start();
        await world.UntilAsync(() => world.Told(WatchEventKind.Started), "the start");
        world.Rule = _ => throw new InvalidOperationException("defect");
        await world.PassAsync(TimeSpan.FromSeconds(20));
        Assert.Single(world.Events, e => e.Kind == WatchEventKind.Watcher);
        world.Rule = DownRule;
        world.Servers.Set("n1", NodeRole.Primary, Reachability.Absent);
        await world.UntilAsync(() => world.Told(WatchEventKind.FaultRaised, Down), "the fault");
    }

    [Fact]
    public async Task After_the_watch_itself_stood_still_nothing_from_before_confirms()
    {
        await using var world = World(poll: TimeSpan.FromSeconds(1));
        world.Start();
        await world.UntilAsync(() => world.Told(WatchEventKind.Started), "the start");
        // the second of two agreeing rounds would come now, and the process sleeps
        var looks = 0;
        world.Rule = round => Interlocked.Increment(ref looks) == 1 ? [WatchWorld.FaultOf(round, Down, "n1", confirmations: 2)] : [];
        await world.UntilAsync(() => looks == 1, "the first sight");
        world.Rule = round => round.Nodes.All(n => n.Reachability == Reachability.Reachable) ? [] : [WatchWorld.FaultOf(round, Down, "n1", confirmations: 2)];
        world.Time.Advance(TimeSpan.FromMinutes(10));
        await world.UntilAsync(() => world.Told(WatchEventKind.Watcher), "the word of the gap");
        await world.PassAsync(TimeSpan.FromSeconds(5));
        Assert.False(world.Told(WatchEventKind.FaultRaised));
        Assert.Single(world.Events, e => e.Kind == WatchEventKind.Watcher);
    }

    [Fact]
    public async Task Where_nothing_answers_a_fault_has_not_gone()
    {
        await using var world = World();
        world.Rule = round => round.Nodes.All(n => n.Reachability == Reachability.TimedOut) ? [] : DownRule(round);
        world.Start();
        await world.UntilAsync(() => world.Told(WatchEventKind.Started), "the start");
        world.Servers.Set("n1", NodeRole.Primary, Reachability.Absent);
        await world.UntilAsync(() => world.Told(WatchEventKind.FaultRaised, Down), "the fault");
        world.Servers.Set("n1", NodeRole.Primary, Reachability.TimedOut);
        world.Servers.Set("n2", NodeRole.Replica, Reachability.TimedOut);
        await world.PassAsync(TimeSpan.FromSeconds(10));
        Assert.False(world.Told(WatchEventKind.FaultCleared));
        world.Servers.Set("n1", NodeRole.Primary);
        world.Servers.Set("n2", NodeRole.Replica);
        await world.UntilAsync(() => world.Told(WatchEventKind.FaultCleared, Down), "its end");
    }

    [Fact]
    public async Task Of_many_clusters_few_are_read_at_one_time_and_each_has_its_turn()
    {
        await using var world = new WatchWorld();
        var turns = new SemaphoreSlim(0);
        var (begun, ended) = (new ConcurrentQueue<string>(), 0);
        for (var i = 0; i < 20; i++)
        {
            world.Clusters.Add(WatchWorld.Cluster($"c{i}", nodes: $"n{i}"));
            world.Servers.Set($"n{i}", NodeRole.Primary);
        }
        world.Examined = async (cluster, token) =>
        {
            begun.Enqueue(cluster.Name);
            await turns.WaitAsync(token);
            Interlocked.Increment(ref ended);
        };
        world.Start();
        for (var most = 8; most <= 20; most++)
        {
            await Wait.UntilAsync(() => begun.Count == most && ended == most - 8, "the next turn");
            turns.Release();
        }
        Assert.Equal(20, begun.Distinct().Count());
        turns.Release(20);
        await world.UntilAsync(() => world.Events.Count(e => e.Kind == WatchEventKind.Started) == 20, "every watch");
    }

    [Fact]
    public async Task It_ends_by_itself_when_its_time_is_over()
    {
        await using var world = World();
        world.Start(new WatchOptions { Clusters = [], For = TimeSpan.FromSeconds(30) });
        await world.PassAsync(TimeSpan.FromSeconds(29));
        world.Time.Advance(TimeSpan.FromSeconds(1));
        await world.StopAsync();
        Assert.Equal([WatchEventKind.Started], world.Events.Select(e => e.Kind));
    }

    [Fact]
    public async Task A_cluster_that_cannot_be_watched_is_told_and_left_out()
    {
        var servers = new FakeServers();
        servers.Set("n1", NodeRole.Primary);
        var world = new WatchWorld();
        var watch = new HealthWatch(new WatchServices
        {
            Providers = engine => engine == "fake" ? servers : throw new DbRecoveryException(ErrorIds.EngineNotSupported, ErrorKind.NotSupported, $"no engine '{engine}'"), Judge = world, Health = world,
        });
        var good = WatchWorld.Cluster("good", nodes: "n1");
        using var stop = new CancellationTokenSource(Wait.Limit);
        var told = new List<WatchEvent>();
        await foreach (var e in watch.WatchAsync(new WatchOptions { Clusters = [WatchWorld.Cluster("bad") with { Engine = "unknown" }, good] }, stop.Token))
        {
            told.Add(e);
            if (told.Count == 2)
                break;
        }
        Assert.Contains(told, e => e is { Kind: WatchEventKind.Watcher, Cluster: "bad" });
        Assert.Contains(told, e => e is { Kind: WatchEventKind.Started, Cluster: "good" });
        var alone = await Assert.ThrowsAsync<DbRecoveryException>(async () =>
        {
            await foreach (var _ in watch.WatchAsync(new WatchOptions { Clusters = [good with { Engine = "unknown" }] }, stop.Token))
                break;
        });
        Assert.Equal(ErrorIds.EngineNotSupported, alone.Id);
    }
}
