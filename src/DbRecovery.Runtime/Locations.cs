namespace DbRecovery.Runtime;

/// <summary>Where things are by default.</summary>
internal static class Locations
{
    private const string File = "dbrecovery.yml";

    /// <summary>The inventory's path, by the order that <see cref="RuntimeOptions.InventoryPath"/> documents; null where none is found.</summary>
    public static string? Inventory(RuntimeOptions options)
    {
        if (options.InventoryPath is { Length: > 0 } given)
            return Required(Resolve(options, given), "as given");
        if (Environment.GetEnvironmentVariable("DBRECOVERY_INVENTORY") is { Length: > 0 } named)
            return Required(Resolve(options, named), "named by DBRECOVERY_INVENTORY");
        return new[] { Resolve(options, File), UserConfig() is { } folder ? Path.Combine(folder, File) : null }.FirstOrDefault(System.IO.File.Exists);
    }

    /// <summary>The state folder.</summary>
    public static string State(RuntimeOptions options, string? ofInventory) =>
        options.StateFolder is { Length: > 0 } given ? Resolve(options, given)
        : Environment.GetEnvironmentVariable("DBRECOVERY_STATE") is { Length: > 0 } named ? Resolve(options, named)
        : ofInventory ?? DefaultState();

    /// <summary>A path made absolute against the shell's own folder.</summary>
    public static string Resolve(RuntimeOptions options, string path) => Path.GetFullPath(path, options.WorkingFolder);

    /// <summary>The folder of the runbooks that ship: beside the assembly, or up to three folders above it; null where there is none.</summary>
    public static string? ShippedRunbooks()
    {
        var assembly = typeof(Locations).Assembly.Location; // empty in the native executable
        var folder = assembly.Length > 0 ? Path.GetDirectoryName(assembly) : AppContext.BaseDirectory;
        for (var up = 0; up <= 3 && folder is not null; up++, folder = Path.GetDirectoryName(folder.TrimEnd(Path.DirectorySeparatorChar)))
        {
            if (Path.Combine(folder, "runbooks") is var candidate && Directory.Exists(candidate))
                return candidate;
        }
        return null;
    }

    private static string Required(string path, string how) => System.IO.File.Exists(path)
        ? path
        : throw new DbRecoveryException(ErrorIds.InventoryNotFound, ErrorKind.NotFound, $"there is no inventory file '{path}' ({how})",
            "Give the path of an inventory, or remove the setting to use ./dbrecovery.yml.", path);

    private static string DefaultState()
    {
        if (OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess)
            return "/var/lib/dbrecovery";
        if (OperatingSystem.IsWindows() || OperatingSystem.IsMacOS())
            return Path.Combine(Platform(), "DbRecovery");
        return Environment.GetEnvironmentVariable("XDG_STATE_HOME") is { Length: > 0 } xdg && Path.IsPathRooted(xdg)
            ? Path.Combine(xdg, "dbrecovery")
            : Path.Combine(Home(), ".local", "state", "dbrecovery");
    }

    private static string? UserConfig()
    {
        if (OperatingSystem.IsWindows())
            return Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.ApplicationData), "DbRecovery");
        if (OperatingSystem.IsMacOS())
            return Path.Combine(Platform(), "DbRecovery");
        return Environment.GetEnvironmentVariable("XDG_CONFIG_HOME") is { Length: > 0 } xdg && Path.IsPathRooted(xdg)
            ? Path.Combine(xdg, "dbrecovery")
            : Path.Combine(Home(), ".config", "dbrecovery");
    }

    private static string Platform() => OperatingSystem.IsWindows()
        ? Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData)
        : Path.Combine(Home(), "Library", "Application Support");

    private static string Home() => Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
}
