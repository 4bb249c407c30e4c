namespace DbRecovery.Engine.Backups;

/// <summary>
/// Sealed documents that save time or tell of something, and that no restore needs. One that cannot be read counts as none: it is damaged,
/// the disk gives an error, or who wrote it held the keys of an epoch that ended meanwhile.
/// </summary>
internal static class SideDocument
{
    /// <summary>Reads one.</summary>
    /// <returns>Whether there is an object of that name, and what it says; null where that cannot be had.</returns>
    public static async Task<(bool There, T? Value)> ReadAsync<T>(BackupRepository repository, string key, long limit, CancellationToken cancellationToken) where T : class
    {
        try
        {
            if (await repository.Storage.GetAsync(key, limit, cancellationToken).ConfigureAwait(false) is not { } bytes)
                return (false, null);
            return (true, repository.Documents.Open(key, bytes) is { } opened ? SealedDocument.Read<T>(opened.Span) : null);
        }
        catch (DbRecoveryException e) when (e.Id is ErrorIds.RepositoryCorrupt or ErrorIds.RepositoryLocked)
        {
            return (true, null);
        }
    }
}
