namespace DbRecovery.Build;

/// <summary>While it lives, what Debian installs starts no service and makes no cluster: the tests start their own servers, and nothing else shall listen.</summary>
internal sealed class NoDefaultServices : IDisposable
{
    private const string Policy = "/usr/sbin/policy-rc.d";
    private const string Clusters = "/etc/postgresql-common/createcluster.d/dbrecovery.conf";
    private readonly bool _made;

    public NoDefaultServices()
    {
        // read by pg_createcluster beside its own configuration, which stays the package's
        Directory.CreateDirectory(Path.GetDirectoryName(Clusters)!);
        File.WriteAllText(Clusters, "create_main_cluster = false\n");
        if (OperatingSystem.IsWindows() || File.Exists(Policy))
            return;
        File.WriteAllText(Policy, "#!/bin/sh\nexit 101\n");
        File.SetUnixFileMode(Policy, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute);
        _made = true;
    }

    public void Dispose()
    {
        File.Delete(Clusters);
        if (_made)
            File.Delete(Policy);
    }
}
