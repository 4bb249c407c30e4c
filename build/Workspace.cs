namespace DbRecovery.Build;

/// <summary>A task cannot go on; the message is for the person at the terminal.</summary>
internal sealed class BuildException(string message) : Exception(message);

/// <summary>The folders of the checkout.</summary>
internal sealed record Workspace(string Root)
{
    public string Bin => Path.Combine(Root, "bin");
    public string Dependencies => Path.Combine(Bin, "dependencies");
    public string Help => Path.Combine(Root, "en-US");
    public string Cli => Path.Combine(Bin, "cli");
    public string CliExecutable => Path.Combine(Cli, Executable);
    public string Native => Path.Combine(Out, "dbrecovery-" + System.Runtime.InteropServices.RuntimeInformation.RuntimeIdentifier);
    public string NativeExecutable => Path.Combine(Native, Executable);
    public string Artifacts => Path.Combine(Root, "artifacts");
    public string Out => Path.Combine(Root, "out");
    public string Manifest => Path.Combine(Root, "DbRecovery.psd1");

    private static string Executable => OperatingSystem.IsWindows() ? "dbrecovery.exe" : "dbrecovery";

    public string Project(string name) => Path.Combine(Root, "src", name, name + ".csproj");

    /// <summary>Finds the checkout from the program's own place, so that the tasks work from any folder.</summary>
    public static Workspace Find()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "DbRecovery.sln")))
                return new Workspace(folder.FullName);
        }
        throw new BuildException("DbRecovery.sln was not found above the build program; run it by 'dotnet run --project build' in a checkout.");
    }
}
