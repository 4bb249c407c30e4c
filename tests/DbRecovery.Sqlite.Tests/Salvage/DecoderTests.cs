using System.Buffers.Binary;
using DbRecovery.Sqlite.Native;
using DbRecovery.Sqlite.Salvage;

namespace DbRecovery.Sqlite.Tests.Salvage;

public sealed class DecoderTests
{
    [Fact]
    public void Garbage_is_no_record_and_no_page_and_never_an_exception()
    {
        var random = new Random(7);
        for (var run = 0; run < 20_000; run++)
        {
            var bytes = new byte[512];
            random.NextBytes(bytes);
            bytes[0] = (byte)(run % 16);
            bytes[3] = 0;
            _ = RecordReader.TryDecode(bytes.AsSpan(0, random.Next(bytes.Length)), (uint)(run % 4));
            _ = CellPage.TryParse((uint)(run % 3 + 1), bytes, 512);
            _ = CellPage.ReadDoubtful((uint)(run % 3 + 1), bytes, 512);
        }
    }

    [Fact]
    public void A_record_is_one_down_to_its_last_byte()
    {
        byte[] record = [4, 1, 23, 9, 42, (byte)'h', (byte)'e', (byte)'l', (byte)'l', (byte)'o'];

        Assert.Equal([42L, new RawText("hello"u8.ToArray()), 1L], RecordReader.TryDecode(record, 1)!);
        Assert.Null(RecordReader.TryDecode(record.AsSpan(0, 9), 1));
        Assert.Null(RecordReader.TryDecode([.. record, 0], 1));
        Assert.Null(RecordReader.TryDecode([2, 10], 1));
    }

    [Fact]
    public void A_page_whose_bytes_do_not_add_up_is_none()
    {
        using var specimen = new Specimen();
        var page = specimen.Page(specimen.PagesOf("tags")[0]);

        Assert.NotNull(CellPage.TryParse(9, page, 1024));
        foreach (var at in new[] { 3, 4, 5, 6, 7, 8, 9 })
        {
            var changed = (byte[])page.Clone();
            changed[at] ^= 0x11;
            Assert.Null(CellPage.TryParse(9, changed, 1024));
        }
    }

    [Fact]
    public void A_chain_that_comes_back_to_itself_is_followed_no_further_than_twice()
    {
        using var box = new Sandbox();
        Sandbox.Execute(box.File("app.db"), "pragma page_size = 512; create table t(b); insert into t values (zeroblob(100000))", create: true);
        var bytes = File.ReadAllBytes(box.File("app.db"));
        var page = CellPage.TryParse(2, bytes.AsSpan(512, 512).ToArray(), 512)!;
        // as long as three bytes can say, with as much of it in the page as before
        var cell = page.Cells[0];
        var size = cell.PayloadSize + (((1 << 21) - 1 - cell.PayloadSize) / 508 * 508);
        new[] { (byte)(size >> 14 | 0x80), (byte)(size >> 7 & 0x7f | 0x80), (byte)(size & 0x7f) }.CopyTo(bytes, 512 + cell.LocalOffset - 4);
        var last = cell.Overflow;
        while (BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan((int)(last - 1) * 512)) is not 0 and var next)
            last = next;
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan((int)(last - 1) * 512), cell.Overflow);
        var image = new InMemory(bytes);

        using var database = DamagedDatabase.Read(PageStore.TryOpen(image, default)!, null, owned: true, default);

        Assert.InRange(image.Reads, 2 * 196, 1000);
        Assert.Equal(PageUse.Contested, database.Pages.UseOf(cell.Overflow));
    }

    [Fact]
    public void An_image_of_changed_bytes_is_read_to_its_end()
    {
        using var specimen = new Specimen("PRAGMA page_size = 512", rows: 60);
        var original = File.ReadAllBytes(specimen.Path);
        var random = new Random(11);
        for (var run = 0; run < 150; run++)
        {
            var bytes = (byte[])original.Clone();
            for (var i = random.Next(1, 200); i > 0; i--)
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            using var pages = PageStore.TryOpen(new InMemory(bytes), default);
            if (pages is null)
                continue;
            using var database = DamagedDatabase.Read(pages, null, owned: false, default);
            foreach (var table in database.Tables)
            {
                var rows = new TableRows(database, table, default);
                Assert.InRange(rows.Read().LongCount(), 0, 100_000);
                _ = rows.Report();
            }
        }
    }
}
