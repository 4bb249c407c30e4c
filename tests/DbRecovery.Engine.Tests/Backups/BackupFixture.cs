using System.Text;
using DbRecovery.Engine.Backups;

namespace DbRecovery.Engine.Tests.Backups;

/// <summary>A folder of its own with a repository in it, and a service over a fake database.</summary>
public abstract class BackupFixture : IDisposable
{
    protected BackupFixture()
    {
        Root = Path.Combine(Path.GetTempPath(), $"dbr-backups-{Guid.NewGuid():N}");
        Directory.CreateDirectory(Path.Combine(Root, "scratch"));
        Repository = new RepositoryDefinition { Name = "main", Path = Path.Combine(Root, "repo") };
        Service = ServiceOf();
    }

    protected string Root { get; }
    protected RepositoryDefinition Repository { get; set; }
    internal FakeProvider Database { get; } = new();
    internal KnownSecrets Secrets { get; } = new();
    protected BackupService Service { get; set; }
    protected ClusterDefinition Cluster { get; set; } = new() { Name = "app", Engine = "fake", Nodes = [new NodeDefinition { Name = "n1", Path = "/data" }] };
    private string Scratch => Path.Combine(Root, "scratch");

    protected BackupService ServiceOf(int packSize = 1 << 20) =>
        new(_ => Database, null, new BackupServiceOptions { ScratchFolder = Scratch, PackSize = packSize }, Secrets);

    internal BackupService ServiceWithoutZstd() =>
        new(_ => Database, null, new BackupServiceOptions { ScratchFolder = Scratch }, null, r => new DirectoryStorage(r.Path));

    protected Task<BackupInfo> BackUpAsync() => Service.CreateAsync(RequestOf(), null, CancellationToken.None);

    protected Task<BackupInfo> IncrementAsync(BackupKind kind = BackupKind.Incremental) => Service.CreateAsync(RequestOf(kind), null, CancellationToken.None);

    protected BackupRequest RequestOf(BackupKind kind = BackupKind.Full) => new() { Cluster = Cluster, Repository = Repository, Kind = kind };

    protected Task<BackupTestResult> ProveAsync(BackupInfo backup) => Service.TestAsync(backup, null, CancellationToken.None);

    protected async Task<RestoreResult> RestoreAsync(BackupInfo backup, string name = "restored", bool replace = false) =>
        await Service.RestoreAsync(new RestoreRequest { Backup = backup, Destination = Path.Combine(Root, name), Replace = replace }, null, CancellationToken.None);

    protected async Task<IReadOnlyList<BackupInfo>> ListAsync(BackupFilter? filter = null, List<DbRecoveryException>? damaged = null) =>
        await Service.ListAsync(Repository, filter ?? new BackupFilter(), damaged is null ? null : damaged.Add, CancellationToken.None);

    /// <summary>Every blob of a backup can be read by standard tools where its manifest looks for it.</summary>
    protected async Task AssertPortableAsync(BackupInfo backup)
    {
        var content = (BackupContent)await Service.OpenAsync(backup, CancellationToken.None);
        Assert.True(content.Manifest.Portable);
        var index = await BlobIndex.LoadAsync(content.Repository, content.Manifest.Packs, CancellationToken.None);
        Assert.All(content.Manifest.References(), r => Assert.True(index.Find(r.Blob, r.Pack).First() is var place && place.Pack == r.Pack && place.Entry.IsPortable));
    }

    protected void AssertRestored(string name = "restored")
    {
        var folder = Path.Combine(Root, name);
        var found = Directory.GetFiles(folder, "*", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(folder, f)).Order(StringComparer.Ordinal);
        Assert.Equal(Database.Files.Keys.Order(StringComparer.Ordinal), found);
        foreach (var (path, content) in Database.Files)
            Assert.True(File.ReadAllBytes(Path.Combine(folder, path)).AsSpan().SequenceEqual(content), path);
    }

    protected IReadOnlyList<string> Keys(string under)
    {
        var folder = Path.Combine(Repository.Path, under);
        return Directory.Exists(folder) ? Directory.GetFiles(folder, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal).ToList() : [];
    }

    /// <summary>The first file of a kind: a folder of the repository, <c>manifest</c>, or a file by its name.</summary>
    protected string FileOf(string kind) => kind switch
    {
        "manifest" => Keys("backups").First(k => k.EndsWith("manifest.json", StringComparison.Ordinal)),
        "packs" or "index" or "tests" or "scrub" => Keys(kind)[0],
        _ => Path.Combine(Repository.Path, kind),
    };

    /// <summary>A file of the repository as the repository itself names it.</summary>
    protected string KeyOf(string file) => Path.GetRelativePath(Repository.Path, file).Replace('\\', '/');

    /// <summary>Each kind of file with each of its damages, as <see cref="FileOf"/> and <see cref="Damage"/> take them.</summary>
    protected static TheoryData<string, double> DamagesOf(string[] kinds, Func<string, double[]> damages)
    {
        var rows = new TheoryData<string, double>();
        foreach (var kind in kinds)
        {
            foreach (var where in damages(kind))
                rows.Add(kind, where);
        }
        return rows;
    }

    /// <summary>Flips a byte at a part of the file; -1 truncates it to half, -2 removes it.</summary>
    protected static void Damage(string file, double where)
    {
        var length = new FileInfo(file).Length;
        if (where == -2)
            File.Delete(file);
        else if (where < 0)
            using (var stream = File.Open(file, FileMode.Open))
                stream.SetLength(length / 2);
        else
            BackupRoundTripTests.Flip(file, Math.Min(length - 1, (long)(length * where)));
    }

    /// <summary>Nothing of a backup under way is left: no session, no temporary file, nothing in the scratch place.</summary>
    protected void AssertClean()
    {
        Assert.Empty(Keys("sessions"));
        Assert.Empty(Keys("tmp"));
        Assert.Empty(Directory.GetFileSystemEntries(Scratch));
    }

    /// <summary>Text that compresses about as well as rows do; the same for the same seed.</summary>
    protected static byte[] Rows(int length, int seed)
    {
        var random = new Random(seed);
        var text = new StringBuilder(length + 100);
        while (text.Length < length)
            text.Append("customer ").Append(random.Next(1_000_000)).Append(" ordered article ").Append(random.Next(5_000)).Append(';');
        return Encoding.ASCII.GetBytes(text.ToString(0, length));
    }

    protected static byte[] Noise(int length, int seed)
    {
        var bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    public void Dispose()
    {
        if (Directory.Exists(Root))
            Directory.Delete(Root, recursive: true);
        GC.SuppressFinalize(this);
    }
}
