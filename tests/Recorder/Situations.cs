using DbRecovery.Engine.Health;
using DbRecovery.PostgresLab;

namespace DbRecovery.Recorder;

/// <summary>The situations, each brought about on a cluster of its own.</summary>
internal static class Situations
{
    private static readonly PgClusterOptions Three = new();
    private static readonly PgClusterOptions Two = new() { Standbys = 1 };
    private static readonly PgClusterOptions Relayed = new() { Relays = true };
    private static readonly PgClusterOptions RelayedInside = new() { Relays = true, UpstreamRelays = true };
    // log goes as soon as it may
    private static readonly Dictionary<string, string> Short = new() { ["wal_keep_size"] = "0", ["max_wal_size"] = "2MB", ["min_wal_size"] = "2MB" };

    public static IReadOnlyList<Situation> All { get; } =
    [
        new("healthy", Three, Nothing, AllStream),
        new("healthy-quiet", Three, Nothing, AllStream) { Writes = false },
        new("healthy-synchronous", new() { Synchronous = 1 }, Nothing, v => AllStream(v) && Of(v, "lab-1").Facts.Int(PostgreSqlFacts.SyncPresent) > 0),
        new("healthy-cascading", new() { Cascading = true }, Nothing, AllStream),
        new("healthy-through-relays", RelayedInside, Nothing, AllStream),
        new("switched-over-by-hand", Three, SwitchOverAsync, v => Of(v, "lab-2").Role == NodeRole.Primary && new[] { "lab-1", "lab-3" }.All(n => Streams(v, n))) { Writes = false },

        new("primary-killed", Three, lab => lab.P.KillAsync(), v => Is(v, "lab-1", Reachability.Absent) && NoneStreams(v)),
        new("primary-killed-never-seen", Three, lab => lab.P.KillAsync(), v => Is(v, "lab-1", Reachability.Absent) && NoneStreams(v)) { Rounds = 0 },
        new("primary-killed-cascading", new() { Cascading = true }, lab => lab.P.KillAsync(), v => Is(v, "lab-1", Reachability.Absent) && !Streams(v, "lab-2")),
        new("primary-killed-synchronous", new() { Synchronous = 1 }, lab => lab.P.KillAsync(), v => Is(v, "lab-1", Reachability.Absent) && NoneStreams(v)),
        new("primary-killed-through-relays", RelayedInside, lab => lab.P.KillAsync(), v => !Is(v, "lab-1", Reachability.Reachable) && NoneStreams(v)),
        new("primary-frozen", Three, lab => lab.P.FreezeAsync(), v => Is(v, "lab-1", Reachability.TimedOut) && Ages(v, 1.5)),
        new("primary-host-gone", RelayedInside, async lab => await Task.WhenAll(lab.P.Relay!.VanishAsync(), lab.S1.UpstreamRelay!.VanishAsync(), lab.S2.UpstreamRelay!.VanishAsync()),
            v => Is(v, "lab-1", Reachability.TimedOut) && Ages(v, 2.5)),
        new("primary-host-gone-quiet", RelayedInside, async lab => await Task.WhenAll(lab.P.Relay!.VanishAsync(), lab.S1.UpstreamRelay!.VanishAsync(), lab.S2.UpstreamRelay!.VanishAsync()),
            v => Is(v, "lab-1", Reachability.TimedOut)) { Writes = false },
        new("primary-crash-loop", Two, CrashLoopAsync, v => Of(v, "lab-1").Facts.Int(PostgreSqlFacts.Restarts) >= 3 && Streams(v, "lab-2")),
        new("primary-in-recovery", Two, RecoverAsync, v => Is(v, "lab-1", Reachability.Refusing)),
        new("single-killed", new() { Standbys = 0 }, lab => lab.P.KillAsync(), v => Is(v, "lab-1", Reachability.Absent)),
        new("single-frozen", new() { Standbys = 0 }, lab => lab.P.FreezeAsync(), v => Is(v, "lab-1", Reachability.TimedOut)),
        new("all-killed", Three, lab => Task.WhenAll(lab.Cluster.Nodes.Select(n => n.KillAsync())), v => v.Nodes.All(n => n.Reachability == Reachability.Absent)),

        new("watcher-cut-off", Relayed, lab => Task.WhenAll(lab.Cluster.Nodes.Select(n => n.Relay!.VanishAsync())), v => v.Nodes.All(n => n.Reachability == Reachability.TimedOut)),
        new("watcher-cut-off-two", new() { Relays = true, Standbys = 1 }, lab => Task.WhenAll(lab.Cluster.Nodes.Select(n => n.Relay!.VanishAsync())), v => v.Nodes.All(n => n.Reachability == Reachability.TimedOut)),
        new("watcher-cut-off-from-primary", Relayed, lab => lab.P.Relay!.VanishAsync(), v => Is(v, "lab-1", Reachability.TimedOut)),
        new("watcher-cut-off-from-primary-quiet", Relayed, lab => lab.P.Relay!.VanishAsync(), v => Is(v, "lab-1", Reachability.TimedOut)) { Writes = false },
        new("watcher-reset-by-primary", Relayed, lab => { lab.P.Relay!.Cut(); return Task.CompletedTask; }, v => !Is(v, "lab-1", Reachability.Reachable)),
        new("watcher-cut-off-from-most", Relayed, lab => Task.WhenAll(lab.P.Relay!.VanishAsync(), lab.S1.Relay!.VanishAsync()), v => v.Nodes.Count(n => n.Reachability == Reachability.TimedOut) == 2),
        new("watcher-cut-off-from-standby", Relayed, lab => lab.S1.Relay!.VanishAsync(), v => Is(v, "lab-2", Reachability.TimedOut)),
        new("cut-off-and-standby-broken-before", new() { Relays = true, Standbys = 1 }, async lab =>
        {
            await lab.FollowAsync(lab.S1, 1);
            await lab.UntilAsync(v => !Streams(v, "lab-2"));
            await RoundsForAsync(lab, TimeSpan.FromSeconds(5));
            await lab.P.Relay!.VanishAsync();
        }, v => Is(v, "lab-1", Reachability.TimedOut)),

        new("standby-killed", Three, lab => lab.S1.KillAsync(), v => Is(v, "lab-2", Reachability.Absent)),
        new("standby-frozen", Three, lab => lab.S1.FreezeAsync(), v => Is(v, "lab-2", Reachability.TimedOut)),
        new("standby-without-connections", new() { Settings = new Dictionary<string, string> { ["hot_standby"] = "on" } }, RefuseConnectionsAsync, v => Is(v, "lab-2", Reachability.Refusing)),
        new("receiver-wrong-port", Three, lab => lab.FollowAsync(lab.S1, 1), v => !Streams(v, "lab-2")),
        new("receiver-no-conninfo", Three, async lab =>
        {
            await lab.SqlAsync(lab.S1, "alter system set primary_conninfo = ''");
            await lab.SqlAsync(lab.S1, "select pg_reload_conf()");
        }, v => !Streams(v, "lab-2")),
        new("receiver-slot-missing", Three, async lab =>
        {
            await lab.S1.StopAsync();
            await lab.SqlAsync(lab.P, $"select pg_drop_replication_slot('{lab.S1.Slot}')");
            await lab.S1.StartAsync();
        }, v => Is(v, "lab-2", Reachability.Reachable) && !Streams(v, "lab-2")),
        new("sibling-left-behind", Three, async lab =>
        {
            await lab.P.StopAsync();
            await lab.SqlAsync(lab.S1, "select pg_promote()");
        }, v => Is(v, "lab-1", Reachability.Absent) && Of(v, "lab-2").Role == NodeRole.Primary && !Streams(v, "lab-3")),
        new("replay-paused", Three, async lab => await lab.SqlAsync(lab.S1, "select pg_wal_replay_pause()"), v => Of(v, "lab-2").Facts.Bool(PostgreSqlFacts.ReplayPaused) == true),
        new("standby-behind", Three, async lab =>
        {
            await lab.SqlAsync(lab.S1, "alter system set recovery_min_apply_delay = '1h'");
            await lab.SqlAsync(lab.S1, "select pg_reload_conf()");
        }, v => Of(v, "lab-2").Facts.Int(ReplicationFacts.LagBytes) > 1000) { Define = c => c with { Policy = c.Policy with { MaxLagBytes = 1000 } } },
        new("slot-lost", new() { Settings = new Dictionary<string, string>(Short) { ["max_slot_wal_keep_size"] = "2MB" } }, async lab =>
        {
            await lab.S1.StopAsync();
            await SwitchLogAsync(lab, 12);
            await lab.Cluster.UntilAsync(lab.P, $"select wal_status from pg_replication_slots where slot_name = '{lab.S1.Slot}'", "lost");
            await lab.S1.StartAsync();
        }, v => Is(v, "lab-2", Reachability.Reachable) && !Streams(v, "lab-2")),
        new("slot-lost-standby-down", new() { Settings = new Dictionary<string, string>(Short) { ["max_slot_wal_keep_size"] = "2MB" } }, async lab =>
        {
            await lab.S1.StopAsync();
            await SwitchLogAsync(lab, 12);
            await lab.Cluster.UntilAsync(lab.P, $"select wal_status from pg_replication_slots where slot_name = '{lab.S1.Slot}'", "lost");
        }, v => Is(v, "lab-2", Reachability.Absent) && Of(v, "lab-1").Slots.Any(s => s.WalStatus == "lost")),
        new("slot-bloat", new() { Settings = Short }, async lab =>
        {
            await lab.SqlAsync(lab.P, "select pg_create_physical_replication_slot('nobody', true)");
            await SwitchLogAsync(lab, 12);
        }, v => Of(v, "lab-1").Slots.Any(s => s is { Name: "nobody", WalStatus: "extended" }) && AllStream(v)),
        new("standby-diverged", Three, DivergeAsync, v => Is(v, "lab-1", Reachability.Absent) && Of(v, "lab-2").Role == NodeRole.Primary && !Streams(v, "lab-3")) { Writes = false },

        new("two-primaries", Three, lab => lab.SqlAsync(lab.S1, "select pg_promote()"), v => v.Nodes.Count(n => n.Role == NodeRole.Primary) == 2),
        new("promoted-out-of-band", Two, async lab =>
        {
            await lab.P.KillAsync();
            await lab.SqlAsync(lab.S1, "select pg_promote()");
        }, v => Is(v, "lab-1", Reachability.Absent) && Of(v, "lab-2").Role == NodeRole.Primary),
        new("no-primary", Two, async lab =>
        {
            await lab.P.StopAsync();
            File.WriteAllText(Path.Combine(lab.P.DataDir, "standby.signal"), "");
            await lab.P.StartAsync();
        }, v => v.Nodes.All(n => n is { Reachability: Reachability.Reachable, Role: NodeRole.Replica }) && Streams(v, "lab-2")),
        new("primary-read-only", Two, async lab =>
        {
            await lab.StopWritingAsync();
            await lab.SqlAsync(lab.P, "alter system set default_transaction_read_only = on");
            await lab.SqlAsync(lab.P, "select pg_reload_conf()");
            await lab.ReconnectAsync();
        }, v => Of(v, "lab-1").Facts.Bool(PostgreSqlFacts.DefaultReadOnly) == true),
        new("foreign-node", Two, async lab =>
        {
            var other = await lab.AnotherAsync(new PgClusterOptions { Name = "other", Standbys = 0, FreshSystemId = true });
            lab.Definition = lab.Definition with { Nodes = [.. lab.Definition.Nodes, new NodeDefinition { Name = "lab-3", Host = "127.0.0.1", Port = other.Primary.Port }] };
        }, v => v.Nodes.Count == 3 && Is(v, "lab-3", Reachability.Reachable)),
        new("node-twice", Two, lab =>
        {
            lab.Definition = lab.Definition with { Nodes = [.. lab.Definition.Nodes, new NodeDefinition { Name = "lab-3", Host = "localhost", Port = lab.S1.Port }] };
            return Task.CompletedTask;
        }, v => v.Nodes.Count == 3 && v.Nodes.All(n => n.Reachability == Reachability.Reachable)),

        new("sync-blocked", new() { Synchronous = 1 }, async lab =>
        {
            await lab.StopWritingAsync();
            await Task.WhenAll(lab.S1.KillAsync(), lab.S2.KillAsync());
            _ = await lab.SessionAsync(lab.P, "", "insert into lab_writes values (-1)");
        }, v => Of(v, "lab-1").Facts.Int(PostgreSqlFacts.SyncWaiters) > 0 && v.Nodes.Count(n => n.Reachability == Reachability.Absent) == 2),
        new("sync-one-of-two-down", new() { Synchronous = 1 }, lab => lab.S1.KillAsync(), v => Is(v, "lab-2", Reachability.Absent)),
        new("prepared", new() { Standbys = 1, Settings = new Dictionary<string, string> { ["max_prepared_transactions"] = "5" } },
            async lab => await lab.SessionAsync(lab.P, "begin; create table t(i int); prepare transaction 'it''s'"), v => Of(v, "lab-1").Facts.Int(PostgreSqlFacts.PreparedCount) > 0),
        new("connections-exhausted", Two, async lab =>
        {
            await lab.StopWritingAsync();
            await lab.ReconnectAsync();
            await FillAsync(lab);
        }, v => Is(v, "lab-1", Reachability.Refusing)),
        new("connections-nearly-exhausted", Two, async lab =>
        {
            await lab.StopWritingAsync();
            await lab.RoundAsync();
            await FillAsync(lab);
        }, v => Of(v, "lab-1").Facts.Int(PostgreSqlFacts.ConnectionsUsed) >= 37),
        new("wrong-password", new() { Standbys = 1, Scram = true }, lab =>
        {
            File.WriteAllText(Path.Combine(lab.Cluster.Folder, "wrong"), "not the password");
            lab.Definition = lab.Definition with { Auth = lab.Definition.Auth! with { Password = new SecretReference(SecretSource.File, Path.Combine(lab.Cluster.Folder, "wrong")) } };
            return lab.ReconnectAsync();
        }, v => v.Nodes.All(n => n.Reachability == Reachability.Refusing)),
        new("archive-failing", new() { Standbys = 1, Settings = new Dictionary<string, string> { ["archive_mode"] = "on", ["archive_command"] = "false" } },
            lab => lab.SqlAsync(lab.P, "select pg_switch_wal()"), v => Of(v, "lab-1").Facts.Bool(PostgreSqlFacts.ArchiveFailing) == true),
        new("checksum-failure", Two, DamageAsync, v => AllStream(v) && Of(v, "lab-1").Facts.Int(PostgreSqlFacts.ChecksumFailures) > 0),
        new("settings-differ", new() { Standbys = 1, Checksums = false }, async lab =>
        {
            lab.S1.Configure([new("synchronous_commit", "off")]);
            await lab.SqlAsync(lab.S1, "select pg_reload_conf()");
            await lab.ReconnectAsync();
        }, v => AllStream(v) && Of(v, "lab-2").Facts.List(PostgreSqlFacts.Settings)!.Contains("synchronous_commit=off")),
        new("lock-pileup", Two, async lab =>
        {
            await lab.StopWritingAsync();
            await lab.SessionAsync(lab.P, "begin; lock table lab_writes in access exclusive mode");
            for (var i = 0; i < 6; i++)
                _ = await lab.SessionAsync(lab.P, "", "select count(*) from lab_writes");
        }, v => Of(v, "lab-1").Facts.Int(PostgreSqlFacts.Blocked) >= 6 && Of(v, "lab-1").Facts.Number(PostgreSqlFacts.BlockedLongest) > 5.5),
        new("open-transaction", Two, async lab => await lab.SessionAsync(lab.P, "begin; select txid_current()"), v => Of(v, "lab-1").Facts.Int(PostgreSqlFacts.IdleInTransactionCount) > 0),
    ];

    private static Task Nothing(Lab lab) => Task.CompletedTask;

    private static NodeObservation Of(ClusterView view, string node) => view.Nodes.Single(n => n.Node == node);
    private static bool Is(ClusterView view, string node, Reachability how) => Of(view, node).Reachability == how;
    private static bool Streams(ClusterView view, string node) => Of(view, node).Upstream is { Streaming: true };
    private static bool AllStream(ClusterView view) => view.Nodes.All(n => n.Role == NodeRole.Primary || Streams(view, n.Node));
    private static bool NoneStreams(ClusterView view) => !view.Nodes.Any(n => Streams(view, n.Node));
    private static bool Ages(ClusterView view, double least) => view.Nodes.Where(n => n.Role == NodeRole.Replica).All(n => n.Facts.Number(PostgreSqlFacts.ReceiptAge) >= least);

    private static async Task RoundsForAsync(Lab lab, TimeSpan time)
    {
        for (var clock = System.Diagnostics.Stopwatch.StartNew(); clock.Elapsed < time; await Task.Delay(200))
            await lab.RoundAsync();
    }

    private static async Task SwitchLogAsync(Lab lab, int times)
    {
        for (var i = 0; i < times; i++)
        {
            await lab.SqlAsync(lab.P, "create table if not exists filler (t text)");
            await lab.SqlAsync(lab.P, "insert into filler select repeat('x', 1000) from generate_series(1, 100)");
            await lab.SqlAsync(lab.P, "select pg_switch_wal()");
        }
        await lab.SqlAsync(lab.P, "checkpoint");
    }

    private static async Task SwitchOverAsync(Lab lab)
    {
        await lab.P.StopAsync();
        await lab.SqlAsync(lab.S1, "select pg_promote()");
        foreach (var node in new[] { lab.P, lab.S2 })
            await lab.SqlAsync(lab.S1, $"select pg_create_physical_replication_slot('{node.Slot}', true)");
        await lab.FollowAsync(lab.S2, lab.S1.Port);
        File.WriteAllText(Path.Combine(lab.P.DataDir, "standby.signal"), "");
        File.AppendAllText(Path.Combine(lab.P.DataDir, "postgresql.auto.conf"),
            $"primary_conninfo = 'host=127.0.0.1 port={lab.S1.Port} user=postgres application_name={lab.P.Name} sslmode=disable'\nprimary_slot_name = '{lab.P.Slot}'\n");
        await lab.P.StartAsync();
    }

    private static async Task CrashLoopAsync(Lab lab)
    {
        for (var i = 0; i < 3; i++)
        {
            await lab.P.KillAsync();
            await lab.UntilAsync(v => !Is(v, "lab-1", Reachability.Reachable));
            await lab.P.StartAsync();
            await lab.UntilAsync(v => Is(v, "lab-1", Reachability.Reachable));
        }
    }

    // a start that waits for an archive that never answers refuses as one that replays a long log does
    private static async Task RecoverAsync(Lab lab)
    {
        await lab.P.KillAsync();
        File.WriteAllText(Path.Combine(lab.P.DataDir, "recovery.signal"), "");
        lab.P.Configure([new("restore_command", "sleep 600; false"), new("hot_standby", "off")]);
        _ = lab.P.StartAsync();
    }

    private static async Task RefuseConnectionsAsync(Lab lab)
    {
        await lab.S1.StopAsync();
        lab.S1.Configure([new("hot_standby", "off")]);
        _ = lab.S1.StartAsync();
    }

    private static async Task FillAsync(Lab lab)
    {
        for (var i = 0; i < 60; i++)
        {
            try
            {
                await lab.SessionAsync(lab.P, "");
            }
            catch (Npgsql.PostgresException e) when (e.SqlState == "53300")
            {
                return;
            }
        }
    }

    private static async Task DivergeAsync(Lab lab)
    {
        await lab.SqlAsync(lab.P, "create table t (i int)");
        await lab.Cluster.UntilCaughtUpAsync(lab.S1, lab.P);
        // the first standby takes over without what the second one still receives
        await lab.FollowAsync(lab.S1, 1);
        await lab.UntilAsync(v => !Streams(v, "lab-2"));
        await lab.SqlAsync(lab.P, "insert into t select generate_series(1, 1000)");
        await lab.Cluster.UntilCaughtUpAsync(lab.S2, lab.P);
        await lab.P.KillAsync();
        await lab.SqlAsync(lab.S1, "select pg_promote()");
        await lab.SqlAsync(lab.S1, $"select pg_create_physical_replication_slot('{lab.S2.Slot}', true)");
        await lab.FollowAsync(lab.S2, lab.S1.Port);
        await lab.Cluster.UntilAsync(lab.S2, "select count(*) from pg_stat_wal_receiver", 0L);
    }

    private static async Task DamageAsync(Lab lab)
    {
        await lab.StopWritingAsync();
        await lab.SqlAsync(lab.P, "create table damaged as select repeat('x', 1000) as t from generate_series(1, 100)");
        var file = await lab.Cluster.ScalarAsync<string>(lab.P, "select pg_relation_filepath('damaged')");
        await lab.P.StopAsync();
        await using (var bytes = File.OpenWrite(Path.Combine(lab.P.DataDir, file!)))
        {
            bytes.Position = 8192 + 4000;
            bytes.WriteByte(0x5a);
        }
        await lab.P.StartAsync();
        try
        {
            await lab.SqlAsync(lab.P, "select count(*) from damaged");
        }
        catch (Npgsql.PostgresException e) when (e.SqlState == "XX001")
        {
        }
    }
}
