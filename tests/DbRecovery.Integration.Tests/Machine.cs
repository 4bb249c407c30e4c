using System.Diagnostics;

namespace DbRecovery.Integration.Tests;

/// <summary>A test that needs the rights of root on Linux: to mount a small file system, or to become another user.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class RootFactAttribute : FactAttribute
{
    public RootFactAttribute() => Skip = Machine.WhyNotRoot;
}

/// <summary>The same for a table of situations.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class RootTheoryAttribute : TheoryAttribute
{
    public RootTheoryAttribute() => Skip = Machine.WhyNotRoot;
}

internal static class Machine
{
    public static string? WhyNotRoot { get; } = !OperatingSystem.IsLinux() ? "needs Linux" : !Environment.IsPrivilegedProcess ? "needs root"
        : Small.CanMount() ? null : "needs the right to mount a tmpfs";
}

/// <summary>A file system in memory of a given size.</summary>
internal sealed class Small : IDisposable
{
    public Small(string size)
    {
        Directory.CreateDirectory(Folder);
        Assert.True(Do("mount", "-t", "tmpfs", "-o", $"size={size}", "tmpfs", Folder), "the tmpfs cannot be mounted");
    }

    public string Folder { get; } = Path.Combine(Path.GetTempPath(), $"dbrecovery-small-{Guid.NewGuid():N}");

    public string At(string name) => Path.Combine(Folder, name);

    /// <summary>Remounts with another option, such as <c>ro</c> or <c>size=1m</c>.</summary>
    public void Remount(string option) => Assert.True(Do("mount", "-o", $"remount,{option}", Folder), $"the tmpfs cannot be remounted {option}");

    /// <summary>Takes all but some of the free space.</summary>
    public string Fill(long leave)
    {
        var path = At("filler");
        using var file = new FileStream(path, FileMode.Create);
        file.Write(new byte[Math.Max(0, new DriveInfo(Folder).AvailableFreeSpace - leave)]);
        return path;
    }

    public static bool CanMount()
    {
        var folder = Directory.CreateTempSubdirectory("dbrecovery-mount-").FullName;
        try
        {
            return Do("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder) && Do("umount", folder);
        }
        finally
        {
            Directory.Delete(folder);
        }
    }

    public void Dispose()
    {
        Assert.True(Do("umount", "-l", Folder), "the tmpfs cannot be unmounted");
        Directory.Delete(Folder);
    }

    private static bool Do(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        process.StandardError.ReadToEnd();
        return process.WaitForExit(Wait.Limit) && process.ExitCode == 0;
    }
}
