using System.Collections.Concurrent;

namespace DbRecovery.PostgresLab;

/// <summary>
/// Data folders as initdb leaves them, made once a test process. A primary and its standbys begin as copies of the same one: a
/// standby then streams everything from the first record on, which is what a base backup would have given it.
/// </summary>
internal static class Template
{
    /// <summary>The superuser's password, for clusters that ask for one.</summary>
    public const string Password = "lab-password";

    private static readonly ConcurrentDictionary<(string, bool), Lazy<Task<string>>> Made = new();

    public static Task<string> OfAsync(string binDir, bool checksums, bool fresh)
    {
        if (fresh)
            return MakeAsync(binDir, checksums);
        return Made.GetOrAdd((binDir, checksums), key => new Lazy<Task<string>>(() => MakeAsync(key.Item1, key.Item2))).Value;
    }

    private static async Task<string> MakeAsync(string binDir, bool checksums)
    {
        var folder = LabFolder.Make();
        AppDomain.CurrentDomain.ProcessExit += (_, _) => LabFolder.Remove(folder);
        var (data, passwordFile) = (Path.Combine(folder, "data"), Path.Combine(folder, "password"));
        File.WriteAllText(passwordFile, Password);
        Machine.Own(passwordFile);
        var major = (await Machine.RunAsync([Path.Combine(binDir, "postgres"), "--version"])).Split(' ')[2].Split('.')[0];
        // 18 has checksums unless told otherwise; earlier ones do not know the word for without
        string[] sums = checksums ? ["-k"] : int.Parse(major) >= 18 ? ["--no-data-checksums"] : [];
        await Machine.RunAsync([
            .. Machine.AsServerUser(folder), Path.Combine(binDir, "initdb"), "-D", data, "-U", "postgres", "--pwfile", passwordFile, "-A", "scram-sha-256",
            "--locale=C", "-E", "UTF8", "--wal-segsize=1", "--no-sync", .. sums]);
        // a standby refuses to start with less than what its control file says the primary has: let that be little
        await Machine.RunAsync([.. Machine.AsServerUser(folder), Path.Combine(binDir, "postgres"), "--single", "-D", data, "-c", "max_connections=5", "-c", "max_wal_senders=2", "postgres"]);
        return data;
    }
}
