namespace DbRecovery.Engine.Backups;

/// <summary>
/// One upkeep of a repository at a time. It saves work and keeps a rewritten manifest from bringing a removed backup back; no data
/// hangs on it: a disk without a byte left may have no room for it, and then the removal goes on without.
/// </summary>
internal static class UpkeepLock
{
    private const string Name = "upkeep";
    private const int MaxRooms = 64;
    private const int MostAttempts = 20;

    /// <summary>The key of the lock's object: not a writer.</summary>
    public const string Key = "sessions/" + Name;

    /// <summary>Takes the lock.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.RepositoryBusy"/> names who holds it.</exception>
    public static async Task<IAsyncDisposable> TakeAsync(IRepositoryStorage storage, string purpose, TimeSpan sessionLimit, TimeProvider clock, CancellationToken cancellationToken)
    {
        var owner = WriterSession.Describe(purpose, clock);
        for (var attempt = 0; attempt < MostAttempts; attempt++)
        {
            var (taken, full) = await TryAsync(storage, owner, cancellationToken).ConfigureAwait(false);
            if (taken is not null || full)
                return (IAsyncDisposable?)taken ?? new Nothing();
            // the holder may have ended, or died, since
            if (attempt > 0)
                await RefuseAsync(storage, cancellationToken).ConfigureAwait(false);
            await WriterSession.RemoveDeadAsync(storage, sessionLimit, await StorageClock.NowAsync(storage, cancellationToken).ConfigureAwait(false), owner, cancellationToken).ConfigureAwait(false);
        }
        throw new DbRecoveryException(ErrorIds.RepositoryBusy, ErrorKind.Busy, $"the repository '{storage.Location}' is being kept up by one process after the other", "Try again later.", Key);
    }

    private static async Task<(WriterSession? Session, bool Full)> TryAsync(IRepositoryStorage storage, SessionOwner owner, CancellationToken cancellationToken)
    {
        for (var room = 0; ; room++)
        {
            try
            {
                return (await WriterSession.BeginExclusiveAsync(storage, Name, owner, cancellationToken).ConfigureAwait(false), false);
            }
            catch (DbRecoveryException e) when (e.Id == ErrorIds.OutOfSpace)
            {
                if (room >= MaxRooms || !await MakeRoomAsync(storage, cancellationToken).ConfigureAwait(false))
                    return (null, true);
            }
        }
    }

    /// <summary>Gives up an index: it is built again from the packs when there is room.</summary>
    public static async Task<bool> MakeRoomAsync(IRepositoryStorage storage, CancellationToken cancellationToken)
    {
        StorageObject? smallest = null;
        await foreach (var index in storage.ListAsync("index/", cancellationToken).ConfigureAwait(false))
        {
            if (smallest is null || index.Size < smallest.Size)
                smallest = index;
        }
        if (smallest is null)
            return false;
        await storage.DeleteAsync(smallest.Key, cancellationToken).ConfigureAwait(false);
        return true;
    }

    private static async Task RefuseAsync(IRepositoryStorage storage, CancellationToken cancellationToken)
    {
        var held = (await WriterSession.ListAsync(storage, cancellationToken).ConfigureAwait(false)).FirstOrDefault(s => s.Object.Key == Key);
        if (held.Object is null)
            return;
        var who = held.Owner is { } owner ? $"{owner.Purpose} by process {owner.ProcessId} on {owner.Machine.Name}, since {owner.StartedAt.UtcDateTime:u}" : $"somebody since {held.Object.ModifiedAt.UtcDateTime:u}";
        throw new DbRecoveryException(ErrorIds.RepositoryBusy, ErrorKind.Busy, $"the repository '{storage.Location}' is being kept up: {who}",
            "Try again when that has ended. What a process of this machine that died holds is taken over by itself; what another machine holds, after some days.", Key);
    }

    private sealed class Nothing : IAsyncDisposable
    {
        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
