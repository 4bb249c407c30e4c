namespace DbRecovery.Engine.Backups;

/// <summary>What a session's object says: who writes.</summary>
internal sealed record SessionOwner(Guid Id, string Purpose, MachineIdentity Machine, int ProcessId, string ProcessStart, DateTimeOffset StartedAt)
{
    /// <summary>Whether the process provably ended: on this machine, by its id and start. Of another machine nothing is known.</summary>
    public bool IsDead(MachineIdentity here)
    {
        if (Machine.Machine != here.Machine || Machine.Name != here.Name)
            return false;
        // the machine was started anew since; a writer that was wrongly taken for dead refuses to end its backup, so nothing is lost by it
        if (BootOf(Machine) != BootOf(here))
            return true;
        return Machine.Boot == here.Boot && MachineIdentity.StartOf(ProcessId) is var start && start != ProcessStart && start != "?";
    }

    /// <summary>Whether the process provably lives: on this machine.</summary>
    public bool IsAlive(MachineIdentity here) => Machine == here && MachineIdentity.StartOf(ProcessId) == ProcessStart;

    private static string BootOf(MachineIdentity machine) => machine.Boot.Split(' ')[0];
}

/// <summary>
/// A writer's presence in a repository. While its object is there, nothing that went to the trash since is deleted. A writer whose
/// session was removed must not write its manifest: what it refers to may be gone.
/// </summary>
internal sealed class WriterSession : IAsyncDisposable
{
    private const string Prefix = "sessions/";
    private const long MaxSize = 64 << 10;
    private readonly IRepositoryStorage _storage;
    /// <summary>The bytes of a session that only one process may have.</summary>
    private readonly byte[]? _exclusive;

    private WriterSession(IRepositoryStorage storage, SessionOwner owner, string key, byte[]? exclusive = null) => (_storage, Owner, Key, _exclusive) = (storage, owner, key, exclusive);

    public SessionOwner Owner { get; }

    public string Key { get; }

    /// <summary>Begins a session of this process.</summary>
    public static async Task<WriterSession> BeginAsync(IRepositoryStorage storage, string purpose, TimeProvider clock, CancellationToken cancellationToken)
    {
        var owner = Describe(purpose, clock);
        var session = new WriterSession(storage, owner, $"{Prefix}{owner.Id:N}");
        await storage.PutAsync(session.Key, SealedDocument.Write(owner), PutMode.IfAbsent, cancellationToken).ConfigureAwait(false);
        return session;
    }

    /// <summary>Begins a session, and makes sure that what it seals can be opened afterwards.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.RepositoryBusy"/>: the keys were changed since the repository was opened.</exception>
    public static async Task<WriterSession> BeginAsync(BackupRepository repository, string purpose, TimeProvider clock, CancellationToken cancellationToken)
    {
        var session = await BeginAsync(repository.Storage, purpose, clock, cancellationToken).ConfigureAwait(false);
        try
        {
            if (repository.Keys is { } keys)
                await keys.AssertCurrentAsync(cancellationToken).ConfigureAwait(false);
            return session;
        }
        catch
        {
            await session.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Begins a session that only one process at a time may have; null where another has it.</summary>
    public static async Task<WriterSession?> BeginExclusiveAsync(IRepositoryStorage storage, string name, SessionOwner owner, CancellationToken cancellationToken)
    {
        var bytes = SealedDocument.Write(owner);
        var session = new WriterSession(storage, owner, Prefix + name, bytes);
        return await storage.PutAsync(session.Key, bytes, PutMode.IfAbsent, cancellationToken).ConfigureAwait(false) ? session : null;
    }

    /// <summary>This process as an owner.</summary>
    public static SessionOwner Describe(string purpose, TimeProvider clock) => new(Guid.NewGuid(), purpose, MachineIdentity.Current, Environment.ProcessId,
        MachineIdentity.StartOf(Environment.ProcessId) ?? "?", clock.GetUtcNow());

    /// <summary>The last look before a manifest is written.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.BackupFailed"/>: the session was removed.</exception>
    public async Task AssertOpenAsync(CancellationToken cancellationToken)
    {
        if (await _storage.StatAsync(Key, cancellationToken).ConfigureAwait(false) is null)
            throw new DbRecoveryException(ErrorIds.BackupFailed, ErrorKind.Failed,
                $"the session of this writer was removed from '{_storage.Location}': it was taken for dead, and what its backup refers to may be gone",
                "Take the backup again. Where machines share a repository, let a session count as dead later.", Key);
    }

    /// <summary>The open sessions: object, and owner where it can be read.</summary>
    public static async Task<IReadOnlyList<(StorageObject Object, SessionOwner? Owner)>> ListAsync(IRepositoryStorage storage, CancellationToken cancellationToken) =>
        [.. (await ReadAsync(storage, cancellationToken).ConfigureAwait(false)).Select(s => (s.Object, s.Owner))];

    private static async Task<List<(StorageObject Object, SessionOwner? Owner, byte[]? Bytes)>> ReadAsync(IRepositoryStorage storage, CancellationToken cancellationToken)
    {
        var found = new List<(StorageObject, SessionOwner?, byte[]?)>();
        await foreach (var session in storage.ListAsync(Prefix, cancellationToken).ConfigureAwait(false))
        {
            // one that is gone since it was listed has ended
            if (session.Size > MaxSize)
                found.Add((session, null, null));
            else if (await storage.GetAsync(session.Key, MaxSize, cancellationToken).ConfigureAwait(false) is { } bytes)
                found.Add((session, SealedDocument.Read<SessionOwner>(bytes), bytes));
        }
        return found;
    }

    /// <summary>Removes the sessions of processes that died, and those of other machines that are older than the limit; gives how many.</summary>
    /// <param name="storage">The storage.</param>
    /// <param name="limit">The age past which a session of another machine counts as dead.</param>
    /// <param name="storageNow">The storage's time.</param>
    /// <param name="remover">Who removes them.</param>
    /// <param name="cancellationToken">Cancels.</param>
    public static async Task<int> RemoveDeadAsync(IRepositoryStorage storage, TimeSpan limit, DateTimeOffset storageNow, SessionOwner remover, CancellationToken cancellationToken)
    {
        var removed = 0;
        foreach (var (session, owner, bytes) in await ReadAsync(storage, cancellationToken).ConfigureAwait(false))
        {
            if (owner?.IsDead(MachineIdentity.Current) != true && !IsSilent(session, owner, limit, storageNow))
                continue;
            // a writer's name is its own; the name of the lock is everybody's
            if (session.Key != UpkeepLock.Key || bytes is null)
                await storage.DeleteAsync(session.Key, cancellationToken).ConfigureAwait(false);
            else if (!await ExclusiveObject.RemoveAsync(storage, session.Key, bytes, remover, cancellationToken).ConfigureAwait(false))
                continue;
            removed++;
        }
        return removed;
    }

    /// <summary>A process of this machine that lives is never silent, however long it takes.</summary>
    private static bool IsSilent(StorageObject session, SessionOwner? owner, TimeSpan limit, DateTimeOffset storageNow) =>
        session.ModifiedAt + limit < storageNow && owner?.IsAlive(MachineIdentity.Current) != true;

    public async ValueTask DisposeAsync()
    {
        try
        {
            // also when the work was cancelled
            if (_exclusive is null)
                await _storage.DeleteAsync(Key, CancellationToken.None).ConfigureAwait(false);
            else
                await ExclusiveObject.RemoveAsync(_storage, Key, _exclusive, Owner, CancellationToken.None).ConfigureAwait(false);
        }
        catch (DbRecoveryException)
        {
            // a session left behind only makes a removal wait; the error that led here is the one to report
        }
    }
}
