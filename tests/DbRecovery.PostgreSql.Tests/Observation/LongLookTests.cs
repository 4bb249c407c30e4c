using DbRecovery.PostgresLab;
using Npgsql;

namespace DbRecovery.PostgreSql.Tests.Observation;

/// <summary>What a standard or deep look finds in the databases, and what upkeep mends.</summary>
public sealed class LongLookTests
{
    private static readonly PgClusterOptions One = new() { Standbys = 0, Settings = new Dictionary<string, string> { ["max_prepared_transactions"] = "2" } };

    [Fact]
    public async Task Tables_indexes_constraints_and_sequences_are_held_against_what_they_should_be()
    {
        await using var lab = await PgCluster.StartAsync(One);
        await lab.ExecuteAsync(lab.Primary, """create database "od'd ""db" """);
        await using (var odd = await lab.OpenAsync(lab.Primary, "od'd \"db"))
        {
            await RunAsync(odd, """
                create schema "Sch'ema"; create table "Sch'ema"."Ta""ble" ("I'd" serial primary key, n int);
                insert into "Sch'ema"."Ta""ble" ("I'd", n) values (9, 1), (10, 1);
                alter table "Sch'ema"."Ta""ble" add constraint "c'k" check (n > 5) not valid
                """);
            await Assert.ThrowsAsync<PostgresException>(() => RunAsync(odd, """create unique index concurrently "bad""index" on "Sch'ema"."Ta""ble" (n)"""));
        }
        await lab.ExecuteAsync(lab.Primary, """create table few (i int); insert into few values (1), (2); create table "Quo.ted" (i int); create table whole (id int generated always as identity primary key); insert into whole default values""");
        var cluster = lab.Cluster() with
        {
            Control = new ControlSettings { Kind = ControlKind.PgCtl, Via = ["ssh", "{host}"] },
            Expects = new ExpectationSettings { Tables = new Dictionary<string, TableExpectation> { ["public.few"] = new(3), ["few"] = new(2), ["Quo.ted"] = new(), ["gone"] = new(1), ["other.few"] = new() } },
        };
        await using var watched = new Watched(cluster);
        var seen = await watched.LookAsync(lab.Primary, ObservationLevel.Standard);
        Assert.Empty(seen.Errors);
        Assert.Equal(["gone", "other.few"], seen.Facts.List(CommonFacts.MissingTables)!);
        Assert.Equal(["public.few: 2 of at least 3"], seen.Facts.List(CommonFacts.ShortTables)!);
        Assert.Equal(["od'd \"db: Sch'ema.bad\"index"], seen.Facts.List(PostgreSqlFacts.InvalidIndexes)!);
        Assert.Equal(["od'd \"db: Sch'ema.Ta\"ble.c'k"], seen.Facts.List(PostgreSqlFacts.InvalidConstraints)!);
        Assert.Equal(["od'd \"db: Sch'ema.Ta\"ble_I'd_seq 0 < 10"], seen.Facts.List(PostgreSqlFacts.SequencesBehind)!);
        Assert.True(seen.Facts.Int(CommonFacts.DataSize) > 1_000_000);
        Assert.True(seen.Facts.Int(PostgreSqlFacts.WalBytes) > 0);
        Assert.Contains('/', seen.Facts.Text(PostgreSqlFacts.OldestWal)!);
        // no way to the machine in this test: unknown, with the reason
        Assert.NotNull(seen.Facts.Find(CommonFacts.DiskFree.Name)!.UnknownBecause);
    }

    [Fact]
    public async Task One_table_that_is_locked_keeps_no_other_from_being_seen()
    {
        await using var lab = await PgCluster.StartAsync(One);
        await using var watched = new Watched(lab.Cluster());
        foreach (var table in (string[])["a", "held", "z"])
            await lab.ExecuteAsync(lab.Primary, $"create table {table} (id serial primary key); insert into {table} (id) values (3)");
        await lab.ExecuteAsync(lab.Primary, "create table empty (id serial primary key); create sequence down_seq increment -1; create table down (id int primary key default nextval('down_seq')); alter sequence down_seq owned by down.id; insert into down values (-5)");
        string[] all = ["postgres: public.a_id_seq 0 < 3", "postgres: public.down_seq 0 > -5", "postgres: public.held_id_seq 0 < 3", "postgres: public.z_id_seq 0 < 3"];
        for (var i = 0; i < 3; i++)
            Assert.Equal(all, (await watched.LookAsync(lab.Primary, ObservationLevel.Standard)).Facts.List(PostgreSqlFacts.SequencesBehind)!);
        await using var holder = await lab.OpenAsync(lab.Primary);
        await RunAsync(holder, "begin; lock table held");
        var seen = await watched.LookAsync(lab.Primary, ObservationLevel.Standard);
        Assert.Equal(all.Where(s => !s.Contains("held", StringComparison.Ordinal)), seen.Facts.List(PostgreSqlFacts.SequencesBehind)!);
        Assert.Empty(seen.Errors);
        await RunAsync(holder, "rollback");
        Assert.Equal(all, (await watched.LookAsync(lab.Primary, ObservationLevel.Standard)).Facts.List(PostgreSqlFacts.SequencesBehind)!);
    }

    [Fact]
    public async Task Damage_in_an_index_is_found_by_a_deep_look_and_mended()
    {
        await using var lab = await PgCluster.StartAsync(One);
        await lab.ExecuteAsync(lab.Primary, "create extension amcheck; create table t as select i, i % 7 as n from generate_series(1, 5000) i; create index t_i on t (i); insert into t values (1, 1)");
        await Assert.ThrowsAsync<PostgresException>(() => lab.ExecuteAsync(lab.Primary, "create unique index concurrently t_u on t (i)"));
        await lab.ExecuteAsync(lab.Primary, "delete from t where ctid = (select max(ctid) from t)");
        var file = await lab.ScalarAsync<string>(lab.Primary, "select pg_relation_filepath('t_i')");
        await lab.Primary.StopAsync();
        await using (var stream = File.OpenWrite(Path.Combine(lab.Primary.DataDir, file!)))
        {
            stream.Position = 8192 + 4000;
            stream.Write(new byte[200]);
        }
        await lab.Primary.StartAsync();
        await using var watched = new Watched(lab.Cluster());
        var seen = await watched.LookAsync(lab.Primary, ObservationLevel.Deep);
        Assert.StartsWith("postgres: public.t_i: ", Assert.Single(seen.Facts.List(PostgreSqlFacts.CorruptObjects)!), StringComparison.Ordinal);
        Assert.Equal(["postgres: public.t_u"], seen.Facts.List(PostgreSqlFacts.InvalidIndexes)!);
        Assert.True(watched.Provider.TryGet<IMaintenance>(out var maintenance));
        // what is said beforehand is what is done here, not to every index
        Assert.Contains("marked as not valid", maintenance.PlanReindex(watched.Cluster.Nodes[0]).Detail, StringComparison.Ordinal);
        Assert.Equal("CHECKPOINT", maintenance.PlanCheckpoint(watched.Cluster.Nodes[0]).Detail);
        await maintenance.ReindexAsync(watched.Cluster, watched.Cluster.Nodes[0], Wait.Limit, default);
        seen = await watched.LookAsync(lab.Primary, ObservationLevel.Deep);
        Assert.Empty(seen.Facts.List(PostgreSqlFacts.CorruptObjects)!);
        Assert.Empty(seen.Facts.List(PostgreSqlFacts.InvalidIndexes)!);
        Assert.Contains("checkpoint", await maintenance.CheckpointAsync(watched.Cluster, watched.Cluster.Nodes[0], Wait.Limit, default), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Who_holds_others_up_is_named()
    {
        await using var lab = await PgCluster.StartAsync(One);
        await using var watched = new Watched(lab.Cluster());
        await lab.ExecuteAsync(lab.Primary, "create table t (i int primary key); insert into t values (1)");
        await lab.ExecuteAsync(lab.Primary, "begin; insert into t values (2); prepare transaction 'left'");
        await using var holder = await lab.OpenAsync(lab.Primary);
        await RunAsync(holder, "begin; update t set i = 1 where i = 1");
        await using var waiter = await lab.OpenAsync(lab.Primary);
        var waiting = RunAsync(waiter, "update t set i = 1 where i = 1");
        var seen = await watched.UntilAsync(lab.Primary, o => o.Facts.Int(PostgreSqlFacts.Blocked) == 1);
        Assert.Equal([$"pid {holder.ProcessID} (lab, postgres): 1 waiting"], seen.Facts.List(PostgreSqlFacts.RootBlockers)!);
        Assert.Equal(1L, seen.Facts.Int(PostgreSqlFacts.IdleInTransactionCount));
        Assert.Equal(1L, seen.Facts.Int(PostgreSqlFacts.PreparedCount));
        Assert.NotEqual("", (await watched.LookAsync(lab.Primary, ObservationLevel.Standard)).Facts.Text(PostgreSqlFacts.XminHolder));
        await RunAsync(holder, "rollback");
        await waiting;
    }

    [Fact]
    public async Task Sql_is_one_transaction_and_reads_only_where_that_is_asked()
    {
        await using var lab = await PgCluster.StartAsync(One);
        await using var watched = new Watched(lab.Cluster());
        Assert.True(watched.Provider.TryGet<ISqlSession>(out var session));
        var node = watched.Cluster.Nodes[0];
        Task<SqlResult> Run(string sql, bool readOnly = false, TimeSpan? timeout = null) => session.ExecuteAsync(watched.Cluster, node, sql, readOnly, timeout ?? Wait.Limit, default);
        Assert.Equal(3, (await Run("create table t (i int); insert into t select generate_series(1, 3)")).RowsAffected);
        Assert.Equal(ErrorIds.ObjectNotFound, (await Assert.ThrowsAsync<DbRecoveryException>(() => Run("insert into t values (4); select * from nowhere"))).Id);
        Assert.Equal(3L, (await Run("select count(*) from t", readOnly: true)).Value!.Value.AsInt());
        Assert.Equal(1.5, (await Run("select 1.5", readOnly: true)).Value!.Value.AsNumber());
        Assert.Equal("{1,2}", (await Run("select array[1, 2]", readOnly: true)).Value!.Value.AsText());
        Assert.Null((await Run("select null", readOnly: true)).Value);
        foreach (var write in (string[])["delete from t", "commit; delete from t"])
            Assert.Equal(ErrorIds.StepFailed, (await Assert.ThrowsAsync<DbRecoveryException>(() => Run(write, readOnly: true))).Id);
        Assert.Equal(ErrorIds.TimedOut, (await Assert.ThrowsAsync<DbRecoveryException>(() => Run("select pg_sleep(600)", timeout: TimeSpan.FromSeconds(2)))).Id);
        Assert.Equal(3L, (await Run("select count(*) from t", readOnly: true)).Value!.Value.AsInt());
    }

    private static async Task RunAsync(NpgsqlConnection connection, string sql)
    {
        foreach (var statement in sql.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            await using var command = new NpgsqlCommand(statement, connection);
            await command.ExecuteNonQueryAsync();
        }
    }
}
