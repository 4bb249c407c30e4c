namespace DbRecovery.Engine.Backups;

/// <summary>scrub/report.json: what the last check of a repository found, for reports. It proves nothing; one that is damaged counts as none.</summary>
internal static class LastCheck
{
    public const string Key = "scrub/report.json";
    private const long MaxSize = 64 << 20;

    /// <summary>Remembers a report. A repository that cannot be written can still be checked: then an older report stays, with its time.</summary>
    public static async Task SaveAsync(BackupRepository repository, RepositoryReport report, CancellationToken cancellationToken)
    {
        try
        {
            await repository.Storage.PutAsync(Key, repository.Documents.Seal(Key, SealedDocument.Write(report)), PutMode.Replace, cancellationToken).ConfigureAwait(false);
        }
        catch (DbRecoveryException)
        {
            // it is for reports alone
        }
    }

    /// <summary>The last report; null where no check ended yet, or its report cannot be read.</summary>
    public static async Task<RepositoryReport?> LoadAsync(BackupRepository repository, RepositoryDefinition definition, CancellationToken cancellationToken)
    {
        var (_, report) = await SideDocument.ReadAsync<RepositoryReport>(repository, Key, MaxSize, cancellationToken).ConfigureAwait(false);
        // it may have been checked under another name, or on another machine where it lies elsewhere
        return report is null ? null : report with { Repository = definition.Name, Location = repository.Storage.Location };
    }
}
