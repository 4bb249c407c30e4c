using System.Text.Json;

namespace DbRecovery.Engine.Backups;

/// <summary>Writes and reads a manifest's JSON by hand: exactly what the serializer would write.</summary>
internal static class ManifestJson
{
    public static void Write(Utf8JsonWriter writer, BackupManifest manifest)
    {
        var paths = EntriesDocument.Of(manifest.Entries);
        writer.WriteStartObject();
        writer.WriteNumber("format", manifest.Format);
        writer.WriteString("tool", manifest.Tool);
        writer.WriteString("repoId", manifest.RepoId);
        writer.WriteString("id", manifest.Id);
        writer.WriteString("cluster", manifest.Cluster);
        writer.WriteString("node", manifest.Node);
        writer.WriteString("engine", manifest.Engine);
        writer.WriteString("kind", manifest.Kind.ToString());
        writer.WriteString("status", manifest.Status.ToString());
        JsonWriting.Write(writer, "parent", manifest.Parent);
        writer.WriteString("startedAt", manifest.StartedAt);
        writer.WriteString("finishedAt", manifest.FinishedAt);
        writer.WriteNumber("sizeBytes", manifest.SizeBytes);
        JsonWriting.Write(writer, "changedBytes", manifest.ChangedBytes);
        writer.WriteBoolean("portable", manifest.Portable);
        writer.WriteNumber("storedBytes", manifest.StoredBytes);
        JsonWriting.Write(writer, "notes", manifest.Notes);
        JsonWriting.Write(writer, "missingFiles", manifest.MissingFiles);
        writer.WritePropertyName("source");
        SourceJson.Write(writer, manifest.Source);
        JsonWriting.Write(writer, "packs", manifest.Packs);
        writer.WriteStartArray("blobs");
        foreach (var blob in paths.Blobs)
            Write(writer, blob);
        writer.WriteEndArray();
        writer.WriteStartArray("entries");
        foreach (var entry in paths.Entries)
            Write(writer, entry);
        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    public static BackupManifest Read(ref Utf8JsonReader reader)
    {
        int? format = null;
        string? tool = null, id = null, cluster = null, node = null, engine = null, parent = null;
        Guid? repoId = null;
        BackupKind? kind = null;
        BackupStatus? status = null;
        DateTimeOffset? started = null, finished = null;
        long? size = null, changed = null, stored = null;
        var portable = false;
        BackupSourceInfo? source = null;
        IReadOnlyList<string> notes = [], missing = [];
        IReadOnlyList<string>? packs = null;
        IReadOnlyList<ManifestBlob>? blobs = null;
        IReadOnlyList<EntryDocument>? entries = null;
        JsonReading.Begin(ref reader);
        while (JsonReading.Next(ref reader))
        {
            if (JsonReading.Is(ref reader, "format"u8)) format = reader.GetInt32();
            else if (JsonReading.Is(ref reader, "tool"u8)) tool = reader.GetString();
            else if (JsonReading.Is(ref reader, "repoId"u8)) repoId = reader.GetGuid();
            else if (JsonReading.Is(ref reader, "id"u8)) id = reader.GetString();
            else if (JsonReading.Is(ref reader, "cluster"u8)) cluster = reader.GetString();
            else if (JsonReading.Is(ref reader, "node"u8)) node = reader.GetString();
            else if (JsonReading.Is(ref reader, "engine"u8)) engine = reader.GetString();
            else if (JsonReading.Is(ref reader, "kind"u8)) kind = JsonReading.Named<BackupKind>(ref reader);
            else if (JsonReading.Is(ref reader, "status"u8)) status = JsonReading.Named<BackupStatus>(ref reader);
            else if (JsonReading.Is(ref reader, "parent"u8)) parent = reader.GetString();
            else if (JsonReading.Is(ref reader, "startedAt"u8)) started = reader.GetDateTimeOffset();
            else if (JsonReading.Is(ref reader, "finishedAt"u8)) finished = reader.GetDateTimeOffset();
            else if (JsonReading.Is(ref reader, "sizeBytes"u8)) size = reader.GetInt64();
            else if (JsonReading.Is(ref reader, "changedBytes"u8)) changed = JsonReading.OptionalLong(ref reader);
            else if (JsonReading.Is(ref reader, "portable"u8)) portable = reader.GetBoolean();
            else if (JsonReading.Is(ref reader, "storedBytes"u8)) stored = reader.GetInt64();
            else if (JsonReading.Is(ref reader, "notes"u8)) notes = JsonReading.List(ref reader, JsonReading.Text);
            else if (JsonReading.Is(ref reader, "missingFiles"u8)) missing = JsonReading.List(ref reader, JsonReading.Text);
            else if (JsonReading.Is(ref reader, "source"u8)) source = SourceJson.Read(ref reader);
            else if (JsonReading.Is(ref reader, "packs"u8)) packs = JsonReading.List(ref reader, JsonReading.Text);
            else if (JsonReading.Is(ref reader, "blobs"u8)) blobs = JsonReading.List(ref reader, ReadBlob);
            else if (JsonReading.Is(ref reader, "entries"u8)) entries = JsonReading.List(ref reader, ReadEntry);
            else JsonReading.Pass(ref reader);
        }
        return new BackupManifest
        {
            Format = JsonReading.Required(format, nameof(format)), Tool = JsonReading.Required(tool, nameof(tool)), RepoId = JsonReading.Required(repoId, nameof(repoId)),
            Id = JsonReading.Required(id, nameof(id)), Cluster = JsonReading.Required(cluster, nameof(cluster)), Node = JsonReading.Required(node, nameof(node)),
            Engine = JsonReading.Required(engine, nameof(engine)), Kind = JsonReading.Required(kind, nameof(kind)), Status = JsonReading.Required(status, nameof(status)),
            Parent = parent, StartedAt = JsonReading.Required(started, "startedAt"), FinishedAt = JsonReading.Required(finished, "finishedAt"),
            SizeBytes = JsonReading.Required(size, "sizeBytes"), ChangedBytes = changed, Portable = portable, StoredBytes = JsonReading.Required(stored, "storedBytes"),
            Notes = notes, MissingFiles = missing, Source = JsonReading.Required(source, nameof(source)), Packs = JsonReading.Required(packs, nameof(packs)),
            Entries = new EntriesDocument(JsonReading.Required(blobs, nameof(blobs)), JsonReading.Required(entries, nameof(entries))).ToEntries(),
        };
    }

    private static void Write(Utf8JsonWriter writer, ManifestBlob blob)
    {
        writer.WriteStartArray();
        writer.WriteNumberValue(blob.Pack);
        writer.WriteStringValue(blob.Id);
        writer.WriteEndArray();
    }

    private static ManifestBlob ReadBlob(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartArray || !reader.Read() || reader.TokenType != JsonTokenType.Number || !reader.TryGetInt32(out var pack)
            || !reader.Read() || reader.TokenType != JsonTokenType.String || reader.GetString() is not { } id || !reader.Read() || reader.TokenType != JsonTokenType.EndArray)
            throw new JsonException("a blob is [pack, id]");
        return new ManifestBlob(pack, id);
    }

    private static void Write(Utf8JsonWriter writer, EntryDocument entry)
    {
        writer.WriteStartObject();
        writer.WritePropertyName("entry");
        SourceJson.Write(writer, entry.Entry);
        writer.WriteNumber("size", entry.Size);
        writer.WriteNumber("hashUnit", entry.HashUnit);
        JsonWriting.Write(writer, "digest", entry.Digest);
        if (entry.PageHashes is { } hashes)
        {
            writer.WriteStartObject("pageHashes");
            writer.WriteNumber("pageSize", hashes.PageSize);
            writer.WriteNumber("count", hashes.Count);
            writer.WriteString("sha256", hashes.Sha256);
            JsonWriting.Write(writer, "base", hashes.Base);
            JsonWriting.Write(writer, "deltas", hashes.Deltas);
            writer.WriteEndObject();
        }
        JsonWriting.Write(writer, "runs", entry.Runs);
        writer.WriteEndObject();
    }

    private static EntryDocument ReadEntry(ref Utf8JsonReader reader)
    {
        BackupEntry? entry = null;
        long? size = null;
        var unit = 0;
        string? digest = null;
        HashesDocument? hashes = null;
        IReadOnlyList<int> runs = [];
        JsonReading.Begin(ref reader);
        while (JsonReading.Next(ref reader))
        {
            if (JsonReading.Is(ref reader, "entry"u8)) entry = SourceJson.ReadEntry(ref reader);
            else if (JsonReading.Is(ref reader, "size"u8)) size = reader.GetInt64();
            else if (JsonReading.Is(ref reader, "hashUnit"u8)) unit = reader.GetInt32();
            else if (JsonReading.Is(ref reader, "digest"u8)) digest = reader.GetString();
            else if (JsonReading.Is(ref reader, "pageHashes"u8)) hashes = reader.TokenType == JsonTokenType.Null ? null : ReadHashes(ref reader);
            else if (JsonReading.Is(ref reader, "runs"u8)) runs = JsonReading.List(ref reader, JsonReading.Int);
            else JsonReading.Pass(ref reader);
        }
        return new EntryDocument { Entry = JsonReading.Required(entry, nameof(entry)), Size = JsonReading.Required(size, nameof(size)), HashUnit = unit, Digest = digest, PageHashes = hashes, Runs = runs };
    }

    private static HashesDocument ReadHashes(ref Utf8JsonReader reader)
    {
        int? pageSize = null, count = null;
        string? sha256 = null;
        IReadOnlyList<int>? first = null, deltas = null;
        JsonReading.Begin(ref reader);
        while (JsonReading.Next(ref reader))
        {
            if (JsonReading.Is(ref reader, "pageSize"u8)) pageSize = reader.GetInt32();
            else if (JsonReading.Is(ref reader, "count"u8)) count = reader.GetInt32();
            else if (JsonReading.Is(ref reader, "sha256"u8)) sha256 = reader.GetString();
            else if (JsonReading.Is(ref reader, "base"u8)) first = JsonReading.List(ref reader, JsonReading.Int);
            else if (JsonReading.Is(ref reader, "deltas"u8)) deltas = JsonReading.List(ref reader, JsonReading.Int);
            else JsonReading.Pass(ref reader);
        }
        return new HashesDocument
        {
            PageSize = JsonReading.Required(pageSize, "pageSize"), Count = JsonReading.Required(count, nameof(count)), Sha256 = JsonReading.Required(sha256, nameof(sha256)),
            Base = JsonReading.Required(first, "base"), Deltas = JsonReading.Required(deltas, nameof(deltas)),
        };
    }
}
