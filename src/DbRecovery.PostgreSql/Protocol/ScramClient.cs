using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace DbRecovery.PostgreSql.Protocol;

/// <summary>
/// SCRAM-SHA-256, and with TLS SCRAM-SHA-256-PLUS, as a client (RFC 5802, 7677 and 5929; manual section 55.3). It also makes the server prove
/// that it knows the password.
/// </summary>
internal sealed class ScramClient
{
    private const string Plain = "SCRAM-SHA-256";
    private const string Bound = "SCRAM-SHA-256-PLUS";
    private const int MostIterations = 1_000_000;
    private readonly byte[] _password;
    private readonly string _nonce;
    private readonly string _binding;
    private readonly byte[] _bindingData;
    private byte[] _serverSignature = [];

    private ScramClient(string mechanism, string binding, byte[] bindingData, SecretValue password, string nonce)
    {
        Mechanism = mechanism;
        _binding = binding;
        _bindingData = bindingData;
        _password = Encoding.UTF8.GetBytes(password.Reveal().Normalize(NormalizationForm.FormKC));
        _nonce = nonce;
    }

    /// <summary>The mechanism that is used.</summary>
    public string Mechanism { get; }

    private string FirstBare => $"n=*,r={_nonce}";

    /// <summary>The client's first message.</summary>
    public string First => $"{_binding},,{FirstBare}";

    /// <summary>Begins, with the strongest mechanism that both sides have.</summary>
    /// <param name="offered">What the server offers.</param>
    /// <param name="certificate">The server's certificate; null without TLS.</param>
    /// <param name="password">The password.</param>
    /// <param name="nonce">The client's nonce; null: a random one.</param>
    public static ScramClient Begin(IReadOnlyCollection<string> offered, X509Certificate2? certificate, SecretValue password, string? nonce = null)
    {
        nonce ??= Convert.ToBase64String(RandomNumberGenerator.GetBytes(18));
        var hash = certificate is null ? null : EndPointHash(certificate);
        if (hash is not null && offered.Contains(Bound))
            return new ScramClient(Bound, "p=tls-server-end-point", hash, password, nonce);
        if (!offered.Contains(Plain))
            throw new WireProtocolException("the server offers no way to log in that is known here: SCRAM-SHA-256 is");
        // 'y' tells the server that we could have bound: one that could too, and whose offer somebody took away, will refuse
        return new ScramClient(Plain, hash is null ? "n" : "y", [], password, nonce);
    }

    /// <summary>The client's final message.</summary>
    /// <param name="serverFirst">The server's first.</param>
    public string Final(string serverFirst)
    {
        var fields = Fields(serverFirst);
        var nonce = fields.GetValueOrDefault('r') ?? "";
        if (!nonce.StartsWith(_nonce, StringComparison.Ordinal) || nonce.Length == _nonce.Length)
            throw Broken("its nonce is not made of ours");
        if (!int.TryParse(fields.GetValueOrDefault('i'), NumberStyles.None, CultureInfo.InvariantCulture, out var iterations) || iterations is < 1 or > MostIterations)
            throw Broken("its number of iterations is out of bounds");
        var salted = Rfc2898DeriveBytes.Pbkdf2(_password, Decode(fields.GetValueOrDefault('s')), iterations, HashAlgorithmName.SHA256, 32);
        CryptographicOperations.ZeroMemory(_password);
        var clientKey = HMACSHA256.HashData(salted, "Client Key"u8);
        var withoutProof = $"c={Convert.ToBase64String([.. Encoding.ASCII.GetBytes($"{_binding},,"), .. _bindingData])},r={nonce}";
        var authMessage = Encoding.UTF8.GetBytes($"{FirstBare},{serverFirst},{withoutProof}");
        var signature = HMACSHA256.HashData(SHA256.HashData(clientKey), authMessage);
        for (var i = 0; i < signature.Length; i++)
            signature[i] ^= clientKey[i];
        _serverSignature = HMACSHA256.HashData(HMACSHA256.HashData(salted, "Server Key"u8), authMessage);
        CryptographicOperations.ZeroMemory(salted);
        return $"{withoutProof},p={Convert.ToBase64String(signature)}";
    }

    /// <summary>Checks the server's final message.</summary>
    /// <exception cref="WireProtocolException">The server does not know the password.</exception>
    public void Verify(string serverFinal)
    {
        if (_serverSignature.Length == 0 || !CryptographicOperations.FixedTimeEquals(Decode(Fields(serverFinal).GetValueOrDefault('v')), _serverSignature))
            throw Broken("it did not prove that it knows the password");
    }

    private static Dictionary<char, string> Fields(string message)
    {
        var fields = new Dictionary<char, string>();
        foreach (var part in message.Split(','))
        {
            if (part.Length < 2 || part[1] != '=' || !fields.TryAdd(part[0], part[2..]))
                throw Broken("its message has another form");
        }
        return fields;
    }

    private static byte[] Decode(string? base64)
    {
        var bytes = new byte[(base64?.Length ?? 0) * 3 / 4 + 3];
        return base64 is { Length: > 0 } && Convert.TryFromBase64String(base64, bytes, out var length) ? bytes[..length] : throw Broken("its message has another form");
    }

    /// <summary>The binding's data: the certificate's hash by its own signature's algorithm, at least SHA-256. Null where that is not known.</summary>
    private static byte[]? EndPointHash(X509Certificate2 certificate) => certificate.SignatureAlgorithm.Value switch
    {
        // md5, sha1 and sha256 with RSA or ECDSA
        "1.2.840.113549.1.1.4" or "1.2.840.113549.1.1.5" or "1.2.840.113549.1.1.11" or "1.2.840.10045.4.1" or "1.2.840.10045.4.3.2" => SHA256.HashData(certificate.RawData),
        "1.2.840.113549.1.1.12" or "1.2.840.10045.4.3.3" => SHA384.HashData(certificate.RawData),
        "1.2.840.113549.1.1.13" or "1.2.840.10045.4.3.4" => SHA512.HashData(certificate.RawData),
        _ => null,
    };

    private static WireProtocolException Broken(string how) => new($"the server's part of the SCRAM login is not right: {how}");
}
