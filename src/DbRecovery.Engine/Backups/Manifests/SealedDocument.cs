using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace DbRecovery.Engine.Backups;

/// <summary>
/// JSON whose last property, <c>sha256</c>, is the SHA-256 of every byte before the comma that begins it. Any altered, missing or added
/// byte shows, and the file stays JSON for every other tool.
/// </summary>
internal static class SealedDocument
{
    private const string Begin = ",\"sha256\":\"";
    private const string End = "\"}\n";
    private const int TailSize = 11 + 64 + 3;

    public static byte[] Write<T>(T value)
    {
        var json = DocumentJson.Write(value) ?? JsonSerializer.SerializeToUtf8Bytes(value, EngineJson.Compact);
        var body = json.AsSpan(0, json.Length - 1);
        return [.. body, .. Tail(body)];
    }

    /// <summary>Whether every byte is as it was written, whatever the document says.</summary>
    public static bool IsIntact(ReadOnlySpan<byte> bytes) => bytes.Length > TailSize && bytes[^TailSize..].SequenceEqual(Tail(bytes[..^TailSize]));

    /// <summary>Reads a document; null where it is not what was written.</summary>
    public static T? Read<T>(ReadOnlySpan<byte> bytes) where T : class
    {
        if (!IsIntact(bytes))
            return null;
        var body = bytes[..^TailSize];
        try
        {
            byte[] json = [.. body, (byte)'}'];
            return DocumentJson.IsOwn(typeof(T)) ? (T)DocumentJson.Read(typeof(T), json) : JsonSerializer.Deserialize<T>(json, EngineJson.Compact);
        }
        catch (Exception e) when (e is JsonException or NotSupportedException or FormatException or InvalidOperationException)
        {
            return null;
        }
    }

    private static byte[] Tail(ReadOnlySpan<byte> body) =>
        Encoding.ASCII.GetBytes(Begin + Convert.ToHexString(SHA256.HashData(body)).ToLowerInvariant() + End);
}
