using System.Net;

namespace DbRecovery.Engine.Health;

/// <summary>Compares addresses as servers and inventories write them, without asking a name server: a rule must not wait.</summary>
internal static class NodeAddress
{
    private const string Loopback = "127.0.0.1";

    /// <summary>Whether two hosts are written alike, or are both this machine's loopback; a folder of sockets is the loopback too.</summary>
    public static bool SameHost(string? left, string? right) =>
        left is { Length: > 0 } && right is { Length: > 0 } && string.Equals(Normal(left), Normal(right), StringComparison.OrdinalIgnoreCase);

    /// <summary>The node of the cluster at an address; null where none has it.</summary>
    public static NodeDefinition? Find(ClusterDefinition cluster, string? host, long? port) =>
        cluster.Nodes.FirstOrDefault(n => n.Port == port && SameHost(n.Host, host));

    private static string Normal(string host)
    {
        var bare = host.Trim().Trim('[', ']').TrimEnd('.');
        if (bare.StartsWith('/') || bare.StartsWith('@') || bare.Equals("localhost", StringComparison.OrdinalIgnoreCase))
            return Loopback;
        if (!IPAddress.TryParse(bare, out var address))
            return bare;
        if (address.IsIPv4MappedToIPv6)
            address = address.MapToIPv4();
        return IPAddress.IsLoopback(address) ? Loopback : address.ToString();
    }
}
