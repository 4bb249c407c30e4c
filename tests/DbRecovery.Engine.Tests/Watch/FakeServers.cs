using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;

namespace DbRecovery.Engine.Tests.Watch;

/// <summary>Servers whose answers a test sets: what a watch sees, without a server.</summary>
internal sealed class FakeServers : IDatabaseProvider, INodeObserver, INodeEvents
{
    private readonly ConcurrentDictionary<string, TaskCompletionSource<ObservedError>> _breaks = new();
    private readonly ConcurrentDictionary<string, int> _looks = new();
    private readonly ConcurrentDictionary<string, int> _open = new();

    /// <summary>What a look at a node gives.</summary>
    public ConcurrentDictionary<string, Func<ObservationRequest, CancellationToken, Task<NodeObservation>>> Answers { get; } = new();

    public bool HasEvents { get; set; } = true;
    public TimeProvider Clock { get; init; } = TimeProvider.System;
    public string Engine => "fake";
    public string DisplayName => "Fake";
    public bool Embedded => false;
    public IReadOnlyList<FactDefinition> Facts => [];

    /// <summary>The most looks at a node at one time.</summary>
    public int MostOpen { get; private set; }

    public bool TryGet<T>([NotNullWhen(true)] out T? capability) where T : class
    {
        capability = typeof(T) == typeof(INodeEvents) && !HasEvents ? null : this as T;
        return capability is not null;
    }

    /// <summary>Looks made at a node.</summary>
    public int Looks(string node) => _looks.GetValueOrDefault(node);

    public void Set(string node, NodeRole role, Reachability reachability = Reachability.Reachable) =>
        Answers[node] = (request, _) => Task.FromResult(Seen(request.Node.Name, role, reachability));

    public NodeObservation Seen(string node, NodeRole role, Reachability reachability = Reachability.Reachable) => new()
    {
        Node = node, ObservedAt = Clock.GetUtcNow(), Duration = TimeSpan.Zero, Level = ObservationLevel.Quick, Reachability = reachability,
        Role = reachability == Reachability.Reachable ? role : NodeRole.Unknown,
    };

    /// <summary>Breaks the connection to a node.</summary>
    public void Break(string node)
    {
        if (_breaks.TryRemove(node, out var waiting))
            waiting.TrySetResult(new ObservedError("57P01", "gone", "waiting"));
    }

    /// <summary>Whether a look at a node is held back by the test.</summary>
    public bool IsOpen(string node) => _open.GetValueOrDefault(node) > 0;

    public bool IsListening(string node) => _breaks.ContainsKey(node);

    public async Task<NodeObservation> ObserveAsync(ObservationRequest request, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var name = request.Node.Name;
        _looks.AddOrUpdate(name, 1, (_, n) => n + 1);
        var answer = Answers[name](request, cancellationToken);
        if (answer.IsCompleted)
            return await answer;
        MostOpen = Math.Max(MostOpen, _open.AddOrUpdate(name, 1, (_, n) => n + 1));
        try
        {
            return await answer;
        }
        finally
        {
            _open.AddOrUpdate(name, 0, (_, n) => n - 1);
        }
    }

    public Task<ObservedError> BrokenAsync(ClusterDefinition cluster, NodeDefinition node, CancellationToken cancellationToken) =>
        _breaks.GetOrAdd(node.Name, _ => new TaskCompletionSource<ObservedError>(TaskCreationOptions.RunContinuationsAsynchronously)).Task.WaitAsync(cancellationToken);
}
