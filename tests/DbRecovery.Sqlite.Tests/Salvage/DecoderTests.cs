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
