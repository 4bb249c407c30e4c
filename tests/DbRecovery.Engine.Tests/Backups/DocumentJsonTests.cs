using System.Text.Json;
using System.Text.Json.Nodes;
using DbRecovery.Engine.Backups;

namespace DbRecovery.Engine.Tests.Backups;

/// <summary>What is written and read by hand is what the serializer would write and read.</summary>
public class DocumentJsonTests
{
    private static readonly JsonSerializerOptions Options = new(DbRecoveryJson.Compact) { Converters = { new BlobConverter() } };
    private static readonly string Hash = new('a', 64);

    private static BackupManifest Manifest(bool everything) => new()
    {
        Format = 1, Tool = "DbRecovery \"ä\"", RepoId = Guid.NewGuid(), Id = "20261121T101500Z-abcdef", Cluster = "a<b>", Node = "n", Engine = "sqlite",
        Kind = BackupKind.Differential, Status = BackupStatus.Suspect, StartedAt = DateTimeOffset.UnixEpoch.AddTicks(1234567), FinishedAt = DateTimeOffset.UnixEpoch,
        SizeBytes = 1L << 40, StoredBytes = 7, Parent = everything ? "p" : null, ChangedBytes = everything ? 9 : null, Portable = everything, Notes = everything ? ["one", "two\n"] : [],
        Source = new BackupSourceInfo
        {
            EngineVersion = "3", SystemId = "s", DataAsOf = DateTimeOffset.UnixEpoch.AddDays(1),
            Position = everything ? new LogPosition("change-counter", "5", "h", 5) : null,
            State = everything ? new Dictionary<string, string> { ["Key"] = "v" } : [],
            Settings = everything ? new Dictionary<string, string> { ["page_size"] = "4096" } : [],
            Objects = everything ? [new DataObject { Name = "t", Type = "index", Table = "x", Rows = 1, File = "f", Pages = 2, Checksum = "c:1" }, new DataObject { Name = "u", Type = "table" }] : [],
            Problems = everything ? ["bad"] : [],
        },
        Packs = everything ? [Hash] : [],
        Entries = everything
            ? [new ManifestEntry
                {
                    Entry = new BackupEntry
                    {
                        Path = "database", Type = BackupEntryType.SymbolicLink, Part = BackupEntryPart.File, OriginalPath = "/o", ExpectedSize = 5, PageSize = 4096, Mode = 0x1a4,
                        Owner = "0", Group = "1", LinkTarget = "l", ModifiedAt = DateTimeOffset.UnixEpoch,
                    },
                    Size = 8192, HashUnit = 4096, Digest = "d", Runs = [new ManifestRun(0, 8192, 0, Hash, 4096)],
                    PageHashes = new PageHashSection(4096, 2, Hash, [new HashBlob(0, Hash, 32)], [new HashBlob(0, Hash, 20)]),
                }]
            : [new ManifestEntry { Entry = new BackupEntry { Path = "empty" }, Size = 0 }],
    };

    /// <summary>The serializer's document: the manifest, with blobs and entries in the compact form.</summary>
    private static JsonObject Document(BackupManifest manifest)
    {
        var document = JsonSerializer.SerializeToNode(manifest, Options)!.AsObject();
        document.Remove("entries");
        foreach (var (name, value) in JsonSerializer.SerializeToNode(EntriesDocument.Of(manifest.Entries), Options)!.AsObject())
            document[name] = value?.DeepClone();
        return document;
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_manifest_is_what_the_serializer_makes_of_it(bool everything)
    {
        var manifest = Manifest(everything);
        var expected = Document(manifest).ToJsonString(Options);
        Assert.Equal(expected, System.Text.Encoding.UTF8.GetString(DocumentJson.Write(manifest)!));
        var read = SealedDocument.Read<BackupManifest>(SealedDocument.Write(manifest));
        Assert.Equal(expected, Document(read!).ToJsonString(Options));
    }

    [Fact]
    public void A_session_and_a_header_are_what_the_serializer_makes_of_them()
    {
        var owner = WriterSession.Describe("a test", TimeProvider.System);
        Assert.Equal(owner, SealedDocument.Read<SessionOwner>(SealedDocument.Write(owner)));
        var header = BackupRepository.NewHeader(TimeProvider.System) with { Seal = "s" };
        Assert.Equal(header, SealedDocument.Read<RepositoryHeader>(SealedDocument.Write(header)));
        Assert.Equal(header with { Seal = null }, SealedDocument.Read<RepositoryHeader>(SealedDocument.Write(header with { Seal = null })));
    }

    [Fact]
    public void What_is_unknown_is_passed_over_and_what_may_be_left_out_has_its_default()
    {
        var manifest = Manifest(false);
        var json = Document(manifest);
        foreach (var optional in (string[])["portable", "notes"])
            json.Remove(optional);
        foreach (var optional in (string[])["state", "settings", "objects", "problems"])
            json["source"]!.AsObject().Remove(optional);
        json["entries"]![0]!.AsObject().Remove("runs");
        json["later"] = new JsonObject { ["id"] = "other", ["list"] = new JsonArray(1, "2") };
        var read = (BackupManifest)DocumentJson.Read(typeof(BackupManifest), System.Text.Encoding.UTF8.GetBytes(json.ToJsonString()));
        Assert.Equal(Document(manifest).ToJsonString(Options), Document(read).ToJsonString(Options));
    }

    [Theory]
    [InlineData("id", null)]
    [InlineData("id", "3")]
    [InlineData("format", "\"1\"")]
    [InlineData("sizeBytes", "1e40")]
    [InlineData("repoId", "\"x\"")]
    [InlineData("kind", "\"Whole\"")]
    [InlineData("startedAt", "\"yesterday\"")]
    [InlineData("packs", "null")]
    [InlineData("packs", "{}")]
    [InlineData("blobs", "[[0]]")]
    [InlineData("entries", "[[]]")]
    [InlineData("source", "[]")]
    public void What_is_no_manifest_is_none(string property, string? value)
    {
        var json = Document(Manifest(true));
        json.Remove(property);
        if (value is not null)
            json[property] = JsonNode.Parse(value);
        Assert.Null(SealedDocument.Read<BackupManifest>(SealedDocument.Write(json)));
    }

    /// <summary>A blob is [pack, id].</summary>
    private sealed class BlobConverter : System.Text.Json.Serialization.JsonConverter<ManifestBlob>
    {
        public override ManifestBlob Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => throw new NotSupportedException();

        public override void Write(Utf8JsonWriter writer, ManifestBlob value, JsonSerializerOptions options) =>
            JsonSerializer.Serialize(writer, new object[] { value.Pack, value.Id }, options);
    }
}
