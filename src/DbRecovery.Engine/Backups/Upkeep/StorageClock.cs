namespace DbRecovery.Engine.Backups;

/// <summary>The storage's own time: that of an object that was written just now.</summary>
internal static class StorageClock
{
    public static async Task<DateTimeOffset> NowAsync(IRepositoryStorage storage, CancellationToken cancellationToken)
    {
        // it has no content: a full disk has room for a name
        var key = $"tmp/clock-{Guid.NewGuid():N}";
        await storage.PutAsync(key, ReadOnlyMemory<byte>.Empty, PutMode.IfAbsent, cancellationToken).ConfigureAwait(false);
        try
        {
            return (await storage.StatAsync(key, cancellationToken).ConfigureAwait(false))?.ModifiedAt
                ?? throw RepositoryErrors.Invalid(storage, $"'{key}' went away right after it was written", "Check what else works in that folder.");
        }
        finally
        {
            await storage.DeleteAsync(key, CancellationToken.None).ConfigureAwait(false);
        }
    }
}

/// <summary>The three clocks that a decision by age could rest on.</summary>
/// <param name="Local">This machine's.</param>
/// <param name="Storage">The storage's.</param>
/// <param name="NewestBackup">The start of the newest backup, by the clock of the machine that took it; null where there is none.</param>
internal readonly record struct Clocks(DateTimeOffset Local, DateTimeOffset Storage, DateTimeOffset? NewestBackup)
{
    /// <summary>Refuses where a date cannot be trusted in any direction: for rules that look at dates.</summary>
    public void AssertTogether(TimeSpan most)
    {
        if ((Local - Storage).Duration() > most || (NewestBackup is { } newest && newest - Earlier(Local, Storage) > most))
            throw Skew("no backup is removed by its age");
    }

    /// <summary>Refuses where the storage's clock may have run ahead, so that a grace seems over that is not.</summary>
    public void AssertNotAhead(TimeSpan most)
    {
        if (Storage - Local > most)
            throw Skew("nothing is deleted from the trash");
    }

    /// <summary>Refuses where a backup is dated in the future by every clock here: which backup is the newest is then not known to any rule.</summary>
    public void AssertNoneFromFuture(TimeSpan most)
    {
        if (NewestBackup is { } newest && newest - (Local > Storage ? Local : Storage) > most)
            throw Skew("it is not known which backup is the newest, and none is removed by a rule");
    }

    private DbRecoveryException Skew(string what) => new(ErrorIds.ClockSkew, ErrorKind.Refused,
        $"the clocks disagree: this machine says {Local.UtcDateTime:u}, the storage {Storage.UtcDateTime:u}, the newest backup {(NewestBackup is { } at ? $"{at.UtcDateTime:u}" : "nothing")}; {what}",
        "Set the clocks right. Rules that only count, such as last=7, need only that no backup is from the future; one that is can be removed by its id, with force.");

    private static DateTimeOffset Earlier(DateTimeOffset a, DateTimeOffset b) => a < b ? a : b;
}
