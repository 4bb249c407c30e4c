using System.Globalization;
using DbRecovery.Engine.Files;

namespace DbRecovery.Engine.Backups;

/// <summary>Puts the files that belong to a database into its backup.</summary>
internal static class AttachedFiles
{
    private const int PieceSize = 256 << 10;

    /// <summary>Stores files as they are now. One that cannot be read does not cost the backup of the database: a note says why, and it is among those given back.</summary>
    public static async Task<IReadOnlyList<string>> AddAsync(IReadOnlyList<string> paths, IBackupSink sink, List<string> notes, CancellationToken cancellationToken)
    {
        var missing = new List<string>();
        for (var i = 0; i < paths.Count; i++)
        {
            var path = paths[i];
            if (IsSomethingElse(path))
            {
                missing.Add(path);
                notes.Add($"'{path}' is no plain file: the backup is without it");
                continue;
            }
            try
            {
                var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 1);
                await using var held = stream.ConfigureAwait(false);
                await StoreAsync(stream, path, i + 1, sink, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
            {
                missing.Add(path);
                notes.Add($"the file '{path}' is missing: the backup is without it");
            }
            catch (Exception e) when (e is UnauthorizedAccessException or IOException)
            {
                missing.Add(path);
                notes.Add($"the file '{path}' cannot be read: the backup is without it ({e.Message})");
            }
        }
        return missing;
    }

    private static bool IsSomethingElse(string path)
    {
        try
        {
            return OperatingSystem.IsLinux() && FileStat.Of(path) is { IsPlainFile: false };
        }
        catch (EntryPointNotFoundException)
        {
            return false; // an old C library
        }
    }

    private static async Task StoreAsync(FileStream stream, string path, int number, IBackupSink sink, CancellationToken cancellationToken)
    {
        // read before it is stored: an error half way would leave a path without its end
        var content = new MemoryStream();
        await stream.CopyToAsync(content, PieceSize, cancellationToken).ConfigureAwait(false);
        var (owner, group) = FileOwnership.Of(path);
        var writer = await sink.BeginAsync(new BackupEntry
        {
            Path = string.Create(CultureInfo.InvariantCulture, $"files/{number}/{Path.GetFileName(path)}"),
            Part = BackupEntryPart.File,
            OriginalPath = path,
            ExpectedSize = content.Length,
            Mode = OperatingSystem.IsWindows() ? null : (int)File.GetUnixFileMode(path),
            Owner = owner,
            Group = group,
            ModifiedAt = new DateTimeOffset(File.GetLastWriteTimeUtc(path), TimeSpan.Zero),
        }, cancellationToken).ConfigureAwait(false);
        await using var open = writer.ConfigureAwait(false);
        await writer.WriteAsync(content.GetBuffer().AsMemory(0, (int)content.Length), cancellationToken).ConfigureAwait(false);
        await writer.CompleteAsync(cancellationToken).ConfigureAwait(false);
    }
}

/// <summary>
/// Files of a backup on their way back: written beside their places, then put there in one step each. What is at a place is moved aside,
/// never lost. Disposed without a commit it leaves nothing.
/// </summary>
internal sealed class FileRestore : IDisposable
{
    private readonly List<(ManifestEntry Entry, string Place, string Staged)> _files;
    private readonly string _moment;

    private FileRestore(List<(ManifestEntry, string, string)> files, string moment) => (_files, _moment) = (files, moment);

    /// <summary>Decides where files go and refuses what cannot be, before anything is written.</summary>
    /// <param name="backup">The backup.</param>
    /// <param name="folder">The folder that gets them; null: where they were.</param>
    /// <param name="clock">Names what is moved aside.</param>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.RestoreFailed"/>: a place is a folder.</exception>
    public static FileRestore Plan(BackupContent backup, string? folder, TimeProvider clock)
    {
        var files = new List<(ManifestEntry, string, string)>();
        var places = new HashSet<string>(StringComparer.Ordinal);
        foreach (var entry in backup.Manifest.Entries.Where(e => e.Entry is { Part: BackupEntryPart.File, Type: BackupEntryType.File }))
        {
            var place = PlaceOf(entry.Entry, folder, backup);
            // two files of one name from two folders
            if (!places.Add(place))
                place = Path.Combine(Path.GetDirectoryName(place)!, $"{entry.Entry.Path.Split('/')[^2]}-{Path.GetFileName(place)}");
            if (Directory.Exists(place))
                throw new DbRecoveryException(ErrorIds.RestoreFailed, ErrorKind.Refused, $"the file '{entry.Entry.OriginalPath}' cannot be restored to '{place}': there is a folder", "Restore the files to another folder.", place);
            files.Add((entry, place, Path.Combine(Path.GetDirectoryName(place)!, $".{Path.GetFileName(place)}.dbrecovery-{Guid.NewGuid():N}")));
        }
        return new FileRestore(files, clock.GetUtcNow().UtcDateTime.ToString("yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture));
    }

    /// <summary>Writes the files beside their places.</summary>
    public async Task StageAsync(BackupContent backup, BlobIndex index, ZstdLibrary? zstd, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var staged = _files.ToDictionary(f => f.Entry.Entry.Path, f => f.Staged, StringComparer.Ordinal);
        if (staged.Count > 0)
            await FileRestorer.RunAsync(backup, index, zstd, entry => staged[entry.Path], durable: true, progress, cancellationToken, BackupEntryPart.File).ConfigureAwait(false);
    }

    /// <summary>Puts the files in their places.</summary>
    public IReadOnlyList<RestoredFile> Commit()
    {
        var restored = new List<RestoredFile>();
        foreach (var (entry, place, staged) in _files)
        {
            var kept = Path.Exists(place) ? MoveAside(place) : null;
            File.Move(staged, place, overwrite: false);
            DurableFile.SyncFolder(Path.GetDirectoryName(place)!);
            restored.Add(new RestoredFile(place, entry.Entry.OriginalPath ?? place, kept));
        }
        return restored;
    }

    public void Dispose()
    {
        foreach (var (_, _, staged) in _files)
            DurableFile.Discard(staged);
    }

    private static string PlaceOf(BackupEntry entry, string? folder, BackupContent backup)
    {
        if (folder is not null)
            return Path.Combine(folder, entry.Path.Split('/')[^1]);
        return entry.OriginalPath is { } original && Path.IsPathFullyQualified(original)
            ? original
            : throw RepositoryErrors.Corrupt(backup.Repository.Storage, backup.Info.Id, $"it does not say where the file '{entry.Path}' was");
    }

    private string MoveAside(string place)
    {
        for (var i = 1; ; i++)
        {
            var kept = $"{place}.before-restore-{_moment}{(i == 1 ? "" : $"-{i}")}";
            if (!Path.Exists(kept) && DurableFile.MoveIfAbsent(place, kept))
                return kept;
        }
    }
}
