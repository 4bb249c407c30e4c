using System.Diagnostics;

namespace DbRecovery.Engine.Backups;

/// <summary>The test of one backup: restored into a scratch place, compared with the manifest, checked by its engine.</summary>
internal sealed class BackupTest(BackupContent content, IRestoreTarget target, IDataInspector inspector, ZstdLibrary? zstd, TimeProvider clock)
{
    private const long Reserve = 1 << 20;
    private readonly List<ProofCheck> _checks = [];
    private TimeSpan _digesting;

    public async Task<BackupProof> ExecuteAsync(string scratchRoot, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var testedAt = clock.GetUtcNow();
        CheckSpace(scratchRoot);
        using var scratch = OwnedFolder.Create(scratchRoot, "dbrecovery-test-");
        var (restoring, checking) = (TimeSpan.Zero, TimeSpan.Zero);
        var at = Stopwatch.GetTimestamp();
        try
        {
            var path = await RestoreAsync(scratch.Path, progress, cancellationToken).ConfigureAwait(false);
            restoring = Stopwatch.GetElapsedTime(at);
            at = Stopwatch.GetTimestamp();
            if (path is not null)
                _checks.AddRange(await inspector.CheckRestoredAsync(path, content, progress, cancellationToken).ConfigureAwait(false));
            await CheckRepositoryAsync(cancellationToken).ConfigureAwait(false);
            checking = Stopwatch.GetElapsedTime(at) + _digesting;
            restoring -= _digesting;
        }
        catch (DbRecoveryException e) when (e.Id is ErrorIds.RepositoryCorrupt or ErrorIds.BackupVerifyFailed or ErrorIds.DatabaseCorrupt or ErrorIds.NotADatabase)
        {
            _checks.Add(new ProofCheck(e.Id == ErrorIds.RepositoryCorrupt ? "restore" : "inspect", false, e.Message));
        }
        return new BackupProof
        {
            BackupId = content.Info.Id,
            TestedAt = testedAt,
            Passed = _checks.Count > 0 && _checks.All(c => c.Passed),
            RestoreDuration = restoring,
            CheckDuration = checking,
            Checks = _checks,
        };
    }

    /// <summary>Restores and compares digests; null where they differ, so that nothing is looked into that is not the backup.</summary>
    private async Task<string?> RestoreAsync(string scratch, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var (destination, aside) = (Path.Combine(scratch, ScratchName()), Path.Combine(scratch, ".aside"));
        var session = await target.BeginAsync(content, destination, replace: false, cancellationToken).ConfigureAwait(false);
        await using (session.ConfigureAwait(false))
        {
            var index = await BlobIndex.LoadAsync(content.Repository, content.Manifest.Packs, cancellationToken).ConfigureAwait(false);
            foreach (var damage in index.Damaged.Where(d => d.Target?.StartsWith("index/", StringComparison.Ordinal) == true))
                _checks.Add(new ProofCheck("index", true, $"{damage.Message} The backup does not depend on it."));
            await FileRestorer.RunAsync(content, index, zstd, session.StagingPath, durable: false, progress, cancellationToken).ConfigureAwait(false);
            foreach (var part in (BackupEntryPart[])[BackupEntryPart.Description, BackupEntryPart.File])
                await FileRestorer.RunAsync(content, index, zstd, entry => Path.Combine(aside, entry.Path), durable: false, progress, cancellationToken, part).ConfigureAwait(false);
            _checks.Add(new ProofCheck("restore", true, $"{Counted.Of(content.Manifest.SizeBytes, "byte")} in {Counted.Of(content.Manifest.Entries.Count, "path")}"));
            var at = Stopwatch.GetTimestamp();
            var same = await CheckDigestsAsync(e => e.Part == BackupEntryPart.Data ? session.StagingPath(e) : Path.Combine(aside, e.Path), cancellationToken).ConfigureAwait(false);
            _digesting = Stopwatch.GetElapsedTime(at);
            if (!same)
                return null;
            await session.CommitAsync(cancellationToken).ConfigureAwait(false);
            return destination;
        }
    }

    private async Task<bool> CheckDigestsAsync(Func<BackupEntry, string> placeOf, CancellationToken cancellationToken)
    {
        var files = content.Manifest.Entries.Where(e => e.Entry.Type == BackupEntryType.File).ToList();
        var wrong = new List<string>();
        var lost = new Dictionary<string, byte[]>();
        foreach (var file in files)
        {
            var (digest, hashes) = await FileDigest.ComputeAsync(placeOf(file.Entry), file.HashUnit, content.Repository.Identity, cancellationToken).ConfigureAwait(false);
            if (digest != file.Digest)
                wrong.Add(file.Entry.Path);
            else if (file.PageHashes is not null && await content.ReadPageHashesAsync(file.Entry.Path, cancellationToken).ConfigureAwait(false) is null)
                lost[file.Entry.Path] = hashes;
        }
        _checks.Add(new ProofCheck("digest", wrong.Count == 0,
            wrong.Count == 0 ? $"{Counted.Of(files.Count, "file is", "files are")} byte for byte what was backed up" : $"not what was backed up: {string.Join(", ", wrong.Take(10))}"));
        if (wrong.Count == 0 && lost.Count > 0)
        {
            // the files were just proved to be what was backed up, so the hashes of their pages are those that were lost
            var repaired = await new PageHashRepair(content.Repository, clock).ExecuteAsync(content.Manifest, lost, cancellationToken).ConfigureAwait(false);
            _checks.Add(new ProofCheck("page-hashes", true,
                $"the page hashes of {string.Join(", ", lost.Keys.Take(10))} were damaged{(repaired is null ? "" : " and have been built again")}. The backup does not depend on them."));
        }
        return wrong.Count == 0;
    }

    /// <summary>Every byte of every pack: damage that this backup does not meet today is met by the next that shares the pack.</summary>
    private async Task CheckRepositoryAsync(CancellationToken cancellationToken)
    {
        var damaged = new List<string>();
        // as it is now: a repack may have written it anew since, and a backup that was removed is not one that is damaged
        var (manifest, _) = await ManifestStore.ReadAsync(content.Repository, BackupRemoval.KeyOf(content.Info), cancellationToken).ConfigureAwait(false);
        var packs = manifest.Packs;
        foreach (var pack in packs)
        {
            if (await PackReader.VerifyNameAsync(content.Repository.Storage, pack, cancellationToken).ConfigureAwait(false) != true)
                damaged.Add(PackFormat.Key(pack));
        }
        _checks.Add(new ProofCheck("packs", damaged.Count == 0,
            damaged.Count == 0 ? Counted.Of(packs.Count, "pack has the SHA-256 that is its name", "packs have the SHA-256 that is their name") : $"altered or missing: {string.Join(", ", damaged.Take(10))}"));
    }

    private void CheckSpace(string scratchRoot)
    {
        var needed = content.Manifest.SizeBytes + content.Manifest.SizeBytes / 20 + Reserve;
        var free = new DriveInfo(Path.GetFullPath(scratchRoot)).AvailableFreeSpace;
        if (free < needed)
            throw new DbRecoveryException(ErrorIds.OutOfSpace, ErrorKind.OutOfSpace,
                $"a test of backup {content.Info.Id} needs {needed} bytes under '{scratchRoot}', and {free} are free", "Free space there or name another scratch folder.", scratchRoot);
    }

    private string ScratchName()
    {
        var files = content.Entries.Where(e => e is { Type: BackupEntryType.File, Part: BackupEntryPart.Data }).ToList();
        return files.Count == 1 ? Path.GetFileName(files[0].Path) : "data";
    }
}
