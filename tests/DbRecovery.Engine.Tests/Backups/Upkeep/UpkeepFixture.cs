using DbRecovery.Engine.Backups;

namespace DbRecovery.Engine.Tests.Backups;

/// <summary>A repository that is kept up, with what each of its backups must restore to.</summary>
public abstract class UpkeepFixture : BackupFixture
{
    protected static readonly UpkeepOptions AtOnce = new() { Grace = TimeSpan.Zero, PackSize = 1 << 20 };
    private readonly Dictionary<string, SortedDictionary<string, byte[]>> _content = [];

    internal RepositoryUpkeep Upkeep { get; set; } = new();

    protected async Task<BackupInfo> TakeAsync(bool portable = false)
    {
        var content = new SortedDictionary<string, byte[]>(StringComparer.Ordinal);
        foreach (var (path, bytes) in Database.Files)
            content[path] = (byte[])bytes.Clone();
        var backup = await Service.CreateAsync(RequestOf() with { Portable = portable }, null, CancellationToken.None);
        _content[backup.Id] = content;
        return backup;
    }

    protected Task<PruneResult> PruneAsync(UpkeepOptions? options = null) => Upkeep.PruneAsync(Repository, options ?? AtOnce, null, CancellationToken.None);

    protected async Task<PruneResult> RemoveAsync(BackupInfo backup, UpkeepOptions? options = null) =>
        (await Upkeep.RemoveAsync(Repository, [new RetentionDecision { Backup = backup, Keep = false, Reasons = [] }], options ?? AtOnce, null, CancellationToken.None)).Result;

    /// <summary>Every listed backup restores to the byte.</summary>
    protected async Task<int> AssertAllRestoreAsync(string when = "")
    {
        var damaged = new List<DbRecoveryException>();
        var listed = await ListAsync(damaged: damaged);
        Assert.True(damaged.Count == 0, $"{when}: {damaged.FirstOrDefault()?.Message}");
        foreach (var backup in listed)
        {
            var place = Path.Combine(Root, "again");
            if (Directory.Exists(place))
                Directory.Delete(place, recursive: true);
            try
            {
                await RestoreAsync(backup, "again");
            }
            catch (DbRecoveryException e)
            {
                Assert.Fail($"{when}: backup {backup.Id}: {e.Message}");
            }
            foreach (var (path, content) in _content[backup.Id])
                Assert.True(File.ReadAllBytes(Path.Combine(place, path)).AsSpan().SequenceEqual(content), $"{when}: {backup.Id}/{path}");
        }
        return listed.Count;
    }
}
