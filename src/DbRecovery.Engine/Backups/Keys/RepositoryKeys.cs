namespace DbRecovery.Engine.Backups;

/// <summary>What upkeep needs of an encrypted repository's keys: which epochs are in use, and how to be rid of old ones.</summary>
internal sealed class RepositoryKeys(BackupRepository repository, KeyStore store, KeyRing ring)
{
    private const string Quarantine = "quarantine/";
    private KeyRing _ring = ring;

    /// <summary>The epoch of what is written now.</summary>
    public uint CurrentEpoch => _ring.CurrentEpoch;

    /// <summary>The epochs whose data keys are there, oldest first.</summary>
    public IReadOnlyCollection<uint> Epochs => _ring.Epochs;

    /// <summary>How many objects each epoch seals: packs, and sealed documents, those in the trash and in quarantine too.</summary>
    public async Task<IReadOnlyDictionary<uint, int>> CountObjectsAsync(CancellationToken cancellationToken)
    {
        var counts = new SortedDictionary<uint, int>();
        await foreach (var (_, epoch) in ObjectsAsync(cancellationToken).ConfigureAwait(false))
        {
            if (epoch is { } known)
                counts[known] = counts.GetValueOrDefault(known) + 1;
        }
        return counts;
    }

    /// <summary>Seals every document of an older epoch anew, in the current one. Packs stay: they are rewritten by a repack. Gives how many.</summary>
    public async Task<int> ResealDocumentsAsync(CancellationToken cancellationToken)
    {
        var older = new List<string>();
        await foreach (var (key, epoch) in ObjectsAsync(cancellationToken).ConfigureAwait(false))
        {
            // what is in the trash is bound to the key that it had, and what is in quarantine to what is wrong with it; of an epoch that
            // ended, which somebody wrote who still held its key, nothing can be opened
            if (epoch is { } old && old != CurrentEpoch && _ring.DataKey(old) is not null && PackFormat.NameOf(key) is null
                && !key.StartsWith("trash/", StringComparison.Ordinal) && !key.StartsWith(Quarantine, StringComparison.Ordinal))
                older.Add(key);
        }
        var done = 0;
        foreach (var key in older)
            done += await ResealAsync(key, cancellationToken).ConfigureAwait(false) ? 1 : 0;
        return done;
    }

    private async Task<bool> ResealAsync(string key, CancellationToken cancellationToken)
    {
        var isIndex = key.StartsWith("index/", StringComparison.Ordinal);
        var name = isIndex ? IndexFormat.SealName : key;
        if (await repository.Storage.GetAsync(key, Array.MaxLength - 1, cancellationToken).ConfigureAwait(false) is not { } stored)
            return false;
        var content = repository.Documents.Open(name, stored) ?? throw RepositoryErrors.Corrupt(repository.Storage, key, "it is not what was sealed");
        var fresh = repository.Documents.Seal(name, content.ToArray());
        await repository.Storage.PutAsync(isIndex ? IndexFormat.Key(fresh) : key, fresh, PutMode.Replace, cancellationToken).ConfigureAwait(false);
        if (isIndex)
            await repository.Storage.DeleteAsync(key, cancellationToken).ConfigureAwait(false);
        return true;
    }

    /// <summary>
    /// Makes sure that the keys at hand are the newest. A writer looks when its session is open: from then on no epoch of its is dropped,
    /// and before it may have been.
    /// </summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.RepositoryBusy"/>: they were changed since the repository was opened.</exception>
    public async Task AssertCurrentAsync(CancellationToken cancellationToken)
    {
        if ((await store.LoadAsync(cancellationToken).ConfigureAwait(false)).GenerationOf(_ring) > _ring.Generation)
            throw new DbRecoveryException(ErrorIds.RepositoryBusy, ErrorKind.Busy, $"the keys of the repository '{repository.Storage.Location}' are newer than the one at hand: they were just changed, or it was left out", "Try again, or with another of its keys.", repository.Storage.Location);
    }

    /// <summary>Forgets the data keys of the old epochs with which nothing is sealed any more; gives how many. What is still in use stays for a later run.</summary>
    public async Task<int> DropUnusedEpochsAsync(CancellationToken cancellationToken)
    {
        var dropped = 0;
        foreach (var epoch in Epochs.Where(e => e != CurrentEpoch).ToList())
        {
            try
            {
                await DropEpochAsync(epoch, cancellationToken).ConfigureAwait(false);
                dropped++;
            }
            catch (DbRecoveryException e) when (e.Id == ErrorIds.RepositoryBusy)
            {
                // the trash or the quarantine holds some of it, or somebody writes
            }
        }
        return dropped;
    }

    /// <summary>Forgets an epoch's data key for good.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.RepositoryBusy"/>: something is still sealed with it, or a backup is being written. <see cref="ErrorIds.ParameterInvalid"/>: it is the current one, or there is none.</exception>
    public async Task DropEpochAsync(uint epoch, CancellationToken cancellationToken)
    {
        if (epoch == CurrentEpoch || _ring.DataKey(epoch) is null)
            throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"epoch {epoch} is {(epoch == CurrentEpoch ? "the current one" : "not one of this repository")}", $"Its epochs are {string.Join(", ", Epochs)}; begin a new one first.");
        // whoever keeps the repository up holds a lock there, and writes nothing
        await foreach (var session in repository.Storage.ListAsync("sessions/", cancellationToken).ConfigureAwait(false))
            if (session.Key != UpkeepLock.Key)
                throw new DbRecoveryException(ErrorIds.RepositoryBusy, ErrorKind.Busy, $"epoch {epoch} cannot be dropped while '{session.Key}' is open: its writer may use it", "Wait until the backup is done.", session.Key);
        await foreach (var (key, used) in ObjectsAsync(cancellationToken).ConfigureAwait(false))
        {
            if (used is null && PackFormat.NameOf(key) is not null)
                throw RepositoryErrors.Corrupt(repository.Storage, key, "the pack's header is not one, so that its epoch is not known");
            if (used == epoch)
                throw new DbRecoveryException(ErrorIds.RepositoryBusy, ErrorKind.Refused, $"epoch {epoch} cannot be dropped: '{key}' is sealed with it", "Repack what is of that epoch, and empty the trash, first; what is in quarantine is deleted by hand, once nobody wants to look at it any more.", key);
        }
        _ring = await store.DropEpochAsync(_ring, epoch, cancellationToken).ConfigureAwait(false);
    }

    private async IAsyncEnumerable<(string Key, uint? Epoch)> ObjectsAsync([System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var header = new byte[PackFormat.HeaderSize];
        foreach (var folder in BackupRepository.ContentFolders.Append(Quarantine))
        {
            await foreach (var found in repository.Storage.ListAsync(folder, cancellationToken).ConfigureAwait(false))
            {
                var read = await repository.Storage.ReadAsync(found.Key, 0, header, cancellationToken).ConfigureAwait(false);
                if (read is not null)
                    yield return (found.Key, read < header.Length ? null : EpochOf(header));
            }
        }
    }

    private static uint? EpochOf(byte[] header) =>
        SealedDocuments.EpochOf(header) ?? (PackFormat.ReadHeader(header) is { CipherId: not 0 } pack ? pack.Epoch : null);
}
