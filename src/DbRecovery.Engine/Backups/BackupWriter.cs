using System.Collections.Concurrent;

namespace DbRecovery.Engine.Backups;

/// <summary>Takes files from a provider, cuts them into blobs, and keeps what the manifest will say of them.</summary>
internal sealed class BackupWriter : IBackupSink
{
    /// <summary>The unit of hashing of a file that has no pages.</summary>
    public const int DefaultUnit = 4096;
    private readonly string _activity;
    private readonly IProgress<OperationProgress>? _progress;
    private readonly ConcurrentDictionary<string, FileRecord> _files = new(StringComparer.Ordinal);
    private long _bytes;
    private long _changed;
    private long _expected;
    private int _compared;
    private int _order;

    public BackupWriter(BlobPipeline pipeline, ParentBackup? parent, string activity, IProgress<OperationProgress>? progress) =>
        (Pipeline, ParentBackup, _activity, _progress) = (pipeline, parent, activity, progress);

    public BlobPipeline Pipeline { get; }

    /// <summary>What this backup is compared with; null for a full.</summary>
    public ParentBackup? ParentBackup { get; }

    /// <inheritdoc/>
    public IBackupContent? Parent => ParentBackup is { Reusable: true } parent ? parent.Content : null;

    /// <summary>Bytes of the database taken.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    /// <summary>Bytes of the database that are not the parent's.</summary>
    public long ChangedBytes => Interlocked.Read(ref _changed);

    /// <summary>Whether any file was compared with the parent's; without one an increment is a full.</summary>
    public bool AnyCompared => Volatile.Read(ref _compared) > 0;

    public async ValueTask<IBackupFileWriter> BeginAsync(BackupEntry entry, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (BackupPaths.Defect(entry.Path) is { } defect)
            throw Failed(entry.Path, $"the path {defect}");
        var paged = entry.PageSize is > 0 and <= BlobPipeline.BlobSize;
        var file = new FileRecord(entry, paged ? entry.PageSize : DefaultUnit, Interlocked.Increment(ref _order));
        if (!_files.TryAdd(entry.Path, file))
            throw Failed(entry.Path, "the path was given twice");
        Interlocked.Add(ref _expected, entry.ExpectedSize ?? 0);
        if (!paged || ParentBackup is null)
            return new WholeFileWriter(this, file);
        if (await ParentBackup.PagesOfAsync(entry.Path, file.Unit, cancellationToken).ConfigureAwait(false) is not { } pages)
            return new WholeFileWriter(this, file);
        Interlocked.Increment(ref _compared);
        return new ComparedFileWriter(this, file, ParentBackup, pages);
    }

    /// <summary>The manifest's entries and the packs that they refer to, once the pipeline is finished.</summary>
    public (IReadOnlyList<ManifestEntry> Entries, IReadOnlyList<string> Packs) Describe()
    {
        var packs = new Numbering<string>();
        var entries = new List<ManifestEntry>();
        foreach (var file in _files.Values.OrderBy(f => f.Order))
        {
            if (!file.Complete && file.Entry.Type == BackupEntryType.File)
                throw Failed(file.Entry.Path, "it was not read to its end");
            entries.Add(file.Describe(packs.Of, pack => packs.Of(ParentBackup!.Packs[pack])));
        }
        return (entries, packs.Items);
    }

    /// <summary>Counts bytes that were taken.</summary>
    public void Took(BackupEntry entry, long bytes)
    {
        if (entry.Part != BackupEntryPart.Data)
            return;
        var done = Interlocked.Add(ref _bytes, bytes);
        var expected = Interlocked.Read(ref _expected);
        _progress?.Report(new OperationProgress(_activity, entry.Path, done, expected >= done ? expected : null));
    }

    /// <summary>Counts bytes that are not the parent's.</summary>
    public void Changed(BackupEntry entry, long bytes)
    {
        if (entry.Part == BackupEntryPart.Data)
            Interlocked.Add(ref _changed, bytes);
    }

    public static DbRecoveryException Failed(string path, string what) =>
        new(ErrorIds.BackupFailed, ErrorKind.Failed, $"'{path}' cannot be backed up: {what}", target: path);
}
