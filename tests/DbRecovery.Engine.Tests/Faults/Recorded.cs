using System.Reflection;
using System.Text.Json;
using DbRecovery.Engine.Health;

namespace DbRecovery.Engine.Tests.Faults;

/// <summary>Views of real clusters, as <c>tests/Recorder</c> wrote them, and changes of them.</summary>
internal static class Recorded
{
    private const string Prefix = "Recordings.";

    /// <summary>The names of all recordings.</summary>
    public static IReadOnlyList<string> Names { get; } =
        [.. Assembly.GetExecutingAssembly().GetManifestResourceNames().Where(n => n.StartsWith(Prefix, StringComparison.Ordinal)).Select(n => n[Prefix.Length..^".json".Length]).Order(StringComparer.Ordinal)];

    /// <summary>A recording, with the facts of the cluster made anew from what it remembers and what its nodes say.</summary>
    public static ClusterView View(string name)
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream($"{Prefix}{name}.json") ?? throw new InvalidOperationException($"there is no recording '{name}'");
        return JsonSerializer.Deserialize<ClusterView>(stream, DbRecoveryJson.Compact)!.Judged();
    }

    /// <summary>The view with the core's own facts as they follow from it.</summary>
    public static ClusterView Judged(this ClusterView view)
    {
        ClusterFacts.Add(view);
        return view;
    }

    /// <summary>The view with another look at a node.</summary>
    public static ClusterView With(this ClusterView view, string node, Func<NodeObservation, NodeObservation> change) =>
        (view with { Nodes = [.. view.Nodes.Select(n => n.Node == node ? change(n with { Facts = new FactSet(n.Facts) }) : n)] }).Judged();

    /// <summary>The view with other facts of a node.</summary>
    public static ClusterView Facts(this ClusterView view, string node, Action<FactSet> change) => view.With(node, n =>
    {
        change(n.Facts);
        return n;
    });

    /// <summary>The view with another memory of a node.</summary>
    public static ClusterView Remembering(this ClusterView view, string node, Func<NodeMemory, NodeMemory> change) =>
        (view with { Memory = view.Memory.ToDictionary(m => m.Key, m => m.Key == node ? change(m.Value) : m.Value, StringComparer.Ordinal) }).Judged();

    /// <summary>The view of a watcher that a node gives no answer.</summary>
    public static ClusterView Silent(this ClusterView view, string node, Reachability how = Reachability.TimedOut, string code = "timeout") => view.With(node, n =>
    {
        var facts = new FactSet();
        facts.Set(PostgreSqlFacts.ConnectError, code);
        return new NodeObservation { Node = n.Node, ObservedAt = n.ObservedAt, Duration = TimeSpan.FromSeconds(1), Level = n.Level, Reachability = how, Facts = facts, Errors = [new ObservedError(code, code, "connecting")] };
    });

    /// <summary>The view with a node that answers so much later than usual, in seconds.</summary>
    public static ClusterView Late(this ClusterView view, string node, double late) => view.Facts(node, f =>
    {
        f.Set(CommonFacts.ProbeBaseline, 0.001);
        f.Set(CommonFacts.ProbeLatency, 0.001 + late);
    });

    /// <summary>The view with a replica that receives nothing.</summary>
    public static ClusterView Lost(this ClusterView view, string node) => view.With(node, n =>
    {
        n.Facts.Set(PostgreSqlFacts.ReceiverStatus, "");
        n.Facts.Set(PostgreSqlFacts.SenderHost, "");
        n.Facts.SetUnknown(PostgreSqlFacts.SenderPort, "there is no receiver");
        n.Facts.SetUnknown(PostgreSqlFacts.ReceiptAge, "there is no receiver");
        return n with { Upstream = n.Upstream! with { Streaming = false } };
    });
}
