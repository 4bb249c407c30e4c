using DbRecovery.Engine.Backups;

namespace DbRecovery.Engine.Tests.Backups;

/// <summary>A repository with a backup, a second one beside it, and the service that looks after both.</summary>
public abstract class CareFixture : BackupFixture
{
    protected CareFixture()
    {
        Other = new RepositoryDefinition { Name = "other", Path = Path.Combine(Root, "other") };
        Care = new RepositoryCare(_ => Database, null, ZstdLibrary.Instance, r => new CountingStorage(new DirectoryStorage(r.Path), Reads));
    }

    protected RepositoryDefinition Other { get; }
    protected RepositoryCare Care { get; }
    /// <summary>Bytes read of each key.</summary>
    internal System.Collections.Concurrent.ConcurrentDictionary<string, long> Reads { get; } = new();

    protected async Task<RepositoryReport> TestAsync(ScrubDepth depth = ScrubDepth.New) => await Care.TestAsync(Repository, depth, null, CancellationToken.None);

    protected async Task<RepositoryRepairResult> RepairAsync(bool fromOther = false, bool plan = false, bool giveUp = false) =>
        await Care.RepairAsync(Repository, fromOther ? Other : null, plan, giveUp, null, CancellationToken.None);

    protected async Task<BackupCopyResult> CopyAsync(BackupInfo backup) => await Care.CopyAsync(backup, Other, null, CancellationToken.None);

    /// <summary>Every file of the repository with its content.</summary>
    protected IReadOnlyDictionary<string, string> Snapshot() => Keys("").ToDictionary(KeyOf, k => Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(k))));

    /// <summary>Passes everything on and counts what is read.</summary>
    private sealed class CountingStorage(IRepositoryStorage storage, System.Collections.Concurrent.ConcurrentDictionary<string, long> reads) : IRepositoryStorage
    {
        public string Location => storage.Location;
        public Task<IStorageWriter> CreateAsync(CancellationToken cancellationToken) => storage.CreateAsync(cancellationToken);

        public async ValueTask<int?> ReadAsync(string key, long offset, Memory<byte> buffer, CancellationToken cancellationToken)
        {
            var read = await storage.ReadAsync(key, offset, buffer, cancellationToken);
            reads.AddOrUpdate(key, read ?? 0, (_, before) => before + (read ?? 0));
            return read;
        }

        public Task<StorageObject?> StatAsync(string key, CancellationToken cancellationToken) => storage.StatAsync(key, cancellationToken);
        public IAsyncEnumerable<StorageObject> ListAsync(string prefix, CancellationToken cancellationToken) => storage.ListAsync(prefix, cancellationToken);
        public Task<bool> HasForeignContentAsync(IReadOnlySet<string> ownNames, CancellationToken cancellationToken) => storage.HasForeignContentAsync(ownNames, cancellationToken);
        public Task DeleteAsync(string key, CancellationToken cancellationToken) => storage.DeleteAsync(key, cancellationToken);
        public Task MoveAsync(string from, string to, CancellationToken cancellationToken) => storage.MoveAsync(from, to, cancellationToken);
    }
}
