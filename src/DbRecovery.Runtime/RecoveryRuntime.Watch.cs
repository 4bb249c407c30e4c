using System.Globalization;
using System.Net;
using DbRecovery.Engine.Incidents;
using DbRecovery.Engine.Topology;
using DbRecovery.Engine.Watch;

namespace DbRecovery.Runtime;

// Watching: the loop over clusters, and who replicates from whom.
public sealed partial class RecoveryRuntime
{
    /// <summary>
    /// Watches clusters and gives what changes, until it is cancelled or its time is over; that is its end, not an error. A recovery under way
    /// comes to a safe point first. The incidents look at the nodes through the same open connections as the watch.
    /// </summary>
    /// <param name="clusters">The clusters.</param>
    /// <param name="every">The time between two rounds, at least 100 ms; null: each cluster's own.</param>
    /// <param name="recover">Whether faults are recovered from, where the cluster's policy has <c>autoRecover</c>.</param>
    /// <param name="listen">Where load balancers may ask, as <c>host:port</c>, <c>[v6]:port</c> or a port of the loopback; null: nowhere.</param>
    /// <param name="duration">How long to go on; null: until it is cancelled.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.ParameterInvalid"/>: an interval that is too short, an address that cannot be listened on, no cluster.</exception>
    public IAsyncEnumerable<WatchEvent> WatchAsync(IReadOnlyList<ClusterDefinition> clusters, TimeSpan? every, bool recover, string? listen, TimeSpan? duration, CancellationToken cancellationToken)
    {
        var judge = _health.Value.InMemory();
        var watch = new HealthWatch(new WatchServices
        {
            Providers = Provider, Judge = judge, Health = _health.Value, Incidents = recover ? new IncidentService(ServicesOfIncidents(readOnly: false) with { Health = judge.Sharing() }) : null, Runbooks = recover ? _library.Value : null, Clock = _options.Clock,
        });
        return watch.WatchAsync(new WatchOptions { Clusters = clusters, Every = every, Recover = recover, Listen = listen is null ? null : EndPoint(listen), For = duration }, cancellationToken);
    }

    /// <summary>Who replicates from whom, from a quick look at every node.</summary>
    public async Task<ClusterTopology> GetTopologyAsync(ClusterDefinition cluster, CancellationToken cancellationToken) =>
        await GetTopologyAsync(await _health.Value.WithBackups(needed: false).ExamineAsync(cluster, ObservationLevel.Quick, null, cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);

    /// <summary>Who replicates from whom, as a health report shows it.</summary>
    public Task<ClusterTopology> GetTopologyAsync(HealthReport report, CancellationToken cancellationToken) => TopologyBuilder.BuildAsync(report, cancellationToken);

    private static IPEndPoint EndPoint(string text)
    {
        var (host, port) = NodeAddresses.Split(text);
        if (port is null && ushort.TryParse(text.TrimStart(':'), NumberStyles.None, CultureInfo.InvariantCulture, out var alone))
            (host, port) = ("", alone);
        var address = host is "" or "localhost" ? IPAddress.Loopback : host == "*" ? IPAddress.Any : IPAddress.TryParse(host, out var literal) ? literal : null;
        return address is not null && port is >= 0 and <= ushort.MaxValue
            ? new IPEndPoint(address, port.Value)
            : throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"'{text}' is no address to listen on", "Write 127.0.0.1:8009, [::1]:8009, or *:8009 for every address of this machine.", text);
    }
}
