using DbRecovery.Engine.Health;

namespace DbRecovery.Engine.Tests.Health;

/// <summary>When a watch writes down what it knows of a primary.</summary>
public sealed class MemoryHistoryTests
{
    private readonly Files _files = new();

    private static ClusterMemory Seen(int second, int required = 0) => new()
    {
        Epoch = 1, Primary = new LastPrimary { Node = "a", At = At(second), SeenAt = At(second), SynchronousRequired = required }, Samples = [new LogSample(At(second), second)],
    };

    private static DateTimeOffset At(int second) => DateTimeOffset.UnixEpoch.AddSeconds(second);

    [Fact]
    public void Seldom_while_it_lives_and_at_once_when_it_is_gone()
    {
        var memory = new MemoryHistory(_files, readOnly: false);
        foreach (var second in new[] { 0, 1, 2, 14 })
            memory.WritePrimary("c", Seen(second), seen: true);
        Assert.Equal([0], _files.Written);
        // it is not seen any more: who goes on with an incident works its loss out from the same
        memory.WritePrimary("c", Seen(14), seen: false);
        memory.WritePrimary("c", Seen(14), seen: false);
        Assert.Equal([0, 14], _files.Written);
        memory.WritePrimary("c", Seen(14) with { Primary = Seen(14).Primary! with { GoneAt = At(15) } }, seen: false);
        Assert.Equal([0, 14, 14], _files.Written);
        memory.WritePrimary("c", Seen(15, required: 1), seen: true);
        memory.WritePrimary("c", Seen(29, required: 1), seen: true);
        memory.WritePrimary("c", Seen(30, required: 1), seen: true);
        Assert.Equal([0, 14, 14, 15, 30], _files.Written);
    }

    private sealed class Files : INodeHistory
    {
        public List<long> Written { get; } = [];
        public NodeMemory? Read(string cluster, string node) => null;
        public bool Write(string cluster, string node, NodeMemory memory) => true;
        public ClusterMemory? ReadPrimary(string cluster) => null;

        public bool WritePrimary(string cluster, ClusterMemory memory, bool seen)
        {
            Written.Add(memory.Samples[^1].Ordinal);
            return true;
        }
    }
}
