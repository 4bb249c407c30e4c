namespace DbRecovery.Build.Tasks;

/// <summary>Builds and runs the benchmarks with their peers.</summary>
internal static class BenchTask
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(30);

    public static int Run(Workspace workspace, string[] arguments)
    {
        if (arguments.Contains("failover"))
            return Failover(workspace, rounds: arguments.Contains("quick") ? "4" : "20");
        SystemPackages.Ensure(
            [SystemPackages.Sqlite, SystemPackages.Zstd, SystemPackages.SqliteShell, SystemPackages.ZstdTool, SystemPackages.Restic, .. SystemPackages.PostgreSql, .. SystemPackages.PostgreSqlPeers]);
        BuildTask.Run(workspace, []);
        BuildTask.Native(workspace);
        var workload = WorkloadProgram.Build(workspace);
        var benchmarks = Path.Combine(workspace.Root, "benchmarks");
        var emptyModule = Path.Combine(workspace.Artifacts, "empty-module");
        Shell.Run("dotnet", ["build", Path.Combine(benchmarks, "EmptyModule", "EmptyModule.csproj"), "-c", "Release", "-o", emptyModule, "-v", "quiet"], workspace.Root, Limit);
        var folder = Path.Combine(workspace.Artifacts, "bench");
        if (Directory.Exists(folder))
            Directory.Delete(folder, recursive: true);
        try
        {
            Shell.Run("dotnet",
                ["run", "-c", "Release", "--project", Path.Combine(benchmarks, "Benchmarks.csproj"), "--",
                    workspace.NativeExecutable, workload, workspace.Manifest, Path.Combine(emptyModule, "EmptyModule.dll"), folder, arguments.Contains("quick") ? "100" : "1000"],
                workspace.Root, Limit);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
        return 0;
    }

    /// <summary>The figures of clusters: primaries are lost in every way, beside the peers', handed over by plan, brought back and watched.</summary>
    private static int Failover(Workspace workspace, string rounds)
    {
        SystemPackages.Ensure([.. SystemPackages.PostgreSql, .. SystemPackages.PostgreSqlPeers]);
        BuildTask.Run(workspace, []);
        BuildTask.Native(workspace);
        Shell.Run("dotnet", ["run", "-c", "Release", "--project", Path.Combine(workspace.Root, "benchmarks", "Benchmarks.csproj"), "--", "failover", workspace.NativeExecutable, workspace.Manifest, rounds],
            workspace.Root, Limit);
        return 0;
    }
}
