using DbRecovery.PostgreSql.Replicas;

namespace DbRecovery.PostgreSql.Tests.Replicas;

/// <summary>What programs print is read, of several versions.</summary>
public sealed class LogReadingTests
{
    [Theory]
    [InlineData("rmgr: Heap        len (rec/tot):     61/    61, tx:        725, lsn: 0/00A06598, prev 0/00A04690, desc: INSERT+INIT off 1 flags 0x00, blkref #0: rel 1663/5/16384 blk 0", "insert", 1)]
    [InlineData("rmgr: Heap        len (rec/tot):     61/    61, tx:        725, lsn: 0/00A06598, prev 0/00A04690, desc: INSERT off: 1, flags: 0x00, blkref #0: rel 1663/5/16384 blk 0", "insert", 1)]
    [InlineData("rmgr: Heap        len (rec/tot):     69/    69, tx:        726, lsn: 0/00A067A0, prev 0/00A06778, desc: HOT_UPDATE off 1 xmax 726 flags 0x20 ; new off 4 xmax 0, blkref #0: rel 1663/5/16384 blk 0", "update", 1)]
    [InlineData("rmgr: Heap2       len (rec/tot):     82/    82, tx:        729, lsn: 0/00A06978, prev 0/00A06948, desc: MULTI_INSERT 2 tuples flags 0x02, blkref #0: rel 1663/5/16384 blk 0", "insert", 2)]
    [InlineData("rmgr: Heap2       len (rec/tot):     82/    82, tx:        729, lsn: 0/00A06978, prev 0/00A06948, desc: MULTI_INSERT+INIT ntuples: 17, flags: 0x02, offsets: [1, 2], blkref #0: rel 1663/5/16384 blk 0", "insert", 17)]
    [InlineData("rmgr: Heap        len (rec/tot):     54/    54, tx:        727, lsn: 0/00A06910, prev 0/00A068D0, desc: LOCK off 2 flags 0x00, blkref #0: rel 1663/5/16384 blk 0", null, 0)]
    public void Changes_of_rows(string line, string? operation, int rows)
    {
        var record = LogRecord.Parse(line)!;
        Assert.Equal(new FileNode(1663, 5, 16384), record.Relation);
        Assert.Equal(operation is null ? null : (operation, rows), record.RowChange);
    }

    [Fact]
    public void Commits_take_their_subtransactions_with_them_and_what_was_rolled_back_is_not_listed()
    {
        LogRecord[] records =
        [
            .. new[]
            {
                "rmgr: Heap        len (rec/tot):     61/    61, tx:        727, lsn: 0/00A06810, prev 0/00A067E8, desc: INSERT off 5 flags 0x00, blkref #0: rel 1663/5/16384 blk 0",
                "rmgr: Heap        len (rec/tot):     61/    61, tx:        728, lsn: 0/00A06890, prev 0/00A06850, desc: INSERT off 6 flags 0x00, blkref #0: rel 1663/5/16384 blk 0",
                "rmgr: Heap        len (rec/tot):     61/    61, tx:        800, lsn: 0/00A06898, prev 0/00A06850, desc: DELETE off 6 flags 0x00, blkref #0: rel 1663/5/16384 blk 0",
                "rmgr: Transaction len (rec/tot):     46/    46, tx:        727, lsn: 0/00A06948, prev 0/00A06910, desc: COMMIT 2026-11-21 18:59:05.683309 UTC; subxacts: 728",
                "rmgr: Transaction len (rec/tot):     46/    46, tx:        800, lsn: 0/00A06998, prev 0/00A06910, desc: ABORT 2026-11-21 18:59:05.683309 UTC",
                "rmgr: Transaction len (rec/tot):     46/    46, tx:        801, lsn: 0/00A06A98, prev 0/00A06910, desc: PREPARE gid it's: 2026-11-21 18:59:06.683309 UTC",
                "rmgr: Transaction len (rec/tot):     46/    46, tx:          0, lsn: 0/00A06B98, prev 0/00A06910, desc: ABORT_PREPARED 801: 2026-11-21 18:59:06.683309 UTC",
                "rmgr: Transaction len (rec/tot):     46/    46, tx:          0, lsn: 0/00A06C98, prev 0/00A06910, desc: COMMIT_PREPARED 802: 2026-11-21 18:59:07.683309 UTC",
            }.Select(l => LogRecord.Parse(l)!),
        ];
        var writes = LostWriteList.Of(records, r => r.ToString());
        Assert.Equal(
            [
                new LostWrite("0/A06810", "727", new DateTimeOffset(2026, 11, 21, 18, 59, 5, TimeSpan.Zero).AddTicks(6833090), "insert 2 rows: 1663/5/16384"),
                new LostWrite("0/A06C98", "802", new DateTimeOffset(2026, 11, 21, 18, 59, 7, TimeSpan.Zero).AddTicks(6833090), "commit; what it changed lies before the fork, or is no row of a table"),
            ], writes);
    }

    [Theory]
    // the primary left at 5000; the other one stayed on the first timeline
    [InlineData(1, "", 2, "1\t0/5000\treason", 1, 0x5000)]
    // both were promoted, the other one earlier
    [InlineData(2, "1\t0/4000\tx", 3, "1\t0/5000\tx", 1, 0x4000)]
    // the other one went along to the second timeline
    [InlineData(2, "1\t0/4000\tx", 3, "1\t0/4000\tx\n2\t0/6000\ty", 2, 0x6000)]
    // two nodes that both call theirs the second, from different places
    [InlineData(2, "1\t0/4000\tx", 2, "1\t0/5000\tx", 1, 0x4000)]
    [InlineData(2, "1\t0/4000\tx", 2, "1\t0/4000\tx", 2, long.MaxValue)]
    public void Where_histories_part(int own, string ownText, int primary, string primaryText, int timeline, long at) =>
        Assert.Equal((timeline, at), TimelineHistory.Parse(own, ownText).ForkFrom(TimelineHistory.Parse(primary, primaryText)));

    [Theory]
    [InlineData(1, 0x3000060, 0x100000, "000000010000000000000030")]
    [InlineData(2, 0x1_0200_0000, 0x1000000, "000000020000000100000002")]
    public void Segments(int timeline, long position, long size, string name) => Assert.Equal(name, LogTail.SegmentName(timeline, position, size));

    [Fact]
    public void Settings_replace_earlier_ones_and_keep_the_rest()
    {
        var text = StandbySettings.Set("# by ALTER SYSTEM\nport = '1'\nPrimary_ConnInfo='old'\nwork_mem = '4MB'\n", [new("primary_conninfo", "host=a password='it\\'s'"), new("port", "2")]);
        Assert.Equal("# by ALTER SYSTEM\nwork_mem = '4MB'\nprimary_conninfo = 'host=a password=''it\\\\''s'''\nport = '2'\n", text);
        Assert.Equal("host=a password='it\\'s'", StandbySettings.Get(text, "primary_conninfo"));
        Assert.Null(StandbySettings.Get(text, "primary_slot_name"));
    }
}
