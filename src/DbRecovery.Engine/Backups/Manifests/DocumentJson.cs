using System.Buffers;
using System.Text.Json;

namespace DbRecovery.Engine.Backups;

/// <summary>The documents that are written or read by hand: those that every command needs. See <see cref="JsonReading"/>.</summary>
internal static class DocumentJson
{
    private static readonly JsonWriterOptions Options = new() { Encoder = EngineJson.Compact.Encoder };

    /// <summary>A document's JSON; null for one that the serializer writes.</summary>
    public static byte[]? Write(object? document)
    {
        if (document is not (BackupManifest or SessionOwner))
            return null;
        var bytes = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(bytes, Options))
        {
            if (document is BackupManifest manifest)
                ManifestJson.Write(writer, manifest);
            else
                Write(writer, (SessionOwner)document);
        }
        return bytes.WrittenSpan.ToArray();
    }

    /// <summary>Whether a document is read by hand.</summary>
    public static bool IsOwn(Type type) => type == typeof(BackupManifest) || type == typeof(RepositoryHeader);

    /// <summary>Reads a document.</summary>
    /// <exception cref="JsonException">It is none. Values of another kind or out of range are a <see cref="FormatException"/> or an <see cref="InvalidOperationException"/>.</exception>
    public static object Read(Type type, ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json);
        reader.Read();
        object document = type == typeof(BackupManifest) ? ManifestJson.Read(ref reader) : ReadHeader(ref reader);
        return reader.Read() ? throw new JsonException("there is more than a document") : document;
    }

    private static void Write(Utf8JsonWriter writer, SessionOwner owner)
    {
        writer.WriteStartObject();
        writer.WriteString("id", owner.Id);
        writer.WriteString("purpose", owner.Purpose);
        writer.WriteStartObject("machine");
        writer.WriteString("name", owner.Machine.Name);
        writer.WriteString("machine", owner.Machine.Machine);
        writer.WriteString("boot", owner.Machine.Boot);
        writer.WriteEndObject();
        writer.WriteNumber("processId", owner.ProcessId);
        writer.WriteString("processStart", owner.ProcessStart);
        writer.WriteString("startedAt", owner.StartedAt);
        writer.WriteEndObject();
    }

    private static RepositoryHeader ReadHeader(ref Utf8JsonReader reader)
    {
        int? format = null, minReader = null;
        Guid? repoId = null;
        string? cipher = null, codec = null, seal = null;
        DateTimeOffset? created = null;
        JsonReading.Begin(ref reader);
        while (JsonReading.Next(ref reader))
        {
            if (JsonReading.Is(ref reader, "format"u8)) format = reader.GetInt32();
            else if (JsonReading.Is(ref reader, "minReader"u8)) minReader = reader.GetInt32();
            else if (JsonReading.Is(ref reader, "repoId"u8)) repoId = reader.GetGuid();
            else if (JsonReading.Is(ref reader, "cipher"u8)) cipher = reader.GetString();
            else if (JsonReading.Is(ref reader, "codec"u8)) codec = reader.GetString();
            else if (JsonReading.Is(ref reader, "createdAt"u8)) created = reader.GetDateTimeOffset();
            else if (JsonReading.Is(ref reader, "seal"u8)) seal = reader.GetString();
            else JsonReading.Pass(ref reader);
        }
        return new RepositoryHeader
        {
            Format = JsonReading.Required(format, nameof(format)), MinReader = JsonReading.Required(minReader, "minReader"), RepoId = JsonReading.Required(repoId, "repoId"),
            Cipher = JsonReading.Required(cipher, nameof(cipher)), Codec = JsonReading.Required(codec, nameof(codec)), CreatedAt = JsonReading.Required(created, "createdAt"), Seal = seal,
        };
    }
}
