namespace DbRecovery.Sqlite.Vfs;

/// <summary>The file that a node is.</summary>
internal static class DatabasePath
{
    /// <summary>The absolute path of a node's file. A link is followed, as SQLite does: the journals are beside what it names.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.ParameterInvalid"/>: the node has no path.</exception>
    internal static string Of(NodeDefinition node)
    {
        var path = node.Path ?? throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"the node '{node.Name}' has no path", "Give the path of its database file in the inventory.", node.Name);
        path = Path.GetFullPath(path);
        var file = new FileInfo(path);
        return file.LinkTarget is null ? path : file.ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? path;
    }
}
