namespace DbRecovery.Engine.Backups;

/// <summary>A key to be made: exactly one of the three says what opens it.</summary>
public sealed record NewRepositoryKey
{
    /// <summary>Its label, unique in the repository.</summary>
    public required string Label { get; init; }
    /// <summary>Its passphrase.</summary>
    public SecretValue? Passphrase { get; init; }
    /// <summary>The absolute path of its key file, which exists.</summary>
    public string? KeyFile { get; init; }
    /// <summary>The absolute path of a key file that is made for it.</summary>
    public string? NewKeyFile { get; init; }
}

/// <summary>Lists and changes the keys of encrypted repositories. No change touches a pack: each takes as long as opening the repository does.</summary>
public sealed class RepositoryKeyService
{
    private readonly RepositoryOpener _repositories;

    /// <summary>Makes a service.</summary>
    /// <param name="secrets">Reads the passphrases of definitions; null where there are none.</param>
    /// <param name="clock">The clock; null: the system's.</param>
    public RepositoryKeyService(ISecretResolver? secrets, TimeProvider? clock = null)
        : this(new RepositoryOpener(static repository => new DirectoryStorage(repository.Path), secrets, clock ?? TimeProvider.System))
    {
    }

    internal RepositoryKeyService(RepositoryOpener repositories) => _repositories = repositories;

    /// <summary>The keys of a repository. Where its definition gives a key it is opened, so that files that are none of its keys are told from those that are.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.RepositoryInvalid"/>: there is none, or it is not encrypted; <see cref="ErrorIds.RepositoryLocked"/>: the key given does not open it.</exception>
    public async Task<IReadOnlyList<RepositoryKeyInfo>> ListAsync(RepositoryDefinition repository, CancellationToken cancellationToken)
    {
        if (repository.Encryption is null)
            return Describe(repository, (await _repositories.ReadKeysAsync(repository, cancellationToken).ConfigureAwait(false)).Slots, null, null);
        var (_, ring, slot, slots) = await _repositories.OpenKeysAsync(repository, cancellationToken).ConfigureAwait(false);
        return Describe(repository, slots, ring, slot);
    }

    /// <summary>Adds a key that opens everything in the repository.</summary>
    public async Task<RepositoryKeyInfo> AddAsync(RepositoryDefinition repository, NewRepositoryKey key, CancellationToken cancellationToken)
    {
        KeySlot.CheckLabel(key.Label);
        if (new object?[] { key.Passphrase, key.KeyFile, key.NewKeyFile }.Count(k => k is not null) != 1)
            throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, "a key is opened by one of: a passphrase, a key file, a key file that is made for it", "Give exactly one.", key.Label);
        var (store, ring, used, _) = await _repositories.OpenKeysAsync(repository, cancellationToken).ConfigureAwait(false);
        if (key.NewKeyFile is { } made)
            KeyMaterial.Generate(made);
        try
        {
            using var material = key.Passphrase is { } passphrase ? KeyMaterial.OfPassphrase(passphrase, $"the new key '{key.Label}'") : KeyMaterial.OfFile(key.NewKeyFile ?? key.KeyFile!);
            var added = await store.AddAsync(ring, key.Label, material, cancellationToken).ConfigureAwait(false);
            var slots = await store.LoadAsync(cancellationToken).ConfigureAwait(false);
            return Describe(repository, slots, ring.With(ring.Members.Append(new RingMember(added.Id, System.Security.Cryptography.SHA256.HashData(added.PublicKey)))), used).Single(k => k.Id == added.Id.ToString("N"));
        }
        catch (DbRecoveryException) when (key.NewKeyFile is not null)
        {
            // the file opens nothing
            Files.DurableFile.Discard(key.NewKeyFile);
            throw;
        }
    }

    /// <summary>Removes a key, by label or by the beginning of its id, and begins a new epoch: what is written from then on it does not open.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.ParameterInvalid"/>: it is the last; <see cref="ErrorIds.ObjectNotFound"/>.</exception>
    public async Task<IReadOnlyList<RepositoryKeyInfo>> RemoveAsync(RepositoryDefinition repository, string labelOrId, CancellationToken cancellationToken)
    {
        var (store, ring, used, _) = await _repositories.OpenKeysAsync(repository, cancellationToken).ConfigureAwait(false);
        var next = await store.RemoveAsync(ring, labelOrId, cancellationToken).ConfigureAwait(false);
        return Describe(repository, await store.LoadAsync(cancellationToken).ConfigureAwait(false), next, used);
    }

    /// <summary>Begins a new epoch with one key at hand; every other key opens it too.</summary>
    public async Task<IReadOnlyList<RepositoryKeyInfo>> RotateAsync(RepositoryDefinition repository, CancellationToken cancellationToken)
    {
        var (store, ring, used, _) = await _repositories.OpenKeysAsync(repository, cancellationToken).ConfigureAwait(false);
        var next = await store.RotateAsync(ring, cancellationToken).ConfigureAwait(false);
        return Describe(repository, await store.LoadAsync(cancellationToken).ConfigureAwait(false), next, used);
    }

    private static List<RepositoryKeyInfo> Describe(RepositoryDefinition repository, KeySlots keys, KeyRing? ring, KeySlot? used)
    {
        var newest = ring?.Generation ?? keys.Slots.Select(s => s.Ring.Generation).DefaultIfEmpty().Max();
        var found = new List<RepositoryKeyInfo>();
        foreach (var slot in keys.Slots)
        {
            var state = ring is not null && !ring.Has(slot) ? RepositoryKeyState.Foreign : slot.Ring.Generation < newest ? RepositoryKeyState.Behind : RepositoryKeyState.Current;
            found.Add(Info(slot.Id.ToString("N"), state, state switch
            {
                RepositoryKeyState.Foreign => $"'{slot.Key}' is none of the repository's keys: it was removed, or put there by somebody; it is given no new epoch",
                RepositoryKeyState.Behind => "a change of the keys did not reach it; the next backup that is taken completes that",
                _ => null,
            }) with
            {
                Label = slot.Label, Kind = slot.Kind, CreatedAt = slot.CreatedAt, Epoch = (int)slot.Ring.Epoch, InUse = ring is null ? null : slot.Id == used?.Id,
            });
        }
        found.AddRange(keys.Damaged.Select(d => Info(Path.GetFileNameWithoutExtension(d.Key), RepositoryKeyState.Damaged, $"'{d.Key}' is damaged: {d.Problem}")));
        found.AddRange((ring?.Members ?? []).Select(m => m.Id.ToString("N")).Where(id => found.All(k => k.Id != id))
            .Select(id => Info(id, RepositoryKeyState.Missing, $"'{KeySlot.Folder}{id}.json' is gone")).ToList());
        return found;

        RepositoryKeyInfo Info(string id, RepositoryKeyState state, string? problem) => new()
        {
            Repository = repository.Name, Location = repository.Path, Id = id, State = state, Problem = problem, RepositoryDefinition = repository,
        };
    }
}
