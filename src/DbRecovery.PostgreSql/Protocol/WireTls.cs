using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace DbRecovery.PostgreSql.Protocol;

/// <summary>Asks for TLS and checks the certificate as the mode demands (manual section 55.2.11).</summary>
internal static class WireTls
{
    private const int SslRequest = 80877103;

    /// <summary>The stream, protected as the options demand.</summary>
    /// <exception cref="AuthenticationException">The server has no TLS and the mode demands it, or its certificate is not trusted.</exception>
    public static async Task<Stream> ProtectAsync(Stream stream, WireOptions options, CancellationToken cancellationToken)
    {
        if (options.Tls == TlsMode.Disable || options.Host.StartsWith('/'))
            return stream;
        await stream.WriteAsync(new WireWriter().Int32(SslRequest).Done(), cancellationToken).ConfigureAwait(false);
        var answer = new byte[1];
        // one byte and no more: what somebody put behind it unprotected must not be taken for the server's
        await stream.ReadExactlyAsync(answer, cancellationToken).ConfigureAwait(false);
        switch ((char)answer[0])
        {
            case 'S':
                return await HandshakeAsync(stream, options, cancellationToken).ConfigureAwait(false);
            case 'N' when options.Tls == TlsMode.Prefer:
                return stream;
            case 'N':
                throw new AuthenticationException("the server does not offer TLS");
            default:
                throw new WireProtocolException("what answers is no PostgreSQL server, or it cannot take connections: its answer to the request for TLS is none");
        }
    }

    private static async Task<Stream> HandshakeAsync(Stream stream, WireOptions options, CancellationToken cancellationToken)
    {
        string? refusal = null;
        var tls = new SslStream(stream, leaveInnerStreamOpen: false);
        try
        {
            await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
            {
                TargetHost = options.Host,
                RemoteCertificateValidationCallback = (_, certificate, chain, errors) => (refusal = WhyNot(options, certificate, chain, errors)) is null,
            }, cancellationToken).ConfigureAwait(false);
            return tls;
        }
        catch (AuthenticationException e) when (refusal is not null)
        {
            throw new AuthenticationException(refusal, e);
        }
    }

    private static string? WhyNot(WireOptions options, X509Certificate? certificate, X509Chain? sent, SslPolicyErrors errors)
    {
        if (options.Tls is TlsMode.Prefer or TlsMode.Require)
            return null;
        if (certificate is not X509Certificate2 server)
            return "the server showed no certificate";
        using var chain = new X509Chain();
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        foreach (var element in sent?.ChainElements ?? Enumerable.Empty<X509ChainElement>())
            chain.ChainPolicy.ExtraStore.Add(element.Certificate);
        if (options.RootCertificate is { } root)
        {
            chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
            chain.ChainPolicy.CustomTrustStore.ImportFromPemFile(root);
        }
        if (!chain.Build(server))
            return $"the server's certificate is not trusted: {string.Join("; ", chain.ChainStatus.Select(s => s.StatusInformation.Trim()).Distinct(StringComparer.Ordinal))}";
        return options.Tls == TlsMode.VerifyFull && errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch)
            ? $"the server's certificate does not name the host '{options.Host}'"
            : null;
    }
}
