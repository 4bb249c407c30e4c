using System.Globalization;

namespace DbRecovery;

/// <summary>A host and a port.</summary>
/// <param name="Host">A name or an address, without [] around an IPv6 address.</param>
/// <param name="Port">The port.</param>
public readonly record struct Endpoint(string Host, int Port)
{
    /// <summary>How one is written, for messages.</summary>
    public const string Form = "HOST:PORT, with [] around an IPv6 address";

    /// <summary>Reads <c>host:port</c> or <c>[::1]:port</c>.</summary>
    /// <param name="text">The text.</param>
    /// <param name="value">The endpoint; the default where the text is none.</param>
    public static bool TryParse(string text, out Endpoint value)
    {
        var colon = text.LastIndexOf(':');
        var host = colon > 0 ? text[..colon] : "";
        var bracketed = host.Length > 2 && host[0] == '[' && host[^1] == ']';
        if (bracketed)
            host = host[1..^1];
        value = default;
        // a host becomes an argument of programs: one that begins with a dash would be an option there
        if (host.Length is 0 or > 255 || bracketed != host.Contains(':') || !(bracketed || char.IsLetterOrDigit(host[0]) || host[0] == '_')
            || !host.All(c => char.IsLetterOrDigit(c) || c is '.' or '_' or '-' or ':' or '%')
            || !int.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port) || port is < 1 or > 65535)
            return false;
        value = new Endpoint(host, port);
        return true;
    }

    /// <summary>The endpoint as people write it.</summary>
    public override string ToString() => Host?.Contains(':') == true ? $"[{Host}]:{Port}" : $"{Host}:{Port}";
}
