namespace DbRecovery.Build;

/// <summary>Programs of the tests: above all the application that the demonstration, the module's tests and the benchmarks work on.</summary>
internal static class WorkloadProgram
{
    /// <summary>Builds it and gives the path of its executable.</summary>
    public static string Build(Workspace workspace) => Build(workspace, "Workload");

    /// <summary>Builds what starts real clusters for the module's tests and the benchmarks, and gives the path of its executable.</summary>
    public static string BuildLab(Workspace workspace) => Build(workspace, "LabHost");

    private static string Build(Workspace workspace, string project)
    {
        var name = project.ToLowerInvariant();
        var folder = Path.Combine(workspace.Artifacts, name);
        Shell.Run("dotnet", ["build", Path.Combine(workspace.Root, "tests", project, project + ".csproj"), "-c", "Release", "-o", folder, "-v", "quiet"], workspace.Root, TimeSpan.FromMinutes(5));
        return Path.Combine(folder, OperatingSystem.IsWindows() ? name + ".exe" : name);
    }
}
