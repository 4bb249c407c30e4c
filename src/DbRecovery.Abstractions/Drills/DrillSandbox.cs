namespace DbRecovery;

/// <summary>Tells the sandbox of a drill from everything else.</summary>
public static class DrillSandbox
{
    /// <summary>How the names of sandboxes begin.</summary>
    public const string Prefix = "dbrecovery-drill-";

    /// <summary>Demands that a file lies in the sandbox of a drill under way.</summary>
    /// <param name="path">The absolute path, with every link in it resolved.</param>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.DrillFailed"/>: it does not, and is not to be touched.</exception>
    public static void Require(string path)
    {
        for (var folder = Path.GetDirectoryName(path); folder is not null; folder = Path.GetDirectoryName(folder))
        {
            // the name alone proves nothing: the mark must be there, and a living process must hold it
            if (Path.GetFileName(folder).StartsWith(Prefix, StringComparison.Ordinal) && OwnedFolder.HasLivingOwner(folder) == true)
                return;
        }
        throw new DbRecoveryException(ErrorIds.DrillFailed, ErrorKind.Refused, $"'{path}' does not lie in the sandbox of a drill under way: it is not damaged",
            "Drills damage copies only; start one with the drill command.", path);
    }
}
