using System.IO.Compression;

namespace DbRecovery.Build.Tasks;

/// <summary>
/// Makes the native executable, and packs the module. The zip is named as its one folder, and that folder as the module: Azure Automation takes the name of the zip
/// for the module's, and a gallery the folder's.
/// </summary>
internal static class PackageTask
{
    public static int Run(Workspace workspace, string[] arguments)
    {
        BuildTask.Run(workspace, []);
        BuildTask.Native(workspace);
        Directory.CreateDirectory(workspace.Out);
        var zip = Path.Combine(workspace.Out, "DbRecovery.zip");
        var part = zip + ".part";
        File.Delete(part);
        using (var archive = ZipFile.Open(part, ZipArchiveMode.Create))
        {
            foreach (var file in Files(workspace).Order(StringComparer.Ordinal))
                archive.CreateEntryFromFile(file, $"DbRecovery/{Path.GetRelativePath(workspace.Root, file).Replace('\\', '/')}", CompressionLevel.SmallestSize);
        }
        File.Move(part, zip, overwrite: true);
        Console.WriteLine($"Built {Path.GetRelativePath(workspace.Root, workspace.NativeExecutable)}, which needs no runtime ({new FileInfo(workspace.NativeExecutable).Length / 1024.0 / 1024:0.0} MiB)");
        Console.WriteLine($"Packed {Path.GetRelativePath(workspace.Root, zip)} ({new FileInfo(zip).Length / 1024.0 / 1024:0.0} MiB)");
        return 0;
    }

    private static IEnumerable<string> Files(Workspace workspace) =>
    [
        workspace.Manifest,
        Path.Combine(workspace.Root, "README.md"),
        Path.Combine(workspace.Root, "CHANGELOG.md"),
        .. Directory.GetFiles(workspace.Root, "*.ps1xml"),
        .. Directory.GetFiles(workspace.Bin, "*", SearchOption.AllDirectories).Where(f => !f.StartsWith(workspace.Cli + Path.DirectorySeparatorChar, StringComparison.Ordinal)),
        .. Directory.GetFiles(workspace.Help),
        .. Directory.GetFiles(Path.Combine(workspace.Root, "runbooks"), "*", SearchOption.AllDirectories),
    ];
}
