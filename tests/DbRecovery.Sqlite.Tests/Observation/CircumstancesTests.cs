using System.Diagnostics;
using DbRecovery.Sqlite.Files;
using DbRecovery.Sqlite.Observation;

namespace DbRecovery.Sqlite.Tests.Observation;

public sealed class CircumstancesTests
{
    [LinuxTheory]
    [InlineData("delete", "BEGIN; SELECT 1 FROM people", "shared", false)]
    [InlineData("delete", "BEGIN IMMEDIATE", "reserved", true)]
    [InlineData("delete", "BEGIN EXCLUSIVE", "exclusive", true)]
    [InlineData("wal", "BEGIN IMMEDIATE", "wal-writer", true)]
    [InlineData("wal", "SELECT count(*) FROM people", "shared", false)]
    public async Task Another_process_is_named_with_its_lock(string journal, string statements, string held, bool blocks)
    {
        using var box = new LookSandbox();
        box.Create(journal);
        using var other = OtherProcess.Open(box.Database);
        foreach (var statement in statements.Split("; "))
            other.Run(statement);

        var seen = await box.Observe(ObservationLevel.Quick);

        Assert.Equal(held, seen.Facts.Text(SqliteFacts.Lock));
        Assert.Equal(blocks, seen.Facts.Bool(SqliteFacts.WriteBlocked));
        var who = Assert.Single(seen.Facts.List(SqliteFacts.OpenBy)!);
        Assert.StartsWith($"pid {other.Id} (", who, StringComparison.Ordinal);
        Assert.Equal([$"{who}: {held}"], seen.Facts.List(SqliteFacts.LockHolders)!);
        Assert.False(seen.Facts.Bool(SqliteFacts.RecoveryNeeded));
    }

    [LinuxFact]
    public async Task A_user_of_the_file_by_another_name_is_seen()
    {
        using var box = new LookSandbox();
        box.Create();
        Directory.CreateDirectory(Path.Combine(box.Folder, "other"));
        var name = Path.Combine(box.Folder, "other", "app.db");
        Assert.True(DbRecovery.Sqlite.Files.PosixFile.TryLink(box.Database, name));
        using var other = OtherProcess.Open(name);
        var seen = await box.Observe(ObservationLevel.Quick);
        Assert.StartsWith($"pid {other.Id} (", Assert.Single(seen.Facts.List(SqliteFacts.OpenBy)!), StringComparison.Ordinal);
    }

    [LinuxFact]
    public void A_lock_is_seen_where_the_kernel_names_another_device_than_the_file_system_does()
    {
        using var box = new LookSandbox();
        box.Create();
        using var other = OtherProcess.Open(box.Database);
        other.Run("BEGIN IMMEDIATE");
        var file = FileStatus.Of(box.Database)!;
        // as /proc/locks writes it, with the device that btrfs has there
        var line = $"1: POSIX  ADVISORY  WRITE {other.Id} ff:ff:{file.Inode} {0x40000001} {0x40000001}";
        Assert.Equal(new HeldLock(other.Id, LockStrength.Reserved), FileUsers.Parse(line, file, null));
        Assert.Null(FileUsers.Parse(line.Replace($"WRITE {other.Id} ", "WRITE 1 ", StringComparison.Ordinal), file, null));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_is_random_throughout_looks_encrypted_and_what_is_not_does_not(bool random)
    {
        using var box = new LookSandbox();
        var bytes = new byte[200_000];
        new Random(7).NextBytes(bytes);
        if (!random)
            Array.Clear(bytes, 100_000, 50_000);
        File.WriteAllBytes(box.Database, bytes);
        var seen = await box.Observe();
        Assert.Equal("foreign", seen.Facts.Text(SqliteFacts.Header));
        Assert.Equal(random, seen.Facts.Bool(SqliteFacts.LooksEncrypted));
        Assert.Equal(26, seen.Facts.Int(SqliteFacts.OpenError));
    }

    [Fact]
    public async Task Rows_without_their_parent_are_counted()
    {
        using var box = new LookSandbox();
        box.Create(rows: 20);
        using (var connection = box.Open())
            LookSandbox.Run(connection, "PRAGMA foreign_keys = OFF; CREATE TABLE orders (id INTEGER PRIMARY KEY, who REFERENCES people(id)); INSERT INTO orders VALUES (1, 1), (2, 999), (3, 998);");
        var seen = await box.Observe();
        Assert.Equal(2, seen.Facts.Int(SqliteFacts.ForeignKeyViolations));
        Assert.Equal(["orders -> people: 2"], seen.Facts.List(SqliteFacts.ForeignKeyTables)!);
    }

    [LinuxFact]
    public async Task A_journal_that_an_application_makes_and_deletes_is_never_taken_for_one_left_behind()
    {
        using var box = new LookSandbox();
        box.Create(rows: 100);
        using var app = OtherProcess.Open(box.Database);
        using var stop = new CancellationTokenSource();
        var commits = 0;
        var writing = Task.Run(() =>
        {
            for (; !stop.IsCancellationRequested; Interlocked.Increment(ref commits))
                app.Run($"UPDATE people SET name = 'commit {commits}' WHERE id = 1");
        });
        var taken = 0;
        var users = FileUsers.Of(box.Database);
        users = users with { Locks = [] }; // as it was between two of its transactions
        // looks and commits have to meet: on a busy machine 5000 looks alone can be over before the application got its turn
        var patience = Stopwatch.StartNew();
        for (var look = 0; look < 5000 || (Volatile.Read(ref commits) <= 10 && patience.Elapsed < TimeSpan.FromMinutes(2)); look++)
        {
            if (DatabaseView.HotJournal(box.Database, users, withPages: true, CancellationToken.None) is not null)
                taken++;
        }
        await stop.CancelAsync();
        await writing;
        Assert.True(commits > 10, $"{commits} commits in {patience.Elapsed}");
        Assert.True(taken == 0, $"{taken} times");
    }

    [Theory]
    [InlineData("DELETE FROM people WHERE id > 4", "", "people: 4 of at least 10")]
    [InlineData("DROP TABLE people", "people", "")]
    [InlineData("SELECT 1", "", "")]
    public async Task Declared_tables_that_are_gone_or_too_short_are_named(string sql, string missing, string shorter)
    {
        using var box = new LookSandbox();
        box.Create(rows: 20);
        using (var connection = box.Open())
            LookSandbox.Run(connection, sql);
        var seen = await box.Observe();
        Assert.Equal(missing, string.Join(",", seen.Facts.List(CommonFacts.MissingTables)!));
        Assert.Equal(shorter, string.Join(",", seen.Facts.List(CommonFacts.ShortTables)!));
    }

    [Fact]
    public async Task When_the_time_is_over_what_is_known_is_reported_and_the_rest_is_unknown()
    {
        using var box = new LookSandbox();
        box.Create();
        var time = new SetTime();
        // the clock is the test's own: what ends first, the check or the deadline, is then no matter of the machine's load
        var progress = new Reporter(status =>
        {
            if (status == "checking the structure")
                time.Advance(TimeSpan.FromMinutes(1));
        });
        var seen = await box.Observe(ObservationLevel.Deep, timeout: TimeSpan.FromSeconds(30), progress: progress, time: time);
        Assert.Contains(seen.Errors, e => e.Code == "timeout");
        Assert.Equal(0, seen.Facts.Int(SqliteFacts.OpenError));
        Assert.Null(seen.Facts.Int(SqliteFacts.StructureErrorCount));
        Assert.Null(seen.Facts.List(SqliteFacts.DamagedObjects));
    }

    [Fact]
    public async Task It_can_be_cancelled_in_the_middle_of_a_check()
    {
        using var box = new LookSandbox();
        box.Create(rows: 200_000);
        using var stop = new CancellationTokenSource();
        var last = "";
        var progress = new Reporter(status =>
        {
            last = status;
            if (status == "checking the structure")
                stop.Cancel();
        });
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => box.Observe(ObservationLevel.Deep, token: stop.Token, progress: progress).WaitAsync(Wait.Limit));
        Assert.Equal("checking the structure", last);
    }

    [RootFact]
    [System.Runtime.Versioning.UnsupportedOSPlatform("windows")]
    public void A_file_that_may_not_be_read_is_an_observation()
    {
        using var box = new LookSandbox();
        box.Create();
        File.SetUnixFileMode(box.Database, UnixFileMode.None);
        // the folder is open to everybody: only the file is not
        File.SetUnixFileMode(box.Folder, File.GetUnixFileMode(box.Folder) | UnixFileMode.OtherRead | UnixFileMode.OtherExecute);
        var facts = Facts(box, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups");
        Assert.Equal("false", facts["sqlite.fileReadable"]);
        Assert.Equal("false", facts["sqlite.fileWritable"]);
        Assert.Equal("14", facts["sqlite.openError"]);
        Assert.Equal("?", facts["sqlite.structureErrorCount"]);
    }

    [RootFact]
    public void A_file_system_that_is_read_only_is_an_observation()
    {
        using var box = new LookSandbox();
        box.Create();
        var facts = Facts(box, "unshare", "-m", "sh", "-c", "mount --bind \"$0\" \"$0\" && mount -o remount,ro,bind \"$0\" && exec \"$@\"", box.Folder);
        Assert.Equal("true", facts["sqlite.fileSystemReadOnly"]);
        Assert.Equal("false", facts["sqlite.fileWritable"]);
        Assert.Equal("0", facts["sqlite.openError"]);
        Assert.Equal("0", facts["sqlite.structureErrorCount"]);
    }

    private static Dictionary<string, string> Facts(LookSandbox box, params string[] wrapper) =>
        OtherProcess.Observe(box.Database, wrapper).Select(line => line.Split('=', 2)).ToDictionary(pair => pair[0], pair => pair[1]);

    private sealed class Reporter(Action<string> report) : IProgress<OperationProgress>
    {
        public void Report(OperationProgress value) => report(value.Status);
    }
}
