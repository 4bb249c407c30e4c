namespace DbRecovery.Engine.Backups;

/// <summary>The messages about repositories, in one place.</summary>
internal static class RepositoryErrors
{
    public static DbRecoveryException Corrupt(IRepositoryStorage storage, string key, string what, Exception? inner = null) =>
        new(ErrorIds.RepositoryCorrupt, ErrorKind.CorruptData, $"'{key}' in the repository '{storage.Location}' is damaged: {what}",
            "Restore from another backup, check the disk, and take a new backup.", key, inner);

    public static DbRecoveryException Invalid(IRepositoryStorage storage, string what, string? action = null) =>
        new(ErrorIds.RepositoryInvalid, ErrorKind.InvalidInput, $"the repository '{storage.Location}' cannot be used: {what}", action, storage.Location);
}
