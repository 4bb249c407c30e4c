using DbRecovery.PostgreSql.Tests.Lab;
using DbRecovery.PostgresLab;

namespace DbRecovery.PostgreSql.Tests.Replicas;

/// <summary>A primary that fell, and its standby that was promoted.</summary>
internal static class Scene
{
    public static IReplicaBuilder Replicas(this Bench bench) => bench.Provider.Require<IReplicaBuilder>("a test");

    public static NodeDefinition Old(this Bench bench) => bench.Cluster.Nodes[0];

    public static NodeDefinition New(this Bench bench) => bench.Cluster.Nodes[1];

    public static Task<RejoinAssessment> AssessAsync(this Bench bench, bool mayRecover = false) => bench.Replicas().AssessAsync(bench.Cluster, bench.Old(), bench.New(), mayRecover, default);

    /// <summary>The old primary wrote what its standby never got, fell, and the standby was promoted and written to.</summary>
    public static async Task<Bench> DivergedAsync(PgClusterOptions? options = null, bool clean = false)
    {
        var bench = await Bench.StartAsync((options ?? new PgClusterOptions()) with { Standbys = 1 });
        try
        {
            var (old, standby) = (bench.Lab.Nodes[0], bench.Lab.Nodes[1]);
            await bench.Lab.ExecuteAsync(old, "create table \"we\"\"ird\" (id int primary key, note text); insert into \"we\"\"ird\" values (1, 'both')");
            await bench.Lab.UntilCaughtUpAsync(standby, old);
            await standby.StopAsync();
            await bench.Lab.ExecuteAsync(old, "insert into \"we\"\"ird\" select g, 'lost' from generate_series(10, 12) g");
            await bench.Lab.ExecuteAsync(old, "update \"we\"\"ird\" set note = 'lost, too' where id = 1");
            await bench.Lab.ExecuteAsync(old, "begin; insert into \"we\"\"ird\" values (99, 'never'); rollback");
            await FallAsync(old, clean);
            await standby.StartAsync();
            await PromoteAsync(bench);
            return bench;
        }
        catch
        {
            await bench.DisposeAsync();
            throw;
        }
    }

    public static async Task FallAsync(PgNode node, bool clean)
    {
        await (clean ? node.StopAsync() : node.KillAsync());
        await Wait.UntilAsync(() => !node.Runs, "the old primary still runs");
    }

    public static async Task PromoteAsync(Bench bench)
    {
        await bench.Lab.ExecuteAsync(bench.Lab.Nodes[1], "select pg_promote(true)");
        await bench.Lab.UntilAsync(bench.Lab.Nodes[1], "select pg_is_in_recovery()", false);
        await bench.Lab.ExecuteAsync(bench.Lab.Nodes[1], "create table if not exists \"we\"\"ird\" (id int primary key, note text); insert into \"we\"\"ird\" values (2, 'new')");
    }

    /// <summary>It follows, has what the new primary has and nothing else, and is the server that it was: its port and its settings.</summary>
    public static async Task FollowsAsync(Bench bench, string configuration)
    {
        var (old, now) = (bench.Lab.Nodes[0], bench.Lab.Nodes[1]);
        await bench.Lab.UntilStreamingAsync(old, now);
        await bench.Lab.UntilCaughtUpAsync(old, now);
        const string rows = "select string_agg(id || note, ',' order by id) from \"we\"\"ird\"";
        Assert.Equal(await bench.Lab.ScalarAsync<string>(now, rows), await bench.Lab.ScalarAsync<string>(old, rows));
        Assert.True(await bench.Lab.ScalarAsync<bool>(old, "select pg_is_in_recovery()"));
        Assert.Equal(old.Port.ToString(), await bench.Lab.ScalarAsync<string>(old, "show port"));
        Assert.Equal(configuration, File.ReadAllText(Path.Combine(old.DataDir, "postgresql.conf")));
        Assert.Equal(1L, await bench.Lab.ScalarAsync<long>(now, $"select count(*) from pg_replication_slots where slot_name = '{old.Slot}' and active"));
        Assert.False(Directory.Exists(old.DataDir + ".dbrecovery"));
    }

    /// <summary>A node of the inventory that has no data yet, in a folder of its own.</summary>
    public static NodeDefinition NewNode(Bench bench, string name)
    {
        var folder = Path.Combine(bench.Lab.Folder, name);
        Directory.CreateDirectory(folder);
        Machine.Own(folder);
        return bench.Old() with { Name = name, Port = Machine.FreePort(), DataDir = Path.Combine(folder, "data") };
    }

    public static string Configuration(Bench bench) => File.ReadAllText(Path.Combine(bench.Lab.Nodes[0].DataDir, "postgresql.conf"));

    /// <summary>Puts a program of the test's own in the place of one of the node's.</summary>
    public static async Task ReplaceAsync(PgNode node, string program, string script)
    {
        var path = Path.Combine(node.BinDir, program);
        var real = new FileInfo(path).LinkTarget!;
        File.Delete(path);
        File.WriteAllText(path, $"#!/bin/sh\nREAL={real}\n{script}\n");
        await Machine.RunAsync(["chmod", "755", path]);
    }

    /// <summary>Undoes <see cref="ReplaceAsync"/>.</summary>
    public static void Mend(PgNode node, string program)
    {
        File.Delete(Path.Combine(node.BinDir, program));
        File.CreateSymbolicLink(Path.Combine(node.BinDir, program), Path.Combine(PgClusterOptions.DefaultBinDir, program));
    }
}
