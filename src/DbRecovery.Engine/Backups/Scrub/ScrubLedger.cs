namespace DbRecovery.Engine.Backups;

/// <summary>A pack that was read and found whole. It is trusted for as long as size and time are those that the storage gives.</summary>
internal sealed record CheckedPack(string Name, long Size, long ModifiedTicks, DateTimeOffset CheckedAt);

/// <summary>A pack that was found damaged or missing. It is remembered until its bytes are right again, or nothing needs it.</summary>
internal sealed record DamagedPack(string Name, string Problem, DateTimeOffset FoundAt);

/// <summary>
/// scrub/ledger.json: which packs were read when, so that the next check reads only what is new. It saves time and proves nothing: one
/// that is damaged, or another repository's, counts as none, and damage found on reading weighs more than any entry.
/// </summary>
internal sealed record ScrubLedger
{
    public const string Key = "scrub/ledger.json";
    private const long MaxSize = 1L << 30;

    public required Guid RepoId { get; init; }
    public IReadOnlyList<CheckedPack> Packs { get; init; } = [];
    public IReadOnlyList<DamagedPack> Damaged { get; init; } = [];

    /// <summary>Reads the ledger.</summary>
    /// <param name="repository">The repository.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>The ledger, an empty one where there is none to trust; and whether one is there that is damaged.</returns>
    public static async Task<(ScrubLedger Ledger, bool Damaged)> LoadAsync(BackupRepository repository, CancellationToken cancellationToken)
    {
        var empty = new ScrubLedger { RepoId = repository.Header.RepoId };
        var (there, ledger) = await SideDocument.ReadAsync<ScrubLedger>(repository, Key, MaxSize, cancellationToken).ConfigureAwait(false);
        return ledger?.RepoId == repository.Header.RepoId ? (ledger, false) : (empty, there);
    }

    /// <summary>Remembers a check, beside what another check that ended meanwhile remembered.</summary>
    /// <param name="repository">The repository.</param>
    /// <param name="checks">What this check knows of every pack.</param>
    /// <param name="missing">Packs that backups need and that are not there.</param>
    /// <param name="cancellationToken">Cancels.</param>
    public static async Task SaveAsync(BackupRepository repository, IReadOnlyList<PackState> checks, IReadOnlyList<DamagedPack> missing, CancellationToken cancellationToken)
    {
        var (current, _) = await LoadAsync(repository, cancellationToken).ConfigureAwait(false);
        var since = current.Damaged.ToDictionary(d => d.Name, d => d.FoundAt);
        var ledger = new ScrubLedger
        {
            RepoId = repository.Header.RepoId,
            Packs = [.. checks.Where(c => c.Problem is null).Select(c => new CheckedPack(c.Name, c.Size, c.ModifiedAt.UtcTicks, c.CheckedAt))],
            Damaged = [.. checks.Where(c => c.Problem is not null).Select(c => new DamagedPack(c.Name, c.Problem!, since.GetValueOrDefault(c.Name, c.CheckedAt))), .. missing],
        };
        await repository.Storage.PutAsync(Key, repository.Documents.Seal(Key, SealedDocument.Write(ledger)), PutMode.Replace, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// The packs that the last checks found damaged or missing, for a writer that would otherwise take over what they hold unread. None where
    /// there was no check: then nothing is known, which is not that nothing is damaged.
    /// </summary>
    public static async Task<IReadOnlySet<string>> DamagedPacksAsync(BackupRepository repository, CancellationToken cancellationToken) =>
        (await LoadAsync(repository, cancellationToken).ConfigureAwait(false)).Ledger.Damaged.Select(d => d.Name).ToHashSet(StringComparer.Ordinal);
}
