namespace DbRecovery.Engine.Backups;

/// <summary>How a repository is kept up; the defaults are safe for machines that share one.</summary>
public sealed record UpkeepOptions
{
    /// <summary>How long what was removed stays in the trash, by the storage's clock: a reader that began before must be able to end.</summary>
    public TimeSpan Grace { get; init; } = TimeSpan.FromHours(24);
    /// <summary>The age past which a session of another machine counts as dead. Its writer, if it lives after all, refuses to end its backup.</summary>
    public TimeSpan SessionLimit { get; init; } = TimeSpan.FromDays(7);
    /// <summary>How far clocks may be apart where a decision rests on them.</summary>
    public TimeSpan MaxSkew { get; init; } = TimeSpan.FromMinutes(5);
    /// <summary>Whether only a plan is made.</summary>
    public bool Plan { get; init; }
    /// <summary>Whether packs that are less than half live, and many small ones, are written anew.</summary>
    public bool Repack { get; init; }
    /// <summary>Whether packs and manifests that an older data key sealed are written anew with the current one; packs of it then go as any that nobody needs.</summary>
    public bool RotateEpochs { get; init; }
    /// <summary>Whether files that lie in many small pieces after increments are put together again: a synthetic full.</summary>
    public bool MergeRuns { get; init; }
    /// <summary>Bytes at which a new pack is sealed.</summary>
    public int PackSize { get; init; } = PackFormat.TargetSize;
}
