namespace DbRecovery.Engine.Actions;

/// <summary>What actions do with databases that are files.</summary>
internal static class FileDatabase
{
    // what such an engine may keep beside its file
    private static readonly string[] Suffixes = ["", "-wal", "-shm", "-journal"];

    /// <summary>Removes a file that an action made, and what an engine put beside it.</summary>
    public static void Remove(string path)
    {
        foreach (var suffix in Suffixes)
            File.Delete(path + suffix);
    }

    /// <summary>The rows of each table; null where they cannot be counted: that must not make something done look undone.</summary>
    public static async Task<IReadOnlyList<TableCount>?> CountAsync(ActionContext context, string path, CancellationToken cancellationToken)
    {
        if (!File.Exists(path) || !context.Provider.TryGet<IDataInspector>(out var inspector))
            return null;
        try
        {
            return await inspector.CountRowsAsync(path, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is DbRecoveryException or IOException)
        {
            return null;
        }
    }
}
