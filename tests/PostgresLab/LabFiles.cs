namespace DbRecovery.PostgresLab;

/// <summary>Files that tests make for servers.</summary>
public static class LabFiles
{
    /// <summary>Gives files to the user that servers run as.</summary>
    public static void GiveToServer(params string[] paths)
    {
        foreach (var path in paths)
            Machine.Own(path);
    }
}
