using System.Text;
using DbRecovery.Engine.Routing;

namespace DbRecovery.Engine.Tests.Routing;

/// <summary>Host and port of one database are changed, and nothing else.</summary>
public sealed class PoolerFileTests
{
    private static readonly Endpoint Target = new("10.0.0.2", 5433);

    [Theory]
    [InlineData("orders = host=10.0.0.1 port=5432 dbname=orders", "orders = host=10.0.0.2 port=5433 dbname=orders")]
    [InlineData("orders=port=5432   host=10.0.0.1\tuser=u", "orders=port=5433   host=10.0.0.2\tuser=u")]
    [InlineData("orders = host='10.0.0.1' password='a b''c host=x' port=5432", "orders = host='10.0.0.2' password='a b''c host=x' port=5433")]
    [InlineData("orders = host=a,b,c port=5432", "orders = host=10.0.0.2 port=5433")]
    [InlineData("orders = dbname=orders", "orders = host=10.0.0.2 port=5433 dbname=orders")]
    [InlineData("orders = host=10.0.0.1", "orders = port=5433 host=10.0.0.2")]
    [InlineData("orders =", "orders =host=10.0.0.2 port=5433")]
    [InlineData("orders = host = 10.0.0.1 port = 5432", "orders = host = 10.0.0.2 port = 5433")]
    [InlineData("orders = host=10.0.0.2 port=5433", "orders = host=10.0.0.2 port=5433")]
    [InlineData("\"orders\" = host=10.0.0.1 port=5432", "\"orders\" = host=10.0.0.2 port=5433")]
    [InlineData("; orders = host=a\norders2 = host=10.0.0.1 port=1\norders = host=10.0.0.1 port=5432\n* = host=z\n", "; orders = host=a\norders2 = host=10.0.0.1 port=1\norders = host=10.0.0.2 port=5433\n* = host=z\n")]
    [InlineData("[pgbouncer]\norders = host=a\n[databases]\r\n  orders = host=a port=1  \r\n[users]\norders = host=a\n", "[pgbouncer]\norders = host=a\n[databases]\r\n  orders = host=10.0.0.2 port=5433  \r\n[users]\norders = host=a\n")]
    public void TheAddressIsChangedAndEveryOtherCharacterStays(string before, string after) => Assert.Equal(after, PoolerFile.Rewrite(before, "orders", Target));

    [Theory]
    [InlineData("[databases]\nother = host=a")]
    [InlineData("[pgbouncer]\norders = host=a")]
    [InlineData("# orders = host=a")]
    [InlineData("orders = host=a\norders = host=b")]
    [InlineData("orders = host=a host=b")]
    [InlineData("orders = host='a")]
    [InlineData("orders = nonsense")]
    public void WhatIsNotClearIsNotChanged(string text) => Assert.Throws<FormatException>(() => PoolerFile.Rewrite(text, "orders", Target));

    [Fact]
    public void NamesWithQuotesAndAddressesOfIPv6()
    {
        var text = Encoding.Latin1.GetString(Encoding.UTF8.GetBytes("\"or\"\"dörs\" = host=a port=1 password=ü\n"));
        var changed = PoolerFile.Rewrite(text, "or\"dörs", new Endpoint("::1", 5433));
        Assert.Equal("\"or\"\"dörs\" = host=::1 port=5433 password=ü\n", Encoding.UTF8.GetString(Encoding.Latin1.GetBytes(changed)));
    }

    [Fact]
    public void TheFileKeepsItsModeItsLinkAndItsOtherBytes()
    {
        var folder = Directory.CreateTempSubdirectory("dbrecovery-");
        try
        {
            var (file, link) = (Path.Combine(folder.FullName, "real.ini"), Path.Combine(folder.FullName, "link.ini"));
            File.WriteAllBytes(file, [0xff, .. "\n[databases]\norders = host=a port=1\n"u8]);
            File.CreateSymbolicLink(link, file);
            if (!OperatingSystem.IsWindows())
                File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
            Assert.True(PoolerFile.Change(link, "orders", Target));
            Assert.False(PoolerFile.Change(link, "orders", Target));
            Assert.NotNull(new FileInfo(link).LinkTarget);
            Assert.Equal([0xff, .. "\n[databases]\norders = host=10.0.0.2 port=5433\n"u8], File.ReadAllBytes(file));
            if (!OperatingSystem.IsWindows())
                Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead, File.GetUnixFileMode(file));
            Assert.Equal(2, folder.GetFiles().Length);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
