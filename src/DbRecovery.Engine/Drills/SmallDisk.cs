using System.Globalization;
using System.Text.RegularExpressions;
using DbRecovery.Engine.Actions;

namespace DbRecovery.Engine.Drills;

/// <summary>A file system in memory, of the size that a test of a full disk needs.</summary>
internal sealed partial class SmallDisk : IAsyncDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(10);
    private readonly TimeProvider _clock;

    private SmallDisk(string path, TimeProvider clock) => (Path, _clock) = (path, clock);

    /// <summary>Where it is mounted.</summary>
    public string Path { get; }

    /// <summary>Mounts one.</summary>
    /// <param name="path">A folder that is made for it.</param>
    /// <param name="bytes">Its size.</param>
    /// <param name="clock">The clock.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.DrillFailed"/>, NotSupported: there is too little memory, or mounting is not allowed here.</exception>
    public static async Task<SmallDisk> MountAsync(string path, long bytes, TimeProvider clock, CancellationToken cancellationToken)
    {
        var memory = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        if (bytes > memory / 4)
            throw Impossible(path, string.Create(CultureInfo.InvariantCulture, $"a disk in memory of {bytes >> 20} MiB would be needed, more than a quarter of the memory"));
        Directory.CreateDirectory(path);
        // cancelled only before or after: a mount that nobody knows of is never taken away
        cancellationToken.ThrowIfCancellationRequested();
        var size = string.Create(CultureInfo.InvariantCulture, $"size={bytes},mode=0700");
        if (await RunAsync(clock, "mount", "-t", "tmpfs", "-o", size, "tmpfs", path).ConfigureAwait(false) is { } failed)
            throw Impossible(path, $"a disk in memory cannot be mounted here: {failed}");
        return new SmallDisk(path, clock);
    }

    /// <summary>Takes away the disks that killed drills left below a folder. Their sandboxes are known by the mark of an owner who is gone.</summary>
    public static async Task UnmountAbandonedAsync(string parent, TimeProvider clock, CancellationToken cancellationToken)
    {
        if (!OperatingSystem.IsLinux() || !Directory.Exists(parent))
            return;
        var mounts = await File.ReadAllLinesAsync("/proc/self/mounts", cancellationToken).ConfigureAwait(false);
        var points = mounts.Select(l => l.Split(' ')).Where(w => w.Length > 2 && w[2] == "tmpfs").Select(w => Escape().Replace(w[1], Unescape)).ToList();
        foreach (var sandbox in Directory.EnumerateDirectories(parent, DrillSandbox.Prefix + "*").Where(f => OwnedFolder.HasLivingOwner(f) == false))
        {
            foreach (var point in points.Where(p => p.StartsWith(sandbox + "/", StringComparison.Ordinal)))
                await RunAsync(clock, "umount", "-l", point).ConfigureAwait(false);
        }
    }

    /// <summary>Unmounts it.</summary>
    public async ValueTask DisposeAsync()
    {
        if (await RunAsync(_clock, "umount", Path).ConfigureAwait(false) is not null)
            await RunAsync(_clock, "umount", "-l", Path).ConfigureAwait(false);
    }

    private static DbRecoveryException Impossible(string path, string why) => new(ErrorIds.DrillFailed, ErrorKind.NotSupported, why, target: path);

    // null: it went well; else why not
    private static async Task<string?> RunAsync(TimeProvider clock, params string[] command)
    {
        try
        {
            var outcome = await ProcessRunner.RunAsync(new ProcessRequest { Command = command, Timeout = Deadline }, clock, CancellationToken.None).ConfigureAwait(false);
            return outcome.ExitCode == 0 ? null : outcome.Error.Trim();
        }
        catch (DbRecoveryException e)
        {
            return e.Message;
        }
    }

    // proc(5): space, tab, newline and backslash are octal
    [GeneratedRegex(@"\\([0-7]{3})")]
    private static partial Regex Escape();

    private static string Unescape(Match match) => ((char)Convert.ToInt32(match.Groups[1].Value, 8)).ToString();
}
