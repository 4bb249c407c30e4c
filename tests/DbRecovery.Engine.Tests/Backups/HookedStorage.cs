using System.Runtime.CompilerServices;
using DbRecovery.Engine.Backups;

namespace DbRecovery.Engine.Tests.Backups;

/// <summary>Passes everything on, and lets a test come between two calls.</summary>
internal sealed class HookedStorage(IRepositoryStorage inner) : IRepositoryStorage
{
    /// <summary>Called before objects are listed, with the prefix.</summary>
    public Func<string, Task>? BeforeList { get; set; }
    /// <summary>Called after an object was looked at, with its key.</summary>
    public Func<string, Task>? AfterStat { get; set; }
    /// <summary>Called after an object was read, with its key.</summary>
    public Func<string, Task>? AfterRead { get; set; }
    /// <summary>Called after an object appeared, with its key.</summary>
    public Func<string, Task>? AfterCommit { get; set; }
    /// <summary>Whether a disk gives an error for a part of an object: key, first and last byte.</summary>
    public Func<string, long, long, bool> IsBad { get; set; } = (_, _, _) => false;

    public string Location => inner.Location;

    public async Task<IStorageWriter> CreateAsync(CancellationToken cancellationToken) => new Writer(this, await inner.CreateAsync(cancellationToken));

    public async ValueTask<int?> ReadAsync(string key, long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        // the first page of a process is none, and reading it is what a bad sector is: EIO
        if (IsBad(key, offset, offset + buffer.Length - 1) && await inner.StatAsync(key, cancellationToken) is not null)
            return await new DirectoryStorage("/proc/self").ReadAsync("mem", 0, buffer, cancellationToken);
        var read = await inner.ReadAsync(key, offset, buffer, cancellationToken);
        await (AfterRead?.Invoke(key) ?? Task.CompletedTask);
        return read;
    }

    public async Task<StorageObject?> StatAsync(string key, CancellationToken cancellationToken)
    {
        var found = await inner.StatAsync(key, cancellationToken);
        await (AfterStat?.Invoke(key) ?? Task.CompletedTask);
        return found;
    }

    public async IAsyncEnumerable<StorageObject> ListAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await (BeforeList?.Invoke(prefix) ?? Task.CompletedTask);
        await foreach (var found in inner.ListAsync(prefix, cancellationToken))
            yield return found;
    }

    public Task<bool> HasForeignContentAsync(IReadOnlySet<string> ownNames, CancellationToken cancellationToken) => inner.HasForeignContentAsync(ownNames, cancellationToken);
    public Task DeleteAsync(string key, CancellationToken cancellationToken) => inner.DeleteAsync(key, cancellationToken);
    public Task MoveAsync(string from, string to, CancellationToken cancellationToken) => inner.MoveAsync(from, to, cancellationToken);

    private sealed class Writer(HookedStorage storage, IStorageWriter inner) : IStorageWriter
    {
        public ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken) => inner.WriteAsync(data, cancellationToken);

        public async Task<bool> CommitAsync(string key, PutMode mode, CancellationToken cancellationToken)
        {
            var done = await inner.CommitAsync(key, mode, cancellationToken);
            await (storage.AfterCommit?.Invoke(key) ?? Task.CompletedTask);
            return done;
        }

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}
