namespace DbRecovery.Build;

/// <summary>The application that the demonstration, the module's tests and the benchmarks work on.</summary>
internal static class WorkloadProgram
{
    /// <summary>Builds it and gives the path of its executable.</summary>
    public static string Build(Workspace workspace)
    {
        var folder = Path.Combine(workspace.Artifacts, "workload");
        Shell.Run("dotnet", ["build", Path.Combine(workspace.Root, "tests", "Workload", "Workload.csproj"), "-c", "Release", "-o", folder, "-v", "quiet"], workspace.Root, TimeSpan.FromMinutes(5));
        return Path.Combine(folder, OperatingSystem.IsWindows() ? "workload.exe" : "workload");
    }
}
