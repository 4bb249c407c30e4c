namespace DbRecovery.Engine.Backups;

/// <summary>The messages about repositories, in one place.</summary>
internal static class RepositoryErrors
{
    public static DbRecoveryException Corrupt(IRepositoryStorage storage, string key, string what, Exception? inner = null) =>
        new(ErrorIds.RepositoryCorrupt, ErrorKind.CorruptData, $"'{key}' in the repository '{storage.Location}' is damaged: {what}",
            "Restore from another backup, check the disk, and take a new backup.", key, inner);

    public static DbRecoveryException Invalid(IRepositoryStorage storage, string what, string? action = null) =>
        new(ErrorIds.RepositoryInvalid, ErrorKind.InvalidInput, $"the repository '{storage.Location}' cannot be used: {what}", action, storage.Location);

    public static DbRecoveryException NotEncrypted(IRepositoryStorage storage) =>
        Invalid(storage, "it is not encrypted, so it has no keys", "A repository is encrypted when it is made: name a new folder, with 'encryption' in the inventory, and copy the backups.");

    public static DbRecoveryException Locked(IRepositoryStorage storage, string what, string? action) =>
        new(ErrorIds.RepositoryLocked, ErrorKind.Refused, $"the repository '{storage.Location}' cannot be opened: {what}", action, storage.Location);

    public static DbRecoveryException Locked(IRepositoryStorage storage, string key, uint epoch) =>
        new(ErrorIds.RepositoryLocked, ErrorKind.Refused, $"'{key}' in the repository '{storage.Location}' was sealed in epoch {epoch}, which the key at hand does not open",
            "Use a key that is listed as current. A key that was removed does not open what was written since.", key);
}
