using DbRecovery.Engine.Yaml;

namespace DbRecovery.Engine.Tests.Yaml;

public sealed class ScalarsTests
{
    [Theory]
    [InlineData("250ms", 0.25)]
    [InlineData("30s", 30.0)]
    [InlineData("1.5m", 90.0)]
    [InlineData("1h", 3600.0)]
    [InlineData("7d", 604800.0)]
    [InlineData("0s", 0.0)]
    [InlineData("3650d", 3650 * 86400.0)]
    [InlineData("3651d", null)]
    [InlineData("30", null)]
    [InlineData("s", null)]
    [InlineData("", null)]
    [InlineData("-1s", null)]
    [InlineData("1 s", null)]
    [InlineData("1S", null)]
    [InlineData("1e3s", null)]
    [InlineData("NaNs", null)]
    [InlineData("Infinitys", null)]
    [InlineData("99999999999999999999999999999999d", null)]
    public void Durations(string text, double? seconds)
    {
        Assert.Equal(seconds is not null, Quantities.TryDuration(text, out var value));
        Assert.Equal(seconds ?? 0, value.TotalSeconds);
    }

    [Theory]
    [InlineData("0B", 0L)]
    [InlineData("64KiB", 65536L)]
    [InlineData("1kB", 1000L)]
    [InlineData("1KB", 1000L)]
    [InlineData("100MB", 100_000_000L)]
    [InlineData("1.5GiB", 1610612736L)]
    [InlineData("2TB", 2_000_000_000_000L)]
    [InlineData("1TiB", 1099511627776L)]
    [InlineData("10", null)]
    [InlineData("10b", null)]
    [InlineData("-1B", null)]
    [InlineData("NaNB", null)]
    [InlineData("9223372036854775808B", null)]
    [InlineData("99999999TiB", null)]
    public void Sizes(string text, long? bytes)
    {
        Assert.Equal(bytes is not null, Quantities.TrySize(text, out var value));
        Assert.Equal(bytes ?? 0, value);
    }

    [Theory]
    [InlineData("true", true, true)]
    [InlineData("false", true, false)]
    [InlineData("True", false, false)]
    [InlineData("yes", false, false)]
    [InlineData("on", false, false)]
    [InlineData("1", false, false)]
    public void Bools(string text, bool good, bool expected)
    {
        Assert.Equal(good, Scalars.TryBool(text, out var value));
        Assert.Equal(expected, value);
    }

    [Theory]
    [InlineData("1e3", 1000.0)]
    [InlineData("-0.5", -0.5)]
    [InlineData("NaN", null)]
    [InlineData("Infinity", null)]
    [InlineData("1,5", null)]
    [InlineData(" 1", null)]
    public void Numbers(string text, double? expected)
    {
        Assert.Equal(expected is not null, Scalars.TryNumber(text, out var value));
        if (expected is { } number)
            Assert.Equal(number, value);
    }

    [Theory]
    [InlineData("12", 12L)]
    [InlineData("-3", -3L)]
    [InlineData("1.0", null)]
    [InlineData("9223372036854775808", null)]
    public void Ints(string text, long? expected)
    {
        Assert.Equal(expected is not null, Scalars.TryInt(text, out var value));
        Assert.Equal(expected ?? 0, value);
    }

    [Theory]
    [InlineData("resotre", "restore")]
    [InlineData("RESTORE", "restore")]
    [InlineData("swapfile", "swap-file")]
    [InlineData("wiat", "wait")]
    [InlineData("bananas", null)]
    [InlineData("", null)]
    public void Near_names(string name, string? expected) => Assert.Equal(expected, NearNames.Nearest(name, ["restore", "swap-file", "wait"]));

    [Fact]
    public void Long_names_cost_nothing()
    {
        var candidates = Enumerable.Range(0, 1000).Select(i => new string('b', 100_000) + i);
        Assert.Null(NearNames.Nearest(new string('a', 100_000), candidates));
    }
}
