using System.Text.Json;

namespace DbRecovery.Engine.Backups;

/// <summary>Writes and reads by hand what a provider said of a backup: a part of every manifest.</summary>
internal static class SourceJson
{
    public static void Write(Utf8JsonWriter writer, BackupSourceInfo source)
    {
        writer.WriteStartObject();
        writer.WriteString("engineVersion", source.EngineVersion);
        writer.WriteString("systemId", source.SystemId);
        if (source.Position is { } position)
        {
            writer.WriteStartObject("position");
            writer.WriteString("kind", position.Kind);
            writer.WriteString("value", position.Value);
            JsonWriting.Write(writer, "history", position.History);
            JsonWriting.Write(writer, "ordinal", position.Ordinal);
            writer.WriteEndObject();
        }
        writer.WriteString("dataAsOf", source.DataAsOf);
        JsonWriting.Write(writer, "state", source.State);
        JsonWriting.Write(writer, "settings", source.Settings);
        writer.WriteStartArray("objects");
        foreach (var item in source.Objects)
            Write(writer, item);
        writer.WriteEndArray();
        JsonWriting.Write(writer, "problems", source.Problems);
        writer.WriteEndObject();
    }

    public static BackupSourceInfo Read(ref Utf8JsonReader reader)
    {
        string? version = null, systemId = null;
        LogPosition? position = null;
        DateTimeOffset? asOf = null;
        var (state, settings) = (new Dictionary<string, string>(), new Dictionary<string, string>());
        IReadOnlyList<DataObject> objects = [];
        IReadOnlyList<string> problems = [];
        JsonReading.Begin(ref reader);
        while (JsonReading.Next(ref reader))
        {
            if (JsonReading.Is(ref reader, "engineVersion"u8)) version = reader.GetString();
            else if (JsonReading.Is(ref reader, "systemId"u8)) systemId = reader.GetString();
            else if (JsonReading.Is(ref reader, "position"u8)) position = reader.TokenType == JsonTokenType.Null ? null : ReadPosition(ref reader);
            else if (JsonReading.Is(ref reader, "dataAsOf"u8)) asOf = reader.GetDateTimeOffset();
            else if (JsonReading.Is(ref reader, "state"u8)) state = JsonReading.Texts(ref reader);
            else if (JsonReading.Is(ref reader, "settings"u8)) settings = JsonReading.Texts(ref reader);
            else if (JsonReading.Is(ref reader, "objects"u8)) objects = JsonReading.List(ref reader, ReadObject);
            else if (JsonReading.Is(ref reader, "problems"u8)) problems = JsonReading.List(ref reader, JsonReading.Text);
            else JsonReading.Pass(ref reader);
        }
        return new BackupSourceInfo
        {
            EngineVersion = JsonReading.Required(version, "engineVersion"), SystemId = JsonReading.Required(systemId, "systemId"), Position = position,
            DataAsOf = JsonReading.Required(asOf, "dataAsOf"), State = state, Settings = settings, Objects = objects, Problems = problems,
        };
    }

    public static void Write(Utf8JsonWriter writer, BackupEntry entry)
    {
        writer.WriteStartObject();
        writer.WriteString("path", entry.Path);
        writer.WriteString("type", entry.Type.ToString());
        writer.WriteString("part", entry.Part.ToString());
        JsonWriting.Write(writer, "originalPath", entry.OriginalPath);
        JsonWriting.Write(writer, "expectedSize", entry.ExpectedSize);
        writer.WriteNumber("pageSize", entry.PageSize);
        JsonWriting.Write(writer, "mode", entry.Mode);
        JsonWriting.Write(writer, "owner", entry.Owner);
        JsonWriting.Write(writer, "group", entry.Group);
        JsonWriting.Write(writer, "linkTarget", entry.LinkTarget);
        if (entry.ModifiedAt is { } modified)
            writer.WriteString("modifiedAt", modified);
        writer.WriteEndObject();
    }

    public static BackupEntry ReadEntry(ref Utf8JsonReader reader)
    {
        string? path = null, original = null, owner = null, group = null, link = null;
        var (type, part, pageSize) = (BackupEntryType.File, BackupEntryPart.Data, 0);
        long? size = null;
        int? mode = null;
        DateTimeOffset? modified = null;
        JsonReading.Begin(ref reader);
        while (JsonReading.Next(ref reader))
        {
            if (JsonReading.Is(ref reader, "path"u8)) path = reader.GetString();
            else if (JsonReading.Is(ref reader, "type"u8)) type = JsonReading.Named<BackupEntryType>(ref reader);
            else if (JsonReading.Is(ref reader, "part"u8)) part = JsonReading.Named<BackupEntryPart>(ref reader);
            else if (JsonReading.Is(ref reader, "originalPath"u8)) original = reader.GetString();
            else if (JsonReading.Is(ref reader, "expectedSize"u8)) size = JsonReading.OptionalLong(ref reader);
            else if (JsonReading.Is(ref reader, "pageSize"u8)) pageSize = reader.GetInt32();
            else if (JsonReading.Is(ref reader, "mode"u8)) mode = JsonReading.OptionalInt(ref reader);
            else if (JsonReading.Is(ref reader, "owner"u8)) owner = reader.GetString();
            else if (JsonReading.Is(ref reader, "group"u8)) group = reader.GetString();
            else if (JsonReading.Is(ref reader, "linkTarget"u8)) link = reader.GetString();
            else if (JsonReading.Is(ref reader, "modifiedAt"u8)) modified = JsonReading.OptionalTime(ref reader);
            else JsonReading.Pass(ref reader);
        }
        return new BackupEntry
        {
            Path = JsonReading.Required(path, nameof(path)), Type = type, Part = part, OriginalPath = original, ExpectedSize = size, PageSize = pageSize,
            Mode = mode, Owner = owner, Group = group, LinkTarget = link, ModifiedAt = modified,
        };
    }

    private static LogPosition ReadPosition(ref Utf8JsonReader reader)
    {
        string? kind = null, value = null, history = null;
        long? ordinal = null;
        JsonReading.Begin(ref reader);
        while (JsonReading.Next(ref reader))
        {
            if (JsonReading.Is(ref reader, "kind"u8)) kind = reader.GetString();
            else if (JsonReading.Is(ref reader, "value"u8)) value = reader.GetString();
            else if (JsonReading.Is(ref reader, "history"u8)) history = reader.GetString();
            else if (JsonReading.Is(ref reader, "ordinal"u8)) ordinal = JsonReading.OptionalLong(ref reader);
            else JsonReading.Pass(ref reader);
        }
        return new LogPosition(JsonReading.Required(kind, nameof(kind)), JsonReading.Required(value, nameof(value)), history, ordinal);
    }

    private static void Write(Utf8JsonWriter writer, DataObject item)
    {
        writer.WriteStartObject();
        writer.WriteString("name", item.Name);
        writer.WriteString("type", item.Type);
        JsonWriting.Write(writer, "table", item.Table);
        JsonWriting.Write(writer, "rows", item.Rows);
        JsonWriting.Write(writer, "file", item.File);
        JsonWriting.Write(writer, "pages", item.Pages);
        JsonWriting.Write(writer, "checksum", item.Checksum);
        writer.WriteEndObject();
    }

    private static DataObject ReadObject(ref Utf8JsonReader reader)
    {
        string? name = null, type = null, table = null, file = null, checksum = null;
        long? rows = null, pages = null;
        JsonReading.Begin(ref reader);
        while (JsonReading.Next(ref reader))
        {
            if (JsonReading.Is(ref reader, "name"u8)) name = reader.GetString();
            else if (JsonReading.Is(ref reader, "type"u8)) type = reader.GetString();
            else if (JsonReading.Is(ref reader, "table"u8)) table = reader.GetString();
            else if (JsonReading.Is(ref reader, "rows"u8)) rows = JsonReading.OptionalLong(ref reader);
            else if (JsonReading.Is(ref reader, "file"u8)) file = reader.GetString();
            else if (JsonReading.Is(ref reader, "pages"u8)) pages = JsonReading.OptionalLong(ref reader);
            else if (JsonReading.Is(ref reader, "checksum"u8)) checksum = reader.GetString();
            else JsonReading.Pass(ref reader);
        }
        return new DataObject { Name = JsonReading.Required(name, nameof(name)), Type = JsonReading.Required(type, nameof(type)), Table = table, Rows = rows, File = file, Pages = pages, Checksum = checksum };
    }
}
