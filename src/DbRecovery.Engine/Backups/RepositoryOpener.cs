using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;

namespace DbRecovery.Engine.Backups;

/// <summary>Opens repositories: the one place where a definition, its storage and its keys come together.</summary>
internal sealed class RepositoryOpener(Func<RepositoryDefinition, IRepositoryStorage> storages, ISecretResolver? secrets, TimeProvider clock)
{
    private const string FirstLabel = "initial";
    private const int ChangeWaits = 20;
    private static readonly TimeSpan ChangeWait = TimeSpan.FromMilliseconds(100);
    private readonly ConcurrentDictionary<(string Path, RepositoryEncryption Encryption), OpenedKeys> _opened = new();

    /// <summary>Reads passphrases; null where there are none to read.</summary>
    public ISecretResolver? Secrets { get; } = secrets;

    /// <summary>An opened ring, kept as long as nothing under keys/ changes: making a key of a passphrase is slow on purpose.</summary>
    private sealed record OpenedKeys(Guid Repository, string Stamp, KeyRing Ring, KeySlot Slot);

    /// <summary>Opens a repository; null where nothing was ever backed up to it.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.RepositoryInvalid"/>, <see cref="ErrorIds.RepositoryCorrupt"/>, <see cref="ErrorIds.RepositoryLocked"/>.</exception>
    public async Task<BackupRepository?> OpenAsync(RepositoryDefinition definition, CancellationToken cancellationToken)
    {
        var storage = storages(definition);
        if (await BackupRepository.ReadHeaderAsync(storage, cancellationToken).ConfigureAwait(false) is not { } header)
            return null;
        return (await OpenKeysAsync(definition, storage, header, cancellationToken).ConfigureAwait(false))?.Repository
            ?? new BackupRepository(storage, header);
    }

    /// <summary>Opens a repository that must be there.</summary>
    /// <exception cref="DbRecoveryException">As <see cref="OpenAsync"/>, and <see cref="ErrorIds.RepositoryInvalid"/> where there is none.</exception>
    public async Task<BackupRepository> OpenExistingAsync(RepositoryDefinition definition, CancellationToken cancellationToken) =>
        await OpenAsync(definition, cancellationToken).ConfigureAwait(false) ?? throw Missing(definition);

    /// <summary>Where a repository is kept, unopened.</summary>
    public IRepositoryStorage StorageOf(RepositoryDefinition definition) => storages(definition);

    /// <summary>The same over other storages.</summary>
    public RepositoryOpener Over(Func<RepositoryDefinition, IRepositoryStorage> other) => new(other, Secrets, clock);

    /// <summary>Opens a repository or creates it, encrypted where its definition says so. Of two creators at once both end with the same one. What every repository has beside its data is made sure of.</summary>
    public async Task<BackupRepository> OpenOrCreateAsync(RepositoryDefinition definition, CancellationToken cancellationToken)
    {
        var repository = await OpenForWritingAsync(definition, cancellationToken).ConfigureAwait(false);
        await HeaderCopy.EnsureAsync(repository.Storage, cancellationToken).ConfigureAwait(false);
        await HandBook.WriteAsync(repository, cancellationToken).ConfigureAwait(false);
        return repository;
    }

    private async Task<BackupRepository> OpenForWritingAsync(RepositoryDefinition definition, CancellationToken cancellationToken)
    {
        var storage = storages(definition);
        if (await BackupRepository.ReadHeaderAsync(storage, cancellationToken).ConfigureAwait(false) is not { } header)
        {
            await CreateAsync(definition, storage, cancellationToken).ConfigureAwait(false);
            header = await BackupRepository.ReadHeaderAsync(storage, cancellationToken).ConfigureAwait(false)
                ?? throw RepositoryErrors.Invalid(storage, "repo.json went away right after it was written", "Check what else works in that folder.");
        }
        for (var waits = 0; ; waits++)
        {
            if (await OpenKeysAsync(definition, storage, header, cancellationToken).ConfigureAwait(false) is not { } open)
                return new BackupRepository(storage, header);
            if (open.Slots.GenerationOf(open.Ring) <= open.Ring.Generation)
            {
                await open.Store.CatchUpAsync(open.Ring, open.Slots, cancellationToken).ConfigureAwait(false);
                return open.Repository;
            }
            // what this key wrote, others could read, but it would be of an epoch that was left behind for a reason
            if (waits == ChangeWaits || !await open.Store.IsChangingAsync(cancellationToken).ConfigureAwait(false))
                throw RepositoryErrors.Locked(storage, $"the key {open.Slot.Name} was left out of the newest epoch: it was removed, or a change of the keys was cut short", "Write with another of its keys: that completes a change that was cut short.");
            await Task.Delay(ChangeWait, clock, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Reads the keys of an encrypted repository without opening any.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.RepositoryInvalid"/>: there is none, or it is not encrypted.</exception>
    public async Task<(KeyStore Store, KeySlots Slots)> ReadKeysAsync(RepositoryDefinition definition, CancellationToken cancellationToken)
    {
        var storage = storages(definition);
        var header = await BackupRepository.ReadHeaderAsync(storage, cancellationToken).ConfigureAwait(false) ?? throw Missing(definition);
        var store = new KeyStore(storage, header.RepoId, clock);
        var slots = await store.LoadAsync(cancellationToken).ConfigureAwait(false);
        if (header.Cipher == PlainSealer.Name && slots.Slots.Count == 0)
            throw RepositoryErrors.NotEncrypted(storage);
        return (store, slots);
    }

    /// <summary>Opens the keys of a repository, to change them.</summary>
    public async Task<(KeyStore Store, KeyRing Ring, KeySlot Slot, KeySlots Slots)> OpenKeysAsync(RepositoryDefinition definition, CancellationToken cancellationToken)
    {
        var storage = storages(definition);
        var header = await BackupRepository.ReadHeaderAsync(storage, cancellationToken).ConfigureAwait(false) ?? throw Missing(definition);
        var open = await OpenKeysAsync(definition, storage, header, cancellationToken).ConfigureAwait(false)
            ?? throw RepositoryErrors.NotEncrypted(storage);
        return (open.Store, open.Ring, open.Slot, open.Slots);
    }

    private sealed record OpenRepository(BackupRepository Repository, KeyStore Store, KeyRing Ring, KeySlot Slot, KeySlots Slots);

    /// <summary>Opens what a header says is encrypted; null where it is not, and nobody asks it to be.</summary>
    private async Task<OpenRepository?> OpenKeysAsync(RepositoryDefinition definition, IRepositoryStorage storage, RepositoryHeader header, CancellationToken cancellationToken)
    {
        var store = new KeyStore(storage, header.RepoId, clock);
        if (header.Cipher == PlainSealer.Name && definition.Encryption is not null)
            throw RepositoryErrors.Locked(storage, $"'{definition.Name}' is to be encrypted, and its repo.json says that it is not", "Name a new folder for the encrypted repository and copy the backups to it. If it was encrypted before, put repo.json back from a copy: somebody altered it.");
        var slots = await store.LoadAsync(cancellationToken).ConfigureAwait(false);
        if (header.Cipher == PlainSealer.Name)
            return slots.Slots.Count == 0 ? null : throw RepositoryErrors.Corrupt(storage, BackupRepository.HeaderKey, "it says that the repository is not encrypted, and keys/ holds its keys");
        if (definition.Encryption is not { } encryption)
            throw RepositoryErrors.Locked(storage, $"it is encrypted, and no key was given. {KeyStore.Describe(slots)}",
                "Add 'encryption: { passphrase: { env: NAME } }' or '{ keyFile: PATH }' to it in the inventory; for a path, set DBRECOVERY_PASSPHRASE or DBRECOVERY_KEY_FILE.");
        var opened = await UnlockAsync(definition.Path, encryption, header, store, slots, cancellationToken).ConfigureAwait(false);
        if (header.Seal is null || !CryptographicOperations.FixedTimeEquals(Encoding.ASCII.GetBytes(header.Seal), Encoding.ASCII.GetBytes(opened.Ring.SealOf(header.SealedContent()))))
            throw RepositoryErrors.Corrupt(storage, BackupRepository.HeaderKey, "its seal is not that of the repository's keys: it was altered, or comes from another repository");
        return new OpenRepository(new BackupRepository(storage, header, opened.Ring, store), store, opened.Ring, opened.Slot, slots);
    }

    private async Task<OpenedKeys> UnlockAsync(string path, RepositoryEncryption encryption, RepositoryHeader header, KeyStore store, KeySlots slots, CancellationToken cancellationToken)
    {
        if (_opened.TryGetValue((path, encryption), out var known) && known.Repository == header.RepoId && known.Stamp == slots.Stamp)
            return known;
        using var material = await KeyMaterial.ReadAsync(encryption, Secrets, cancellationToken).ConfigureAwait(false);
        var (ring, slot) = await Task.Run(() => store.Unlock(slots, material, cancellationToken), cancellationToken).ConfigureAwait(false);
        return _opened[(path, encryption)] = new OpenedKeys(header.RepoId, slots.Stamp, ring, slot);
    }

    /// <summary>Keys first, then repo.json: a repository that exists can be opened. Whoever comes second takes his key back.</summary>
    private async Task CreateAsync(RepositoryDefinition definition, IRepositoryStorage storage, CancellationToken cancellationToken)
    {
        var header = BackupRepository.NewHeader(clock);
        if (definition.Encryption is not { } encryption)
        {
            await BackupRepository.CreateAsync(storage, header, cancellationToken).ConfigureAwait(false);
            return;
        }
        using var material = await KeyMaterial.ReadAsync(encryption, Secrets, cancellationToken).ConfigureAwait(false);
        var store = new KeyStore(storage, header.RepoId, clock);
        var (ring, slot) = await store.CreateFirstAsync(FirstLabel, material, cancellationToken).ConfigureAwait(false);
        header = header with { Cipher = AesGcmSealer.Name };
        header = header with { Seal = ring.SealOf(header.SealedContent()) };
        // where it is not known whether repo.json was written, the key stays: one too many opens nothing, one too few loses everything
        if (!await BackupRepository.CreateAsync(storage, header, cancellationToken).ConfigureAwait(false))
        {
            await store.ForgetAsync(slot, CancellationToken.None).ConfigureAwait(false);
            return;
        }
        var written = await store.LoadAsync(cancellationToken).ConfigureAwait(false);
        if (written.Slots.Any(s => s.Id == slot.Id && s.Secret.AsSpan().SequenceEqual(slot.Secret) && s.Ring.Sealed.AsSpan().SequenceEqual(slot.Ring.Sealed)))
            _opened[(definition.Path, encryption)] = new OpenedKeys(header.RepoId, written.Stamp, ring, slot);
    }

    private static DbRecoveryException Missing(RepositoryDefinition definition) =>
        new(ErrorIds.RepositoryInvalid, ErrorKind.NotFound, $"there is no repository at '{definition.Path}'", "Check that its disk is mounted.", definition.Path);
}
