namespace DbRecovery.Build;

/// <summary>What a task needs from the operating system. As root on Debian it is installed, elsewhere it is named.</summary>
internal static class SystemPackages
{
    /// <summary>A package and how to see that it is there.</summary>
    public sealed record Need(string Package, Func<bool> Present, string Purpose);

    public static Need Sqlite { get; } = new("libsqlite3-0", () => Library("libsqlite3.so.0"), "the SQLite library");
    public static Need Zstd { get; } = new("libzstd1", () => Library("libzstd.so.1"), "fast compression");
    public static Need SqliteShell { get; } = new("sqlite3", () => Shell.Find("sqlite3") is not null, "the benchmarks' peer");
    public static Need ZstdTool { get; } = new("zstd", () => Shell.Find("zstd") is not null, "the benchmarks' peer");
    public static Need Chromium { get; } = new("chromium", () => new[] { "chromium", "chromium-browser", "google-chrome" }.Any(n => Shell.Find(n) is not null), "the tests of the report's page");
    public static Need Restic { get; } = new("restic", () => Shell.Find("restic") is not null, "the benchmarks' peer");
    public static Need Compiler { get; } = new("gcc", () => Shell.Find("clang") is not null || Shell.Find("gcc") is not null, "linking the native executable");
    public static Need LibcHeaders { get; } = new("libc6-dev", () => File.Exists("/usr/include/stdio.h"), "linking the native executable");
    public static Need ZlibHeaders { get; } = new("zlib1g-dev", () => File.Exists("/usr/include/zlib.h"), "linking the native executable");
    public static Need Jq { get; } = new("jq", () => Shell.Find("jq") is not null, "the test of restoring by hand");

    /// <summary>Real servers, and what leads applications to them, for the tests of replication.</summary>
    public static Need[] PostgreSql { get; } =
    [
        new("postgresql-15", () => File.Exists("/usr/lib/postgresql/15/bin/postgres"), "the tests with real clusters"),
        new("postgresql-client-15", () => File.Exists("/usr/lib/postgresql/15/bin/pg_basebackup"), "the tests with real clusters"),
        new("haproxy", () => Shell.Find("haproxy") is not null, "the tests of routes"),
        new("pgbouncer", () => Shell.Find("pgbouncer") is not null, "the tests of routes"),
        new("patroni", () => Shell.Find("patroni") is not null, "the tests of managed clusters"),
        new("etcd-server", () => Shell.Find("etcd") is not null, "the tests of managed clusters"),
        new("etcd-client", () => Shell.Find("etcdctl") is not null, "the tests of managed clusters"),
        new("openssh-client", () => Shell.Find("ssh") is not null, "the tests of instance control"),
        // elsewhere it would be started with the machine, which nobody asked for: without it that test is skipped
        .. Directory.Exists("/run/systemd/system") ? Array.Empty<Need>() : [new("openssh-server", () => File.Exists("/usr/sbin/sshd"), "the tests of instance control")],
    ];

    /// <summary>What else fails PostgreSQL over.</summary>
    public static Need[] PostgreSqlPeers { get; } =
    [
        new("postgresql-15-repmgr", () => File.Exists("/usr/lib/postgresql/15/bin/repmgr"), "the benchmarks' peer"),
        new("postgresql-15-auto-failover", () => File.Exists("/usr/lib/postgresql/15/lib/pgautofailover.so"), "the benchmarks' peer"),
        new("pg-auto-failover-cli", () => Shell.Find("pg_autoctl") is not null, "the benchmarks' peer"),
    ];

    /// <summary>Makes sure that all are there.</summary>
    public static void Ensure(params Need[] needs)
    {
        if (!OperatingSystem.IsLinux())
            return; // Windows and macOS bring SQLite with them
        var missing = needs.Where(n => !n.Present()).ToArray();
        if (missing.Length == 0)
            return;
        var names = string.Join(' ', missing.Select(n => n.Package));
        if (Shell.Find("apt-get") is not { } apt || Environment.UserName != "root")
            throw new BuildException($"Missing: {string.Join(", ", missing.Select(n => $"{n.Package} ({n.Purpose})"))}. Install it, on Debian and Ubuntu by: apt-get install {names}");
        Console.WriteLine($"Installing {names}");
        var quiet = new Dictionary<string, string> { ["DEBIAN_FRONTEND"] = "noninteractive" };
        Shell.Execute(apt, ["update", "-qq"], "/", TimeSpan.FromMinutes(5), quiet);
        using var idle = new NoDefaultServices();
        var install = Shell.Execute(apt, ["install", "-y", "-qq", "--no-install-recommends", .. missing.Select(n => n.Package)], "/", TimeSpan.FromMinutes(10), quiet);
        if (missing.FirstOrDefault(n => !n.Present()) is { } absent)
            throw new BuildException($"{absent.Package} could not be installed:{Environment.NewLine}{install.Output}");
    }

    private static bool Library(string name)
    {
        if (!System.Runtime.InteropServices.NativeLibrary.TryLoad(name, out var handle))
            return false;
        System.Runtime.InteropServices.NativeLibrary.Free(handle);
        return true;
    }
}
