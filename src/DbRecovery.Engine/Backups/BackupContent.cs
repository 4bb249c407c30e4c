namespace DbRecovery.Engine.Backups;

/// <summary>An opened backup.</summary>
internal sealed class BackupContent : IBackupContent
{
    private readonly BackupRepository _repository;
    private readonly ZstdLibrary? _zstd;

    public BackupContent(BackupRepository repository, BackupManifest manifest, BackupInfo info, ZstdLibrary? zstd)
    {
        (_repository, Manifest, Info, _zstd) = (repository, manifest, info, zstd);
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
        return section is null ? null : await PageHashStore.ReadAsync(_repository, Manifest, section, _zstd, cancellationToken).ConfigureAwait(false);
    }

    public async Task<IBackupFileReader> OpenFileAsync(string path, CancellationToken cancellationToken) =>
        await BackupFileReader.OpenAsync(this, path, _zstd, cancellationToken).ConfigureAwait(false);
}
