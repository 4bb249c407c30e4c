using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace DbRecovery.Engine.Routing;

/// <summary>A host and a port, as inventories write them: <c>host:port</c>, with brackets round an IPv6 address.</summary>
internal readonly record struct HostPort(string Host, int Port)
{
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.ParameterInvalid"/>.</exception>
    public static HostPort Parse(string? text, string what)
    {
        var colon = text?.LastIndexOf(':') ?? -1;
        if (colon > 0 && int.TryParse(text![(colon + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port is > 0 and <= ushort.MaxValue)
        {
            var host = text[..colon];
            return new HostPort(host.StartsWith('[') && host.EndsWith(']') ? host[1..^1] : host, port);
        }
        throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"{what} is '{text}', which is no host and port", "Write it as host:port, an IPv6 address in brackets.", text);
    }

    /// <summary>Whether a node is at this address, by name or by what the name stands for.</summary>
    public async Task<bool> IsAsync(NodeDefinition node, CancellationToken cancellationToken)
    {
        if (node.Host is null || node.Port != Port)
            return false;
        if (string.Equals(node.Host, Host, StringComparison.OrdinalIgnoreCase))
            return true;
        var own = await LookUpAsync(Host, cancellationToken).ConfigureAwait(false);
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
