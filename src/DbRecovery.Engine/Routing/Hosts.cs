using System.Net;
using System.Net.Sockets;

namespace DbRecovery.Engine.Routing;

/// <summary>Compares addresses of routes with those of nodes, by name and by what a name stands for.</summary>
internal static class Hosts
{
    /// <summary>An address of the inventory.</summary>
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
        return own.Length > 0 && own.Intersect(await LookUpAsync(node.Host, cancellationToken).ConfigureAwait(false)).Any();
    }

    /// <summary>The addresses of a name, IPv4 first; none where it is not known.</summary>
    public static async Task<IPAddress[]> LookUpAsync(string host, CancellationToken cancellationToken)
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
