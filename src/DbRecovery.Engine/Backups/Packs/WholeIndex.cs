namespace DbRecovery.Engine.Backups;

/// <summary>
/// Where the blobs are in all of a repository, loaded when the packs that a manifest names do not have one: a later backup may have stored
/// it again, so that an older one is whole before a repair points it there.
/// </summary>
internal sealed class WholeIndex(BackupRepository repository)
{
    private readonly object _gate = new();
    private Task<BlobIndex>? _loading;

    /// <summary>Loads it, once.</summary>
    public Task<BlobIndex> LoadAsync(CancellationToken cancellationToken)
    {
        lock (_gate)
            _loading ??= Task.Run(() => BlobIndex.LoadAsync(repository, CancellationToken.None, repair: false), CancellationToken.None);
        // who is cancelled leaves; the others still wait for it
        return _loading.WaitAsync(cancellationToken);
    }
}
