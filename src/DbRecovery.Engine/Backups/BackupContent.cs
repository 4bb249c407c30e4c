namespace DbRecovery.Engine.Backups;

/// <summary>An opened backup.</summary>
internal sealed class BackupContent : IBackupContent
{
    private readonly BackupRepository _repository;

    public BackupContent(BackupRepository repository, BackupManifest manifest, BackupInfo info)
    {
        (_repository, Manifest, Info) = (repository, manifest, info);
        Entries = manifest.Entries.Select(e => e.Entry with { ExpectedSize = e.Entry.Type == BackupEntryType.File ? e.Size : e.Entry.ExpectedSize }).ToList();
    }

    public BackupManifest Manifest { get; }
    public BackupRepository Repository => _repository;
    public BackupInfo Info { get; }
    public BackupSourceInfo Source => Manifest.Source;
    public IReadOnlyList<BackupEntry> Entries { get; }

    public async Task<PageHashList?> ReadPageHashesAsync(string path, CancellationToken cancellationToken)
    {
        var section = Manifest.Entries.FirstOrDefault(e => e.Entry.Path == path)?.PageHashes;
        return section is null ? null : await ManifestStore.ReadPageHashesAsync(_repository, Manifest, section, cancellationToken).ConfigureAwait(false);
    }
}
