using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace DbRecovery.PostgreSql.Protocol;

/// <summary>The start-up and the login (manual section 55.2.1).</summary>
internal static class WireLogin
{
    private const int ProtocolVersion = 3 << 16;
    private const int MessageLimit = 64 * 1024;
    private const int MostMessages = 1000;

    /// <summary>Logs in. Gives what a cancel request needs: process id and key; null where the server gave none.</summary>
    /// <exception cref="Npgsql.PostgresException">The server refused.</exception>
    public static async Task<byte[]?> RunAsync(WireStream stream, WireOptions options, IDictionary<string, string> parameters, CancellationToken cancellationToken)
    {
        await stream.WriteAsync(StartUp(options), cancellationToken).ConfigureAwait(false);
        byte[]? key = null;
        ScramClient? scram = null;
        var proved = true;
        for (var i = 0; i < MostMessages; i++)
        {
            var message = await stream.ReadAsync(MessageLimit, cancellationToken).ConfigureAwait(false);
            switch (message.Type)
            {
                case 'R':
                    (scram, proved) = await AnswerAsync(stream, options, message, scram, proved, cancellationToken).ConfigureAwait(false);
                    break;
                case 'K':
                    key = message.Body.ToArray();
                    break;
                case 'S':
                    Remember(message, parameters);
                    break;
                case 'E':
                    throw WireErrors.Read(message);
                case 'Z':
                    return key;
                case 'N' or 'v':
                    break;
                default:
                    throw new WireProtocolException("the server sent something else than a login");
            }
        }
        throw new WireProtocolException("the server's login has no end");
    }

    /// <summary>Keeps a parameter that the server reports.</summary>
    public static void Remember(WireMessage message, IDictionary<string, string> parameters)
    {
        var reader = message.Read();
        var name = reader.Text();
        if (parameters.Count < MostMessages)
            parameters[name] = reader.Text();
    }

    private static WireWriter StartUp(WireOptions options)
    {
        var message = new WireWriter().Int32(ProtocolVersion).Text("user").Text(options.User);
        if (options.Database is { } database)
            message.Text("database").Text(database);
        message.Text("application_name").Text("dbrecovery").Text("client_encoding").Text("UTF8");
        foreach (var (name, value) in options.Parameters)
            message.Text(name).Text(value);
        return message.Raw([0]);
    }

    private static async Task<(ScramClient? Scram, bool Proved)> AnswerAsync(
        WireStream stream, WireOptions options, WireMessage message, ScramClient? scram, bool proved, CancellationToken cancellationToken)
    {
        switch (message.Read().Int32())
        {
            case 0:
                // a server that leaves its proof out may be anybody's
                return proved ? (scram, proved) : throw new WireProtocolException("the server ended the SCRAM login without its proof");
            case 3:
                await SendAsync(stream, new WireWriter('p').Text(Password(options).Reveal()), cancellationToken).ConfigureAwait(false);
                return (scram, proved);
            case 5:
                await SendAsync(stream, new WireWriter('p').Text(Md5(options, Rest(message, 4))), cancellationToken).ConfigureAwait(false);
                return (scram, proved);
            case 10:
                var begun = ScramClient.Begin(Mechanisms(message), Certificate(stream), Password(options));
                var first = Encoding.UTF8.GetBytes(begun.First);
                await SendAsync(stream, new WireWriter('p').Text(begun.Mechanism).Int32(first.Length).Raw(first), cancellationToken).ConfigureAwait(false);
                return (begun, false);
            case 11 when scram is not null:
                await SendAsync(stream, new WireWriter('p').Raw(Encoding.UTF8.GetBytes(scram.Final(Encoding.UTF8.GetString(Rest(message))))), cancellationToken).ConfigureAwait(false);
                return (scram, false);
            case 12 when scram is not null:
                scram.Verify(Encoding.UTF8.GetString(Rest(message)));
                return (scram, true);
            case var way:
                throw new WireProtocolException($"the server asks for a login of kind {way}, which is not known here: password, md5 and scram-sha-256 are");
        }
    }

    private static ValueTask SendAsync(WireStream stream, WireWriter message, CancellationToken cancellationToken) => stream.WriteAsync(message, cancellationToken);

    private static SecretValue Password(WireOptions options) =>
        options.Password ?? throw new DbRecoveryException(ErrorIds.LoginFailed, ErrorKind.PermissionDenied, $"the server at {options.Address} asks for the password of '{options.User}', and none is given",
            "Name where it is kept: 'password: { env | file: NAME }'.", options.Address);

    // md5(md5(password + user) + salt), manual section 55.2.1
    private static string Md5(WireOptions options, byte[] salt)
    {
        var inner = Convert.ToHexString(MD5.HashData(Encoding.UTF8.GetBytes(Password(options).Reveal() + options.User))).ToLowerInvariant();
        return "md5" + Convert.ToHexString(MD5.HashData([.. Encoding.ASCII.GetBytes(inner), .. salt])).ToLowerInvariant();
    }

    private static byte[] Rest(WireMessage message, int? length = null)
    {
        var reader = message.Read();
        reader.Int32();
        return (length is { } count ? reader.Take(count) : reader.Rest()).ToArray();
    }

    private static List<string> Mechanisms(WireMessage message)
    {
        var reader = message.Read();
        reader.Int32();
        var names = new List<string>();
        while (reader.Left > 0 && reader.Text() is { Length: > 0 } name)
            names.Add(name);
        return names;
    }

    private static X509Certificate2? Certificate(WireStream stream) => (stream.Stream as SslStream)?.RemoteCertificate as X509Certificate2;
}
