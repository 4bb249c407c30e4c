using System.Net;
using System.Net.Sockets;
using DbRecovery.Engine.Health;

namespace DbRecovery.Engine.Topology;

/// <summary>
/// Finds which node of a cluster an address belongs to. Nodes know each other by other names than the inventory does: an address for a host
/// name, localhost, IPv6, a folder of sockets. What is not clear beyond doubt is no match.
/// </summary>
public sealed class NodeAddresses
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(1);
    private readonly IReadOnlyList<NodeDefinition> _nodes;
    private readonly IReadOnlyDictionary<string, IReadOnlyList<IPAddress>> _resolved;

    /// <summary>Makes it from what names were resolved to.</summary>
    public NodeAddresses(ClusterDefinition cluster, IReadOnlyDictionary<string, IReadOnlyList<IPAddress>> resolved) => (_nodes, _resolved) = (cluster.Nodes, resolved);

    /// <summary>Resolves the hosts of a cluster's nodes, and others, all at once and within a second. What cannot be resolved is compared as text only.</summary>
    /// <param name="cluster">The cluster.</param>
    /// <param name="others">Hosts that nodes named.</param>
    /// <param name="cancellationToken">Cancels.</param>
    public static async Task<NodeAddresses> ResolveAsync(ClusterDefinition cluster, IEnumerable<string> others, CancellationToken cancellationToken)
    {
        var hosts = cluster.Nodes.Select(n => n.Host).OfType<string>().Concat(others).Select(Bare).Where(h => h.Length > 0 && h[0] is not ('/' or '@')).Distinct(StringComparer.OrdinalIgnoreCase).ToList();
        using var ends = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        ends.CancelAfter(s_patience);
        var found = await Task.WhenAll(hosts.Select(async host => (host, Addresses: await LookUpAsync(host, ends.Token).ConfigureAwait(false)))).ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        return new NodeAddresses(cluster, found.ToDictionary(f => f.host, f => f.Addresses, StringComparer.OrdinalIgnoreCase));
    }

    /// <summary>The node at a host and port; null where there is none, or more than one could be it.</summary>
    public string? Find(string host, int? port)
    {
        var bare = Bare(host);
        var candidates = _nodes.Where(n => port is null || n.Port == port).ToList();
        // a folder of sockets says the port alone: it is somewhere on the asker's own machine
        var matching = bare.Length == 0 || bare[0] is '/' or '@'
            ? candidates
            : candidates.Where(n => n.Host is { } own && Same(Bare(own), bare)).ToList();
        return matching.Count == 1 ? matching[0].Name : null;
    }

    /// <summary>The node that an address of the form <c>host:port</c>, <c>[v6]:port</c> or <c>host</c> belongs to.</summary>
    public string? Find(string address)
    {
        var (host, port) = Split(address);
        return Find(host, port);
    }

    /// <summary>The parts of an address.</summary>
    public static (string Host, int? Port) Split(string address)
    {
        var colon = address.LastIndexOf(':');
        // an IPv6 address without brackets has colons and no port
        var bareV6 = address.IndexOf(':') != colon && !address.StartsWith('[');
        if (colon < 0 || bareV6 || address.EndsWith(']') || !int.TryParse(address.AsSpan(colon + 1), System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var port))
            return (Bare(address), null);
        return (Bare(address[..colon]), port);
    }

    private bool Same(string one, string other)
    {
        if (NodeAddress.SameHost(one, other))
            return true;
        var (left, right) = (AddressesOf(one), AddressesOf(other));
        return left.Any(l => right.Any(r => NodeAddress.SameHost(l.ToString(), r.ToString())));
    }

    private IReadOnlyList<IPAddress> AddressesOf(string host) =>
        IPAddress.TryParse(host, out var literal) ? [Plain(literal)]
        : _resolved.GetValueOrDefault(host) ?? [];

    private static string Bare(string host) => host.Trim().TrimStart('[').TrimEnd(']');

    // an IPv4 address within IPv6 is that address, and the scope of a link-local one is the asker's
    private static IPAddress Plain(IPAddress address) => address.IsIPv4MappedToIPv6 ? address.MapToIPv4()
        : address is { AddressFamily: AddressFamily.InterNetworkV6, ScopeId: not 0 } ? new IPAddress(address.GetAddressBytes()) : address;

    private static async Task<IReadOnlyList<IPAddress>> LookUpAsync(string host, CancellationToken cancellationToken)
    {
        if (IPAddress.TryParse(host, out _))
            return [];
        try
        {
            // a resolver that hangs does not always hear of a cancellation
            var found = await Dns.GetHostAddressesAsync(host, cancellationToken).WaitAsync(cancellationToken).ConfigureAwait(false);
            return [.. found.Select(Plain)];
        }
        catch (Exception e) when (e is SocketException or ArgumentException or OperationCanceledException)
        {
            return [];
        }
    }
}
