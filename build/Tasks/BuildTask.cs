using System.Runtime.InteropServices;

namespace DbRecovery.Build.Tasks;

/// <summary>Builds the module into bin/ and the executable into bin/cli/.</summary>
internal static class BuildTask
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(10);

    // these two the default load context must see; all else is hidden behind the module's own context
    private static readonly string[] InDefaultContext = ["DbRecovery.dll", "DbRecovery.Abstractions.dll"];

    public static int Run(Workspace workspace, string[] arguments)
    {
        Module(workspace);
        Cli(workspace);
        Console.WriteLine($"Built {Path.GetRelativePath(workspace.Root, workspace.Manifest)} and {Path.GetRelativePath(workspace.Root, workspace.CliExecutable)}");
        return 0;
    }

    private static void Module(Workspace workspace)
    {
        var staging = Publish(workspace, "DbRecovery");
        Recreate(workspace.Dependencies);
        foreach (var file in Directory.GetFiles(staging, "*.dll"))
        {
            var name = Path.GetFileName(file);
            File.Copy(file, Path.Combine(InDefaultContext.Contains(name) ? workspace.Bin : workspace.Dependencies, name), overwrite: true);
        }
        // help is made from the same documentation comments that the compiler checks
        Shell.Run("dotnet",
            ["run", "-c", "Release", "--project", Path.Combine(workspace.Root, "build", "HelpGenerator", "HelpGenerator.csproj"), "--",
                Path.Combine(staging, "DbRecovery.dll"), Path.Combine(workspace.Help, "DbRecovery.dll-Help.xml")],
            workspace.Root, Limit);
    }

    private static void Cli(Workspace workspace) => Deliver(Publish(workspace, "DbRecovery.Cli"), workspace.Cli);

    /// <summary>
    /// Makes the executable that needs no runtime and starts in a tenth of the time; a C compiler links it.
    /// </summary>
    public static void Native(Workspace workspace)
    {
        SystemPackages.Ensure(SystemPackages.Compiler, SystemPackages.LibcHeaders, SystemPackages.ZlibHeaders);
        var linker = Shell.Find("clang") ?? Shell.Find("gcc");
        string[] link = OperatingSystem.IsWindows() || linker is null ? [] : [$"-p:CppCompilerAndLinker={linker}"];
        Deliver(Publish(workspace, "DbRecovery.Cli", ["-p:Native=true", .. link]), workspace.Native);
    }

    // its folder is all that it needs, runbooks included: it can be put anywhere
    private static void Deliver(string staging, string folder)
    {
        Recreate(folder);
        foreach (var file in Directory.GetFiles(staging, "*", SearchOption.AllDirectories).Where(f => Path.GetExtension(f) is not (".pdb" or ".xml" or ".dbg")))
        {
            var target = Path.Combine(folder, Path.GetRelativePath(staging, file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(file, target);
        }
    }

    /// <summary>
    /// Publishes a project with code compiled ahead of time for this platform: half the start-up time of both shells is the JIT otherwise.
    /// The files keep their IL, so they run on every other platform too.
    /// </summary>
    private static string Publish(Workspace workspace, string project, string[]? native = null)
    {
        var staging = Path.Combine(workspace.Artifacts, native is null ? project : project + ".Native");
        Recreate(staging);
        Shell.Run("dotnet",
            ["publish", workspace.Project(project), "-c", "Release", "-r", RuntimeInformation.RuntimeIdentifier, "-p:DebugType=none", "-o", staging, "-v", "quiet",
                .. native ?? ["--no-self-contained", "-p:PublishReadyToRun=true"]],
            workspace.Root, Limit);
        return staging;
    }

    private static void Recreate(string folder)
    {
        if (Directory.Exists(folder))
            Directory.Delete(folder, recursive: true);
        Directory.CreateDirectory(folder);
    }
}
