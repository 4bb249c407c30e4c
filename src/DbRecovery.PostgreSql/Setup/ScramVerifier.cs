using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace DbRecovery.PostgreSql.Setup;

/// <summary>What a server keeps of a password, computed here as <c>psql \password</c> does, so that the password itself is in no statement and no log.</summary>
/// <remarks>RFC 5802 and RFC 7677; the form is that of PostgreSQL's scram-common.c.</remarks>
internal static class ScramVerifier
{
    private const int Iterations = 4096;
    private const int SaltLength = 16;

    internal static string Of(string password) => Of(password, RandomNumberGenerator.GetBytes(SaltLength));

    internal static string Of(string password, byte[] salt)
    {
        var salted = Rfc2898DeriveBytes.Pbkdf2(Encoding.UTF8.GetBytes(password.Normalize(NormalizationForm.FormKC)), salt, Iterations, HashAlgorithmName.SHA256, SHA256.HashSizeInBytes);
        var stored = SHA256.HashData(HMACSHA256.HashData(salted, "Client Key"u8));
        var server = HMACSHA256.HashData(salted, "Server Key"u8);
        return string.Create(CultureInfo.InvariantCulture, $"SCRAM-SHA-256${Iterations}:{Convert.ToBase64String(salt)}${Convert.ToBase64String(stored)}:{Convert.ToBase64String(server)}");
    }
}
