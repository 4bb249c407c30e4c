using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace DbRecovery.PostgresLab;

/// <summary>The machine: users, processes by id, free ports, programs.</summary>
internal static partial class Machine
{
    public const int SigInt = 2, SigKill = 9, SigTerm = 15, SigCont = 18, SigStop = 19;
    public static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    private const int IpcRemove = 0;
    private static readonly List<Socket> PortLocks = [];

    /// <summary>The user that servers run as: postgres refuses root.</summary>
    public static string ServerUser => Environment.UserName == "root" ? "postgres" : Environment.UserName;

    /// <summary>The words before a command that make it run as <see cref="ServerUser"/>.</summary>
    public static IReadOnlyList<string> AsServerUser(string home) => Environment.UserName == "root"
        ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "env", $"HOME={home}"]
        : ["env", $"HOME={home}"];

    /// <summary>Gives a file or folder to <see cref="ServerUser"/>.</summary>
    public static void Own(string path)
    {
        if (Environment.UserName != "root")
            return;
        var fields = File.ReadLines("/etc/passwd").Select(l => l.Split(':')).First(f => f[0] == ServerUser);
        if (chown(path, uint.Parse(fields[2]), uint.Parse(fields[3])) != 0)
            throw new IOException($"chown {path}: {Marshal.GetLastPInvokeErrorMessage()}");
    }

    /// <summary>Sends a signal to a process; one that is gone is no error.</summary>
    public static void Signal(int processId, int signal) => _ = kill(processId, signal);

    /// <summary>Whether something takes connections on a port of this machine.</summary>
    internal static bool Listens(int port) => Listens(new IPEndPoint(IPAddress.Loopback, port));

    /// <summary>The same for any address.</summary>
    internal static bool Listens(EndPoint address)
    {
        using var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Connect(address);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    /// <summary>Removes a System V shared memory segment; one that is gone is no error.</summary>
    public static void RemoveSharedMemory(int segment) => _ = shmctl(segment, IpcRemove, 0);

    /// <summary>Whether a process lives; a zombie does not.</summary>
    public static bool Lives(int processId) => StateOf(processId) is not (null or 'Z' or 'X');

    /// <summary>A process's state letter; null where there is none.</summary>
    public static char? StateOf(int processId) => Stat(processId)?[0][0];

    /// <summary>When a process started, in ticks since boot: with the id, it is the process.</summary>
    public static string? StartOf(int processId) => Stat(processId)?[19];

    /// <summary>The living children of a process.</summary>
    public static IReadOnlyList<int> ChildrenOf(int processId) =>
        [.. Processes().Where(p => Stat(p) is { } stat && stat[1] == processId.ToString() && stat[0] is not ("Z" or "X"))];

    /// <summary>The living processes whose working folder this is: those of one server.</summary>
    public static IReadOnlyList<int> WorkingIn(string folder) => [.. Processes().Where(p => Lives(p) && FolderOf(p) == folder)];

    /// <summary>A process's working folder; null where it cannot be read.</summary>
    public static string? FolderOf(int processId)
    {
        try
        {
            return new FileInfo($"/proc/{processId}/cwd").LinkTarget;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>
    /// A port that nobody listens on. It lies below the range that outgoing connections take theirs from, and it is this process's
    /// until it ends: a name in the abstract socket space says so to other test processes.
    /// </summary>
    public static int FreePort()
    {
        lock (PortLocks)
        {
            for (var attempt = 0; attempt < 1000; attempt++)
            {
                var port = System.Security.Cryptography.RandomNumberGenerator.GetInt32(15000, 31000);
                var claim = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                try
                {
                    claim.Bind(new UnixDomainSocketEndPoint($"\0dbrecovery-port-{port}"));
                    using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                    probe.Bind(new IPEndPoint(IPAddress.Loopback, port));
                    PortLocks.Add(claim);
                    return port;
                }
                catch (SocketException)
                {
                    claim.Dispose();
                }
            }
        }
        throw new IOException("no free port was found");
    }

    /// <summary>Runs a program to its end and gives what it wrote.</summary>
    public static async Task<string> RunAsync(IReadOnlyList<string> command, CancellationToken cancellationToken = default)
    {
        var start = new ProcessStartInfo(command[0]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = "/" };
        foreach (var word in command.Skip(1))
            start.ArgumentList.Add(word);
        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(Limit);
        var output = process.StandardOutput.ReadToEndAsync(limit.Token);
        var error = process.StandardError.ReadToEndAsync(limit.Token);
        try
        {
            await process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }
        return process.ExitCode == 0 ? await output : throw new InvalidOperationException($"{string.Join(' ', command)}: exit {process.ExitCode}: {await error}");
    }

    /// <summary>Waits until something is so, for at most <see cref="Limit"/>.</summary>
    public static async Task UntilAsync(Func<bool> condition, Func<string> otherwise, CancellationToken cancellationToken = default)
    {
        var clock = Stopwatch.StartNew();
        while (!condition())
        {
            if (clock.Elapsed > Limit)
                throw new TimeoutException(otherwise());
            await Task.Delay(2, cancellationToken);
        }
    }

    private static IEnumerable<int> Processes() =>
        Directory.EnumerateDirectories("/proc").Select(d => int.TryParse(Path.GetFileName(d), out var id) ? id : 0).Where(id => id > 0);

    /// <summary>The fields of /proc/PID/stat from the state on: the name before it may hold spaces.</summary>
    private static string[]? Stat(int processId)
    {
        try
        {
            var text = File.ReadAllText($"/proc/{processId}/stat");
            return text[(text.LastIndexOf(')') + 2)..].Split(' ');
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentOutOfRangeException)
        {
            return null;
        }
    }

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int chown(string path, uint owner, uint group);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int kill(int processId, int signal);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int shmctl(int segment, int command, nint buffer);
}
