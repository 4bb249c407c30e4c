using System.Globalization;

namespace DbRecovery.Runtime;

public sealed partial class RecoveryRuntime
{
    /// <summary>
    /// Brings a table or chosen rows of it back out of a backup: into a file of its own, or by a comparison with the live database, whose
    /// differences are given one by one and written where that was asked for.
    /// </summary>
    /// <param name="backup">The backup.</param>
    /// <param name="selection">The rows.</param>
    /// <param name="options">How far to go; where something is written and no undo script is named, one is put beside the database.</param>
    /// <param name="difference">Gets each difference, in the order of the key; null where only counts are wanted.</param>
    /// <param name="progress">Progress.</param>
    /// <param name="cancellationToken">Cancels.</param>
    public async Task<RowRestoreResult> RestoreRowsAsync(BackupInfo backup, RowSelection selection, RowRestoreOptions options, Action<RowDifference>? difference, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var provider = Provider(backup.Engine).Require<IRowRestore>("restore-rows");
        var node = options.Destination is null ? (backup.Definition ?? GetCluster(backup.Cluster)).Node(backup.Node) : null;
        var content = await _backups.Value.OpenAsync(backup, cancellationToken).ConfigureAwait(false);
        var order = new RowRestoreOrder
        {
            Backup = content,
            Node = node,
            Selection = selection,
            Options = options with
            {
                Destination = options.Destination is { } file ? Locations.Resolve(_options, file) : null,
                UndoScript = options.UndoScript is { } script ? Locations.Resolve(_options, script) : node?.Path is { } path ? UndoScriptOf(path) : null,
            },
        };
        return await provider.RestoreRowsAsync(order, difference, progress, cancellationToken).ConfigureAwait(false);
    }

    // beside the database, as what a restore keeps is: whoever needs it looks there
    private string UndoScriptOf(string database)
    {
        var name = $"{database}.undo-{_options.Clock.GetUtcNow().UtcDateTime.ToString("yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture)}";
        var candidate = name + ".sql";
        for (var i = 2; File.Exists(candidate); i++)
            candidate = $"{name}-{i}.sql";
        return candidate;
    }
}
