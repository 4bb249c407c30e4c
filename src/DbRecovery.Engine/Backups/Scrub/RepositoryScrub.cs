using System.Diagnostics;

namespace DbRecovery.Engine.Backups;

/// <summary>What a check found, for the report and for a repair.</summary>
internal sealed record ScrubOutcome
{
    public required RepositoryReport Report { get; init; }
    public required IReadOnlyList<PackState> Packs { get; init; }
    public required BlobIndex Index { get; init; }
    public required BlobStates Blobs { get; init; }
    /// <summary>The manifests that can be read.</summary>
    public required IReadOnlyList<string> Manifests { get; init; }
}

/// <summary>
/// Reads a repository and says what is damaged: packs against their names, manifests and what they refer to, indexes, proofs, keys,
/// header, and what does not belong there. Nothing is changed but the ledger and the report of the last check. What is in trash/, tmp/
/// and quarantine/ is left out, but for packs in the trash that a backup still needs.
/// </summary>
internal sealed partial class RepositoryScrub(BackupRepository repository, RepositoryDefinition definition, Func<string, IDatabaseProvider> providers, ZstdLibrary? zstd, TimeProvider clock)
{
    private readonly IRepositoryStorage _storage = repository.Storage;
    private readonly List<RepositoryDamage> _damage = [];
    private readonly Dictionary<string, PackDamage> _packs = new(StringComparer.Ordinal);
    private readonly List<string> _manifests = [];
    private readonly HashSet<string> _referenced = new(StringComparer.Ordinal);
    private long _bytes;
    private int _objects;

    /// <summary>A damaged or missing pack and whom it concerns.</summary>
    private sealed class PackDamage(string problem)
    {
        public string Problem { get; } = problem;
        public SortedSet<string> Backups { get; } = new(StringComparer.Ordinal);
        public SortedSet<string> Objects { get; } = new(StringComparer.Ordinal);
        public bool Lost { get; set; }
        public bool Moved { get; set; }
        public bool HashesOnly { get; set; }
    }

    /// <summary>Checks the repository.</summary>
    /// <param name="depth">What is read.</param>
    /// <param name="header">What is wrong with repo.json, where something is.</param>
    /// <param name="progress">Progress.</param>
    /// <param name="cancellationToken">Cancels.</param>
    public async Task<ScrubOutcome> ExecuteAsync(ScrubDepth depth, RepositoryDamage? header, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var (started, at) = (clock.GetUtcNow(), Stopwatch.GetTimestamp());
        if (header is not null)
            _damage.Add(header);
        var objects = new List<StorageObject>();
        await foreach (var found in _storage.ListAsync("", cancellationToken).ConfigureAwait(false))
            objects.Add(found);
        var packs = objects.Where(o => PackFormat.NameOf(o.Key) is not null).ToList();
        var (ledger, ledgerDamaged) = await ScrubLedger.LoadAsync(repository, cancellationToken).ConfigureAwait(false);
        if (ledgerDamaged)
            Add(ScrubLedger.Key, RepositoryObjectKind.Other, "its bytes are not those that were written, so every pack was read", "Nothing: it has been written anew.");
        var states = await CheckPacksAsync(packs, ledger, depth, progress, cancellationToken).ConfigureAwait(false);
        var (index, blobs) = await LocateAsync(states, cancellationToken).ConfigureAwait(false);
        await CheckManifestsAsync(objects, blobs, progress, cancellationToken).ConfigureAwait(false);
        CheckIndexes(index);
        await CheckOthersAsync(objects, cancellationToken).ConfigureAwait(false);
        await RememberAsync(states, ledger, started, cancellationToken).ConfigureAwait(false);
        AddPackDamage();
        var report = new RepositoryReport
        {
            Repository = definition.Name,
            Location = _storage.Location,
            TestedAt = started,
            Duration = Stopwatch.GetElapsedTime(at),
            Full = depth != ScrubDepth.New,
            Decoded = depth == ScrubDepth.Decode,
            ObjectsChecked = _objects,
            BytesChecked = Interlocked.Read(ref _bytes),
            PacksTrusted = states.Count(s => s.Trusted),
            Backups = _manifests.Count,
            StoredBytes = objects.Sum(o => o.Size),
            UnreferencedBytes = packs.Where(p => !_referenced.Contains(PackFormat.NameOf(p.Key)!)).Sum(p => p.Size),
            Encrypted = repository.Sealer.CipherId != 0,
            Damage = [.. _damage.OrderBy(d => d.Kind).ThenBy(d => d.Key, StringComparer.Ordinal)],
        };
        await LastCheck.SaveAsync(repository, report, cancellationToken).ConfigureAwait(false);
        return new ScrubOutcome { Report = report, Packs = states, Index = index, Blobs = blobs, Manifests = _manifests };
    }

    private async Task<IReadOnlyList<PackState>> CheckPacksAsync(List<StorageObject> packs, ScrubLedger ledger, ScrubDepth depth, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var total = packs.Sum(p => p.Size);
        var states = await new PackCheck(repository, zstd, clock, (name, count) =>
        {
            var done = Interlocked.Add(ref _bytes, count);
            progress?.Report(new OperationProgress($"Checking {definition.Name}", name[..12], done, total));
        }).ExecuteAsync(packs, ledger, depth, cancellationToken).ConfigureAwait(false);
        _objects += states.Count(s => !s.Trusted);
        foreach (var bad in states.Where(s => s.Problem is not null))
            _packs[bad.Name] = new PackDamage(bad.Problem!);
        return states;
    }

    /// <summary>Where every blob is, and which of those in damaged packs are unharmed.</summary>
    private async Task<(BlobIndex, BlobStates)> LocateAsync(IReadOnlyList<PackState> states, CancellationToken cancellationToken)
    {
        var index = await BlobIndex.LoadAsync(repository, states.Select(s => s.Name), cancellationToken, repair: false).ConfigureAwait(false);
        var unreadable = new Dictionary<string, HashSet<BlobId>>();
        using var codecs = new CodecPool(zstd);
        foreach (var bad in states.Where(s => s.Problem is not null))
            unreadable[bad.Name] = await PackCheck.UnreadableAsync(repository, index.In(bad.Name), codecs, cancellationToken).ConfigureAwait(false);
        return (index, new BlobStates(repository, index, states.Where(s => s.Problem is null).Select(s => s.Name).ToHashSet(), unreadable));
    }

    private async Task CheckManifestsAsync(List<StorageObject> objects, BlobStates blobs, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var keys = objects.Where(o => BackupPaths.IsManifest(o.Key)).ToList();
        for (var i = 0; i < keys.Count; i++)
        {
            progress?.Report(new OperationProgress($"Checking {definition.Name}", "manifests", i, keys.Count, "manifests"));
            Count(keys[i]);
            try
            {
                var (manifest, bytes) = await ManifestStore.ReadAsync(repository, keys[i].Key, cancellationToken).ConfigureAwait(false);
                _manifests.Add(keys[i].Key);
                _referenced.UnionWith(manifest.Packs);
                await blobs.LookAsync(manifest.Packs, cancellationToken).ConfigureAwait(false);
                await NameAsync(ManifestDamage.Of(manifest, blobs), bytes, cancellationToken).ConfigureAwait(false);
            }
            catch (DbRecoveryException e) when (e.Id is ErrorIds.RepositoryCorrupt or ErrorIds.RepositoryInvalid)
            {
                _damage.Add(new RepositoryDamage
                {
                    Key = keys[i].Key, Kind = RepositoryObjectKind.Manifest, Problem = e.Message, Backups = [BackupPaths.IdOf(keys[i].Key)],
                    Remedy = "Repair it from another repository that holds the backup; else the backup is lost: take a new one, then repair with give-up, so that removals can go on.",
                });
            }
            catch (DbRecoveryException e) when (e.Id == ErrorIds.BackupNotFound)
            {
                // removed since it was listed
            }
        }
    }

    /// <summary>Ties what a backup lost to the packs, and names the tables.</summary>
    private async Task NameAsync(ManifestDamage damage, long manifestBytes, CancellationToken cancellationToken)
    {
        if (damage.IsNone)
            return;
        var objects = await ObjectsAsync(damage, manifestBytes, cancellationToken).ConfigureAwait(false);
        foreach (var pack in damage.LostIn.Concat(damage.MovedFrom).Concat(damage.HashesLostIn).Distinct())
        {
            if (!_packs.TryGetValue(pack, out var known))
                _packs[pack] = known = new PackDamage(await _storage.StatAsync(PackFormat.Key(pack), cancellationToken).ConfigureAwait(false) is null
                    ? "the pack is missing" : "the pack does not hold blobs that backups look for in it");
            known.Lost |= damage.LostIn.Contains(pack);
            known.Moved |= damage.MovedFrom.Contains(pack);
            known.HashesOnly |= damage.HashesLostIn.Contains(pack);
            if (damage.LostIn.Contains(pack) || damage.MovedFrom.Contains(pack))
                known.Backups.Add(damage.Manifest.Id);
            if (damage.LostIn.Contains(pack))
                known.Objects.UnionWith(objects);
        }
    }

    private async Task<IReadOnlyList<string>> ObjectsAsync(ManifestDamage damage, long manifestBytes, CancellationToken cancellationToken)
    {
        if (damage.Ranges.Count == 0)
            return [];
        var named = new List<string>();
        var content = new BackupContent(repository, damage.Manifest, damage.Manifest.ToInfo(definition, manifestBytes), zstd);
        foreach (var (path, ranges) in damage.Ranges)
        {
            var found = await MapAsync(content, path, ranges, cancellationToken).ConfigureAwait(false);
            named.AddRange(found.Count > 0 ? found : [$"{damage.Manifest.Id}/{path}"]);
        }
        return named;
    }

    private async Task<IReadOnlyList<string>> MapAsync(BackupContent content, string path, List<(long, long)> ranges, CancellationToken cancellationToken)
    {
        try
        {
            return providers(content.Info.Engine).TryGet<IObjectMap>(out var map) ? await map.ObjectsInAsync(content, path, ranges, cancellationToken).ConfigureAwait(false) : [];
        }
        catch (DbRecoveryException)
        {
            // the file is named instead: what cannot be told apart is no reason to tell nothing
            return [];
        }
    }
}
