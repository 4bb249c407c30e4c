using System.Globalization;
using DbRecovery.Sqlite.Files;
using DbRecovery.Sqlite.Format;
using DbRecovery.Sqlite.Native;

namespace DbRecovery.Sqlite.Backup;

/// <summary>Looks at what every commit changes: the change counter in the file's header, or the committed frames of the log.</summary>
internal sealed class SqliteChangeWatch : IChangeWatch
{
    public Task<string> MarkAsync(NodeDefinition node, CancellationToken cancellationToken) => Task.Run(() => Mark(node, cancellationToken), cancellationToken);

    private static string Mark(NodeDefinition node, CancellationToken cancellationToken)
    {
        var path = SqliteBackupSource.Check(node);
        var id = FileStatus.Of(path)?.Inode;
        var header = new byte[SqliteHeader.Size];
        using (var file = LiveImage.Open(path))
            file.Read(0, header);
        var parsed = SqliteHeader.TryParse(header);
        // the frames' check sums say which are committed: a log that is not reset is read whole, and it is as long as a checkpoint leaves it
        var log = parsed is null or { IsWal: true } ? WalFile.TryRead(path, withPages: false, cancellationToken) : null;
        return string.Create(CultureInfo.InvariantCulture, $"{id} {Convert.ToHexString(header.AsSpan(16))} {log?.Salt} {log?.CommittedFrames}");
    }
}
