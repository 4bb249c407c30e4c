namespace DbRecovery.PostgresLab;

/// <summary>Folders of a lab. Each has the name of the process that owns it, so that what a killed test process left is swept by the next one.</summary>
internal static class LabFolder
{
    private const string Prefix = "/tmp/dbrecovery-pg-";
    private const string Owner = "owner";
    private static readonly Lazy<bool> Swept = new(Sweep);

    /// <summary>Makes a folder that the servers' user can write into.</summary>
    public static string Make()
    {
        _ = Swept.Value;
        var folder = Prefix + Guid.NewGuid().ToString("N")[..8];
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, Owner), $"{Environment.ProcessId} {Machine.StartOf(Environment.ProcessId)}");
        Machine.Own(folder);
        return folder;
    }

    /// <summary>Ends what runs in a folder and removes it.</summary>
    public static void Remove(string folder)
    {
        foreach (var pidFile in Directory.EnumerateFiles(folder, "postmaster.pid", new EnumerationOptions { RecurseSubdirectories = true, MaxRecursionDepth = 3 }).ToArray())
            EndServer(Path.GetDirectoryName(pidFile)!);
        // the file that says whose it is goes last: of what a process that died here leaves, the next one still knows that
        foreach (var entry in new DirectoryInfo(folder).EnumerateFileSystemInfos().Where(e => e.Name != Owner).ToArray())
        {
            if (entry is DirectoryInfo { LinkTarget: null } inner)
                inner.Delete(recursive: true);
            else
                entry.Delete();
        }
        Directory.Delete(folder, recursive: true);
    }

    /// <summary>Kills every process of the server of a data folder, whoever started it.</summary>
    public static void EndServer(string data)
    {
        foreach (var process in Machine.WorkingIn(data))
            Machine.Signal(process, Machine.SigKill);
        SpinWait.SpinUntil(() => Machine.WorkingIn(data).Count == 0, Machine.Limit);
        // nobody removes the System V segment of a killed server, and a machine has 4096 of them
        var pidFile = Path.Combine(data, "postmaster.pid");
        if (File.Exists(pidFile) && File.ReadAllLines(pidFile) is [_, _, _, _, _, _, var key, ..] && key.Split(' ', StringSplitOptions.RemoveEmptyEntries) is [_, var segment] && int.TryParse(segment, out var id))
            Machine.RemoveSharedMemory(id);
    }

    private static bool Sweep()
    {
        foreach (var folder in Directory.EnumerateDirectories("/tmp", Path.GetFileName(Prefix) + "*"))
        {
            try
            {
                // one without the file is being made
                if (File.ReadAllText(Path.Combine(folder, Owner)).Split(' ') is [var id, var start] && Machine.StartOf(int.Parse(id)) != start)
                    Remove(folder);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException)
            {
                // another process sweeps the same, or the folder is somebody else's
            }
        }
        return true;
    }
}
