using System.Globalization;
using System.Text.Json;
using DbRecovery.Engine.Files;

namespace DbRecovery.Engine.Incidents;

/// <summary>Who holds a cluster, as the lease file says.</summary>
internal sealed record LeaseHolder(int Pid, string Host, DateTimeOffset Since, string? Incident, long Epoch);

/// <summary>The right to act on a cluster: a lock on a file that the operating system frees when the process dies, and an epoch that every takeover raises.</summary>
internal sealed class ClusterLease : IDisposable
{
    private const int WouldBlock = 11, WouldBlockOnMac = 35, WindowsSharing = unchecked((int)0x80070020);
    private readonly string _path;
    private readonly string _holderPath;
    private readonly string _epochPath;
    private readonly FileStream _stream;
    private readonly FileIdentity? _identity;
    private bool _disposed;

    private ClusterLease(string path, string holderPath, string epochPath, FileStream stream, long epoch)
    {
        _path = path;
        _holderPath = holderPath;
        _epochPath = epochPath;
        _stream = stream;
        _identity = FileIdentity.Of(path);
        Epoch = epoch;
        Name = $"{Environment.ProcessId}@{Environment.MachineName}";
    }

    /// <summary>The takeover epoch.</summary>
    public long Epoch { get; }

    /// <summary>The holder's name in the journal.</summary>
    public string Name { get; }

    /// <summary>Takes the lease or says who has it.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.LeaseHeld"/>, <see cref="ErrorIds.OutOfSpace"/>, <see cref="ErrorIds.AccessDenied"/>.</exception>
    public static ClusterLease Acquire(string folder, string cluster, string? incident, TimeProvider clock) =>
        FileErrors.Guarded(folder, ErrorIds.Unexpected, () => Take(folder, cluster, incident, clock));

    private static ClusterLease Take(string folder, string cluster, string? incident, TimeProvider clock)
    {
        DurableFile.CreateFolder(folder);
        // the runtime locks a file for reading too, so what people read is beside the file that is locked
        var path = Path.Combine(folder, "lease.lock");
        var holderPath = Path.Combine(folder, "lease");
        FileStream stream;
        try
        {
            stream = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException e) when (e.HResult is WouldBlock or WouldBlockOnMac or WindowsSharing)
        {
            var holder = ReadHolder(holderPath);
            throw new DbRecoveryException(ErrorIds.LeaseHeld, ErrorKind.Refused,
                holder is null
                    ? $"another process holds the recovery of cluster '{cluster}' ('{path}')"
                    : $"process {holder.Pid} on {holder.Host} holds the recovery of cluster '{cluster}' since {holder.Since:u}{(holder.Incident is null ? "" : $" for incident {holder.Incident}")}",
                "Wait for it to end; the lease ends with its process.", cluster, e);
        }
        try
        {
            var epochPath = Path.Combine(folder, "epoch");
            var epoch = ReadEpoch(folder) + 1;
            DurableFile.WriteAllText(epochPath, epoch.ToString(CultureInfo.InvariantCulture) + "\n");
            // for people; the lock is what counts, so nothing waits for the disk
            File.WriteAllText(holderPath, JsonSerializer.Serialize(
                new LeaseHolder(Environment.ProcessId, Environment.MachineName, clock.GetUtcNow(), incident, epoch), EngineJson.Compact));
            return new ClusterLease(path, holderPath, epochPath, stream, epoch);
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>The last epoch of a cluster; 0 before the first takeover.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.JournalCorrupt"/>: the file holds no number.</exception>
    public static long ReadEpoch(string folder)
    {
        var path = Path.Combine(folder, "epoch");
        if (!File.Exists(path))
            return 0;
        return long.TryParse(File.ReadAllText(path).Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var epoch)
            ? epoch
            : throw new DbRecoveryException(ErrorIds.JournalCorrupt, ErrorKind.CorruptData, $"'{path}' does not hold the epoch's number",
                "Write the highest epoch of the cluster's journals into it.", path);
    }

    /// <summary>Makes sure that the cluster is still ours.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.LeaseLost"/>.</exception>
    public void Ensure()
    {
        var same = _identity is not null && _identity.SameFile(FileIdentity.Of(_path))
            && File.Exists(_epochPath) && File.ReadAllText(_epochPath).Trim() == Epoch.ToString(CultureInfo.InvariantCulture);
        if (!same)
        {
            throw new DbRecoveryException(ErrorIds.LeaseLost, ErrorKind.Refused, $"the lease '{_path}' is not ours any more (epoch {Epoch}): nothing more is done",
                "Find out who removed the file or took the cluster over, then resume the incident.", _path);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        // the lock is what counts, and it ends with the handle
        DurableFile.Discard(_holderPath);
        _stream.Dispose();
    }

    private static LeaseHolder? ReadHolder(string path)
    {
        try
        {
            return JsonSerializer.Deserialize<LeaseHolder>(File.ReadAllText(path), EngineJson.Compact);
        }
        catch (Exception e) when (e is IOException or JsonException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
