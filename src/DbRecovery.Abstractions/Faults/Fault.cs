using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Serialization;

namespace DbRecovery;

/// <summary>How grave a fault is; the lower number comes first.</summary>
public enum FaultSeverity
{
    /// <summary>Data is at risk: stop and ask, unless a runbook is sure.</summary>
    DataAtRisk = 0,
    /// <summary>The database does not serve.</summary>
    Outage = 1,
    /// <summary>It serves, with less than it should.</summary>
    Degraded = 2,
    /// <summary>Worth knowing.</summary>
    Notice = 3,
}

/// <summary>How sure the classification is.</summary>
public enum FaultConfidence
{
    /// <summary>The evidence fits, and another explanation is open.</summary>
    Possible,
    /// <summary>The evidence fits and the usual confusions are ruled out.</summary>
    Likely,
    /// <summary>The evidence admits nothing else.</summary>
    Certain,
}

/// <summary>One piece of evidence: which fact, which value, against which threshold, on which node, when.</summary>
public sealed record Evidence
{
    /// <summary>The fact's name.</summary>
    public required string Fact { get; init; }
    /// <summary>The value; null where the fact is that nothing could be read.</summary>
    public FactValue? Value { get; init; }
    /// <summary>The bound it was held against.</summary>
    public string? Threshold { get; init; }
    /// <summary>The node.</summary>
    public required string Node { get; init; }
    /// <summary>When it was seen (UTC).</summary>
    public required DateTimeOffset At { get; init; }
    /// <summary>What it shows, in one sentence.</summary>
    public required string Shows { get; init; }
    /// <summary>
    /// Whether the value stays the same while the fault does. A latency or a free space moves by itself; it is shown,
    /// and an approval is not bound to it.
    /// </summary>
    [JsonIgnore]
    public bool Stable { get; init; } = true;
}

/// <summary>A named fault of a cluster with the evidence for it.</summary>
public sealed record Fault
{
    /// <summary>The stable dotted id of the class, such as <c>sqlite.corrupt</c>.</summary>
    public required string Id { get; init; }
    /// <summary>How grave it is.</summary>
    public required FaultSeverity Severity { get; init; }
    /// <summary>How sure the classification is.</summary>
    public required FaultConfidence Confidence { get; init; }
    /// <summary>The cluster.</summary>
    public required string Cluster { get; init; }
    /// <summary>The engine.</summary>
    public required string Engine { get; init; }
    /// <summary>The node at fault; null where the cluster as a whole is.</summary>
    public string? Node { get; init; }
    /// <summary>What is wrong, in one sentence.</summary>
    public required string Summary { get; init; }
    /// <summary>When it was detected (UTC).</summary>
    public required DateTimeOffset DetectedAt { get; init; }
    /// <summary>What shows it.</summary>
    public required IReadOnlyList<Evidence> Evidence { get; init; }
    /// <summary>What it could be confused with, and why it is not that.</summary>
    public IReadOnlyList<string> RuledOut { get; init; } = [];
    /// <summary>What a runbook can ask about the fault, as <c>fault.NAME</c>: for <c>sqlite.corrupt</c> the <c>damage</c>.</summary>
    public IReadOnlyDictionary<string, FactValue> Details { get; init; } = new Dictionary<string, FactValue>();
    /// <summary>
    /// Rounds in a row, the first one included, that must show the fault before anything is done without a person: 0 and 1 mean at once. It is 0 where
    /// what was seen admits nothing else, and the policy's number where an answer that failed to come might still come.
    /// </summary>
    public int Confirmations { get; init; }
    /// <summary>The cluster as it was defined.</summary>
    [JsonIgnore]
    public ClusterDefinition? Definition { get; init; }

    /// <summary>
    /// SHA-256 over what the fault is and which values show it, without times: two looks at one unchanged fault give one hash.
    /// An approval is bound to it.
    /// </summary>
    [JsonIgnore]
    public string EvidenceHash
    {
        get
        {
            var text = new StringBuilder().Append(Id).Append('\n').Append(Cluster).Append('\n').Append(Node).Append('\n');
            foreach (var (name, value) in Details.OrderBy(d => d.Key, StringComparer.Ordinal))
                text.Append(name).Append('=').Append(value).Append('\n');
            foreach (var e in Evidence.Where(e => e.Stable).OrderBy(e => e.Fact, StringComparer.Ordinal))
                text.Append(e.Fact).Append('@').Append(e.Node).Append('=').Append(e.Value).Append('\n');
            return Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString()))).ToLowerInvariant();
        }
    }
}
