namespace DbRecovery.Engine.Backups;

/// <summary>The objects besides packs and manifests, and what is said and remembered.</summary>
internal sealed partial class RepositoryScrub
{
    private const long MaxDocumentSize = 64 << 20;

    private void Add(string key, RepositoryObjectKind kind, string problem, string remedy) =>
        _damage.Add(new RepositoryDamage { Key = key, Kind = kind, Problem = problem, Remedy = remedy });

    private void Count(StorageObject read)
    {
        _objects++;
        Interlocked.Add(ref _bytes, read.Size);
    }

    private void CheckIndexes(BlobIndex index)
    {
        foreach (var damaged in index.Damaged.Where(d => d.Target is { } key && IsIndex(key)))
            Add(damaged.Target!, RepositoryObjectKind.Index, "its bytes are not those that its name promises", "Repair builds it again from the packs; so does the next backup. Nothing is lost.");
        // a backup that was killed leaves packs that no index and no backup names: that is no damage
        foreach (var pack in index.Unindexed.Where(p => _referenced.Contains(p.Name) && !_packs.ContainsKey(p.Name)).Take(1))
            Add("index/", RepositoryObjectKind.Index, $"{Counted.Of(index.Unindexed.Count(p => _referenced.Contains(p.Name)), "pack is", "packs are")} in no index, the first is {pack.Name}", "Repair builds it again from the packs; so does the next backup. Nothing is lost.");
    }

    private async Task CheckOthersAsync(List<StorageObject> objects, CancellationToken cancellationToken)
    {
        foreach (var found in objects.OrderBy(o => o.Key, StringComparer.Ordinal))
        {
            cancellationToken.ThrowIfCancellationRequested();
            var parts = found.Key.Split('/');
            if (!BackupRepository.OwnNames.Contains(parts[0]))
                Foreign(found);
            else
                await CheckOtherAsync(found, parts, cancellationToken).ConfigureAwait(false);
        }
        if (repository.Sealer.CipherId != 0)
        {
            foreach (var (key, problem) in (await new KeyStore(_storage, repository.Header.RepoId, clock).LoadAsync(cancellationToken).ConfigureAwait(false)).Damaged)
                Add(key, RepositoryObjectKind.Key, problem, "Open the repository with another of its keys, remove this one, and add it anew.");
        }
        if (objects.All(o => o.Key != HeaderCopy.Key))
            Add(HeaderCopy.Key, RepositoryObjectKind.Header, "the second copy of repo.json is missing", "Repair writes it; so does the next backup.");
    }

    private async Task CheckOtherAsync(StorageObject found, string[] parts, CancellationToken cancellationToken)
    {
        switch (parts[0])
        {
            case "packs" when PackFormat.NameOf(found.Key) is null:
            case "index" when !IsIndex(found.Key):
            case "backups" when parts.Length != 5 || parts[4] != "manifest.json":
            case "tests" when parts.Length != 3 || !found.Key.EndsWith(".json", StringComparison.Ordinal):
                Foreign(found);
                break;
            case HeaderCopy.Key:
                Count(found);
                var header = await HeaderCopy.TryGetAsync(_storage, BackupRepository.HeaderKey, cancellationToken).ConfigureAwait(false);
                if (header is not null && (await HeaderCopy.TryGetAsync(_storage, HeaderCopy.Key, cancellationToken).ConfigureAwait(false))?.AsSpan().SequenceEqual(header) == false)
                    Add(found.Key, RepositoryObjectKind.Header, "the second copy of repo.json is not the same as the first", "Repair writes it; so does the next backup.");
                break;
            case "tests":
                Count(found);
                if (!await ProofStore.IsReadableAsync(repository, found.Key, cancellationToken).ConfigureAwait(false))
                    Add(found.Key, RepositoryObjectKind.Proof, "its bytes are not those that were written: the test that it tells of counts as none", "Repair moves it away. Test the backup again.");
                break;
            case "keys":
                Count(found);
                break;
            case "sessions":
                Count(found);
                if (found.Size > MaxDocumentSize || await _storage.GetAsync(found.Key, MaxDocumentSize, cancellationToken).ConfigureAwait(false) is { } bytes && !SealedDocument.IsIntact(bytes))
                    Add(found.Key, RepositoryObjectKind.Other, "its bytes are not those that were written", "It ends with the writer that it belongs to; one that was killed leaves it for the next removal to clear.");
                break;
            case "scrub" when found.Key == LastCheck.Key:
                Count(found);
                if (await LastCheck.LoadAsync(repository, definition, cancellationToken).ConfigureAwait(false) is null)
                    Add(found.Key, RepositoryObjectKind.Other, "its bytes are not those that were written: it told what the last check found", "Nothing: it has been written anew.");
                break;
            case HandBook.Key:
                Count(found);
                if (!await HandBook.IsIntactAsync(_storage, cancellationToken).ConfigureAwait(false))
                    Add(found.Key, RepositoryObjectKind.Other, "its bytes are not those that were written", "Repair writes it; so does the next backup.");
                break;
        }
    }

    private static bool IsIndex(string key) => key.StartsWith("index/", StringComparison.Ordinal) && key.EndsWith(".idx", StringComparison.Ordinal) && BlobId.TryParse(key[6..^4], out _);

    private void Foreign(StorageObject found) =>
        Add(found.Key, RepositoryObjectKind.Other, "it does not belong to a repository", "Nothing of the repository depends on it. Look where it comes from, and move it away.");

    private void AddPackDamage()
    {
        foreach (var (pack, damage) in _packs)
        {
            _damage.Add(new RepositoryDamage
            {
                Key = PackFormat.Key(pack),
                Kind = RepositoryObjectKind.Pack,
                Problem = damage.Problem,
                Backups = [.. damage.Backups],
                Objects = [.. damage.Objects],
                Remedy = damage switch
                {
                    { Lost: true } => "Take a full backup, which stores again what the database still has; then repair, best with another repository that holds the same backups.",
                    { Moved: true } => "Nothing is lost: repair points the backups to the packs that hold the same blobs.",
                    { HashesOnly: true } => "Only hashes of pages are gone: a test of each backup builds them again.",
                    _ => "No backup needs what is damaged in it: repair moves it away.",
                },
            });
        }
    }

    private async Task RememberAsync(IReadOnlyList<PackState> states, ScrubLedger before, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var present = states.Select(s => s.Name).ToHashSet();
        var since = before.Damaged.ToDictionary(d => d.Name, d => d.FoundAt);
        var missing = _packs.Where(p => !present.Contains(p.Key)).Select(p => new DamagedPack(p.Key, p.Value.Problem, since.GetValueOrDefault(p.Key, now))).ToList();
        try
        {
            await ScrubLedger.SaveAsync(repository, states, missing, cancellationToken).ConfigureAwait(false);
        }
        catch (DbRecoveryException)
        {
            // the ledger only saves time: a repository that cannot be written can still be checked
        }
    }
}
