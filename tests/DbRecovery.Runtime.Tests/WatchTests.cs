namespace DbRecovery.Runtime.Tests;

/// <summary>The watch as the shells call it, over a database that is a file.</summary>
public sealed class WatchTests
{
    [Fact]
    public async Task A_file_that_vanishes_is_a_fault_and_its_return_the_end_of_it()
    {
        using var place = new Place();
        var runtime = place.Make();
        using var stop = new CancellationTokenSource(Wait.Limit);
        var kinds = new List<WatchEventKind>();
        await foreach (var told in runtime.WatchAsync(runtime.GetClusters(), TimeSpan.FromMilliseconds(100), recover: false, null, null, stop.Token))
        {
            if (told.Kind is WatchEventKind.Started)
                File.Move(place.Database, place.At("aside.db"));
            else if (told is { Kind: WatchEventKind.FaultRaised, Fault.Id: "sqlite.env" or "sqlite.corrupt" } && File.Exists(place.At("aside.db")))
                File.Move(place.At("aside.db"), place.Database);
            else if (told is { Kind: WatchEventKind.FaultCleared, Fault.Id: "sqlite.env" or "sqlite.corrupt" })
                stop.Cancel();
            kinds.Add(told.Kind);
        }
        Assert.Contains(WatchEventKind.FaultRaised, kinds);
        Assert.Contains(WatchEventKind.FaultCleared, kinds);
    }

    [Theory]
    [InlineData("nowhere", null)]
    [InlineData("256.1.1.1:80", null)]
    [InlineData("127.0.0.1:99999", null)]
    [InlineData(null, 99)]
    public async Task What_cannot_be_watched_so_is_refused(string? listen, int? milliseconds)
    {
        using var place = new Place();
        var runtime = place.Make();
        var error = await Assert.ThrowsAsync<DbRecoveryException>(async () =>
        {
            await foreach (var _ in runtime.WatchAsync(runtime.GetClusters(), milliseconds is { } every ? TimeSpan.FromMilliseconds(every) : null, false, listen, null, CancellationToken.None))
                break;
        });
        Assert.Equal(ErrorIds.ParameterInvalid, error.Id);
    }
}
