using System.IO.Enumeration;
using System.Runtime.CompilerServices;
using DbRecovery.Engine.Files;
using Microsoft.Win32.SafeHandles;

namespace DbRecovery.Engine.Backups;

/// <summary>A repository in a folder. Objects are written under tmp/, synced, renamed, and their folder is synced.</summary>
internal sealed class DirectoryStorage : IRepositoryStorage
{
    private const string TmpFolder = "tmp";
    private readonly string _root;

    public DirectoryStorage(string path) => _root = Path.GetFullPath(path);

    public string Location => _root;

    public Task<IStorageWriter> CreateAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return Task.FromResult(Guarded<IStorageWriter>(_root, () =>
        {
            var tmp = Path.Combine(_root, TmpFolder);
            CreateRoot();
            DurableFile.CreateFolder(tmp);
            return new Writer(this, Path.Combine(tmp, Guid.NewGuid().ToString("N")));
        }));
    }

    public ValueTask<int?> ReadAsync(string key, long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var path = PathOf(key);
        return ValueTask.FromResult(Guarded<int?>(path, () =>
        {
            try
            {
                using var handle = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
                var done = 0;
                while (done < buffer.Length)
                {
                    var read = RandomAccess.Read(handle, buffer.Span[done..], offset + done);
                    if (read == 0)
                        break;
                    done += read;
                }
                return done;
            }
            catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
            {
                return null;
            }
            catch (IOException e) when (FileErrors.IsUnreadable(e))
            {
                throw RepositoryErrors.Corrupt(this, key, $"the disk cannot read it ({e.Message})", e);
            }
        }));
    }

    public Task<StorageObject?> StatAsync(string key, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var path = PathOf(key);
        return Task.FromResult(Guarded(path, () =>
        {
            var info = new FileInfo(path);
            return IsThere(info) ? new StorageObject(key, info.Length, new DateTimeOffset(info.LastWriteTimeUtc, TimeSpan.Zero)) : null;
        }));
    }

    public async IAsyncEnumerable<StorageObject> ListAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (prefix.Length > 0 && !prefix.EndsWith('/'))
            throw new ArgumentException("a prefix ends with a slash", nameof(prefix));
        await Task.CompletedTask.ConfigureAwait(false);
        var folder = prefix.Length == 0 ? _root : PathOf(prefix[..^1]);
        if (!Guarded(folder, () => IsFolder(folder)))
            yield break;
        var files = Guarded(folder, () => Files(new DirectoryInfo(folder), whole: prefix.Length == 0).ToList());
        foreach (var file in files)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var found = Guarded(file.FullName, () => Described(file));
            if (found is not null)
                yield return found;
        }
    }

    public Task<bool> HasForeignContentAsync(IReadOnlySet<string> ownNames, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return Task.FromResult(Guarded(_root, () =>
        {
            if (File.Exists(_root))
                throw RepositoryErrors.Invalid(this, "it is a file, not a folder", "Name a folder.");
            return Directory.Exists(_root) && Directory.EnumerateFileSystemEntries(_root).Any(e => !ownNames.Contains(Path.GetFileName(e)));
        }));
    }

    public Task DeleteAsync(string key, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var path = PathOf(key);
        return Task.FromResult(Guarded(path, () =>
        {
            if (!File.Exists(path))
                return false;
            File.Delete(path);
            DurableFile.SyncFolder(Path.GetDirectoryName(path)!);
            return true;
        }));
    }

    public Task MoveAsync(string from, string to, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var (source, target) = (PathOf(from), PathOf(to));
        return Task.FromResult(Guarded(target, () =>
        {
            DurableFile.CreateFolder(Path.GetDirectoryName(target)!);
            File.Move(source, target, overwrite: true);
            DurableFile.SyncFolder(Path.GetDirectoryName(target)!);
            DurableFile.SyncFolder(Path.GetDirectoryName(source)!);
            return true;
        }));
    }

    /// <summary>Every file in a folder. What a file system keeps in its own root belongs to nobody.</summary>
    private static IEnumerable<FileInfo> Files(DirectoryInfo folder, bool whole) => !whole
        ? Tree(folder)
        : folder.EnumerateFiles().Concat(folder.EnumerateDirectories().Where(d => d.Name != "lost+found").SelectMany(Tree));

    /// <summary>
    /// Every file below a folder. The folder may be a link, to another disk; a link below it leads out of the repository, or in circles,
    /// and what is found there must not be deleted as the repository's.
    /// </summary>
    private static IEnumerable<FileInfo> Tree(DirectoryInfo folder) => new FileSystemEnumerable<FileInfo>(folder.FullName, static (ref FileSystemEntry e) => (FileInfo)e.ToFileSystemInfo(),
        new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.None, IgnoreInaccessible = false })
    {
        ShouldIncludePredicate = static (ref FileSystemEntry e) => !e.IsDirectory,
        ShouldRecursePredicate = static (ref FileSystemEntry e) => (e.Attributes & FileAttributes.ReparsePoint) == 0,
    };

    /// <summary>
    /// Whether a file is there. The runtime says that it is not also where the system cannot tell: what an error of a disk or a network
    /// hides would then count as removed, and what it needs as needed by nobody.
    /// </summary>
    private static bool IsThere(FileInfo file)
    {
        if (file.Exists)
            return true;
        if (AttributesOf(file.FullName) is null)
            return false;
        // a folder, or it came this moment
        file.Refresh();
        return file.Exists;
    }

    private bool IsFolder(string path)
    {
        if (Directory.Exists(path) || AttributesOf(path) is not { } attributes)
            return Directory.Exists(path);
        // a link to a disk that is not mounted is not an empty folder
        return (attributes & FileAttributes.ReparsePoint) == 0 ? (attributes & FileAttributes.Directory) != 0
            : throw RepositoryErrors.Invalid(this, $"'{path}' is a link to nowhere", "Check that the disk that it leads to is mounted.");
    }

    private static FileAttributes? AttributesOf(string path)
    {
        try
        {
            return File.GetAttributes(path);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    private void CreateRoot()
    {
        if (Directory.Exists(_root))
            return;
        DurableFile.CreateFolder(Path.GetDirectoryName(_root)!);
        // a repository holds all of the data: nobody else may look, unless the folder was made beforehand for others too
        if (OperatingSystem.IsWindows())
            Directory.CreateDirectory(_root);
        else
            Directory.CreateDirectory(_root, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        DurableFile.SyncFolder(Path.GetDirectoryName(_root)!);
    }

    private StorageObject? Described(FileInfo file)
    {
        // another process may delete while we list
        if (!IsThere(file))
            return null;
        var key = Path.GetRelativePath(_root, file.FullName).Replace(Path.DirectorySeparatorChar, '/');
        return new StorageObject(key, file.Length, new DateTimeOffset(file.LastWriteTimeUtc, TimeSpan.Zero));
    }

    private string PathOf(string key)
    {
        var parts = key.Split('/');
        if (parts.Any(p => p.Length == 0 || p is "." or ".." || p.AsSpan().IndexOfAny('\\', '\0', ':') >= 0))
            throw new ArgumentException($"not a key: '{key}'", nameof(key));
        return Path.Combine([_root, .. parts]);
    }

    private static T Guarded<T>(string path, Func<T> work) => FileErrors.Guarded(path, ErrorIds.RepositoryInvalid, work);

    private sealed class Writer : IStorageWriter
    {
        private const int WritebackStep = 8 << 20;
        private readonly DirectoryStorage _storage;
        private readonly string _tmp;
        private readonly SafeFileHandle _handle;
        private long _length;
        private long _writtenBack;
        private bool _committed;

        public Writer(DirectoryStorage storage, string tmp)
        {
            (_storage, _tmp) = (storage, tmp);
            _handle = File.OpenHandle(tmp, FileMode.CreateNew, FileAccess.Write, FileShare.Read);
        }

        public ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Guarded(_storage._root, () =>
            {
                RandomAccess.Write(_handle, data.Span, _length);
                _length += data.Length;
                if (_length - _writtenBack >= WritebackStep)
                {
                    DurableFile.StartWriteback(_handle, _writtenBack, _length - _writtenBack);
                    _writtenBack = _length;
                }
                return true;
            });
            return ValueTask.CompletedTask;
        }

        public Task<bool> CommitAsync(string key, PutMode mode, CancellationToken cancellationToken)
        {
            var path = _storage.PathOf(key);
            return Task.FromResult(Guarded(path, () =>
            {
                RandomAccess.FlushToDisk(_handle);
                cancellationToken.ThrowIfCancellationRequested();
                _handle.Dispose();
                var folder = Path.GetDirectoryName(path)!;
                DurableFile.CreateFolder(folder);
                if (mode == PutMode.Replace)
                    File.Move(_tmp, path, overwrite: true);
                else if (!DurableFile.MoveIfAbsent(_tmp, path))
                    return false;
                _committed = true;
                DurableFile.SyncFolder(folder);
                return true;
            }));
        }

        public ValueTask DisposeAsync()
        {
            _handle.Dispose();
            if (!_committed)
                DurableFile.Discard(_tmp);
            return ValueTask.CompletedTask;
        }
    }
}
