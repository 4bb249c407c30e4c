using System.Net;
using System.Net.Sockets;

namespace DbRecovery;

/// <summary>Compares addresses with those of nodes, by name and by what a name stands for.</summary>
public static class Endpoints
{
    /// <summary>An address of the inventory.</summary>
    /// <param name="text">The text.</param>
    /// <param name="what">What it is the address of, for the message.</param>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.ParameterInvalid"/>.</exception>
    public static Endpoint Parse(string? text, string what) => Endpoint.TryParse(text ?? "", out var value)
        ? value
        : throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"{what} is '{text}', which is no host and port", $"Write it as {Endpoint.Form}.", text);

    /// <summary>Whether a node is at an address.</summary>
    public static async Task<bool> IsAsync(this Endpoint address, NodeDefinition node, CancellationToken cancellationToken)
    {
        if (node.Host is null || node.Port != address.Port)
            return false;
        if (string.Equals(node.Host, address.Host, StringComparison.OrdinalIgnoreCase))
            return true;
        var own = await LookUpAsync(address.Host, cancellationToken).ConfigureAwait(false);
        return own.Count > 0 && own.Intersect(await LookUpAsync(node.Host, cancellationToken).ConfigureAwait(false)).Any();
    }

    /// <summary>The node at an address; null for none.</summary>
    public static async Task<NodeDefinition?> FindAsync(this Endpoint address, ClusterDefinition cluster, CancellationToken cancellationToken)
    {
        foreach (var node in cluster.Nodes)
        {
            if (await address.IsAsync(node, cancellationToken).ConfigureAwait(false))
                return node;
        }
        return null;
    }

    /// <summary>The addresses of a name, IPv4 first; none where it is not known.</summary>
    public static async Task<IReadOnlyList<IPAddress>> LookUpAsync(string host, CancellationToken cancellationToken)
    {
        if (IPAddress.TryParse(host, out var literal))
            return [literal];
        try
        {
            return [.. (await Dns.GetHostAddressesAsync(host, cancellationToken).ConfigureAwait(false)).OrderBy(a => a.AddressFamily != AddressFamily.InterNetwork)];
        }
        catch (SocketException)
        {
            return [];
        }
    }
}
