using System.Net;
using System.Text.Json;

namespace DbRecovery.PostgreSql.Managed;

/// <summary>Asks Patroni, which owns the cluster: it alone knows whom its store allows to lead.</summary>
internal sealed class PatroniClient(TimeProvider clock) : IClusterManagerClient, IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LookTimeout = TimeSpan.FromSeconds(2);
    private readonly PatroniApi _api = new(clock);

    /// <inheritdoc/>
    public async Task<ManagedCluster> LookAsync(ClusterDefinition cluster, TimeSpan timeout, CancellationToken cancellationToken) =>
        (await ReadAsync(cluster, timeout, cancellationToken).ConfigureAwait(false)).Cluster;

    /// <inheritdoc/>
    public NodeOperation Switchover(ClusterDefinition cluster, ManagedCluster state, string? candidate)
    {
        var leader = state.Leader ?? throw new DbRecoveryException(ErrorIds.NoCandidate, ErrorKind.Refused, $"Patroni has no leader of '{cluster.Name}' now, so there is nobody to switch over from",
            "Wait until Patroni has elected one, or ask for a failover.", cluster.Name);
        return Ask(cluster, state, "switchover", leader, candidate is null ? null : MemberOf(state, candidate));
    }

    /// <inheritdoc/>
    public NodeOperation Failover(ClusterDefinition cluster, ManagedCluster state, string candidate) => Ask(cluster, state, "failover", null, MemberOf(state, candidate));

    /// <inheritdoc/>
    public void Dispose() => _api.Dispose();

    private NodeOperation Ask(ClusterDefinition cluster, ManagedCluster state, string what, string? leader, string? candidate)
    {
        var manager = Manager(cluster);
        var body = Json(leader, candidate);
        var path = $"/{what}";
        return new NodeOperation([new(ActKind.Command, manager.Addresses[0].ToString(), $"POST {path} {body}")],
            (timeout, _, cancellationToken) => RunAsync(cluster, state, path, body, timeout, cancellationToken));
    }

    /// <summary>Asks, and looks meanwhile: Patroni's own answer comes seconds after the new leader leads.</summary>
    private async Task<OperationOutcome> RunAsync(ClusterDefinition cluster, ManagedCluster before, string path, string body, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var since = clock.GetTimestamp();
        TimeSpan Left() => timeout - clock.GetElapsedTime(since);
        using var ends = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var asking = PostAsync(Manager(cluster), path, body, timeout, ends.Token);
        try
        {
            while (true)
            {
                if (await NewLeaderAsync(cluster, before, Left(), cancellationToken).ConfigureAwait(false) is { } leader)
                    return new OperationOutcome($"Patroni made '{leader}' the primary.", new Dictionary<string, FactValue> { ["newPrimary"] = leader });
                if (asking.IsCompleted && await asking.ConfigureAwait(false) is { } refusal)
                    throw refusal;
                if (Left() <= TimeSpan.Zero)
                {
                    throw new DbRecoveryException(ErrorIds.OutcomeUnknown, ErrorKind.Timeout,
                        $"Patroni was asked for the {path[1..]} of '{cluster.Name}', and no other member leads after {timeout.TotalSeconds:0.###} s; it may still do it", "Look at Patroni: 'patronictl list'.", cluster.Name);
                }
                await Task.Delay(Interval, clock, cancellationToken).ConfigureAwait(false);
            }
        }
        finally
        {
            await ends.CancelAsync().ConfigureAwait(false);
            await ((Task)asking).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>The node that leads in the place of the former leader and is promoted; null for none yet.</summary>
    private async Task<string?> NewLeaderAsync(ClusterDefinition cluster, ManagedCluster before, TimeSpan left, CancellationToken cancellationToken)
    {
        try
        {
            var (now, members) = await ReadAsync(cluster, left < LookTimeout ? left : LookTimeout, cancellationToken).ConfigureAwait(false);
            if (now.Leader is null || now.Leader == before.Leader)
                return null;
            var leader = members.First(m => m.Member.Name == now.Leader);
            // who has the lock is promoted a moment later: a new timeline, or its own word, says that it is
            var promoted = leader.Member.Timeline > before.Members.Max(m => m.Timeline)
                || (leader.Api is { } api && (await _api.SendAsync(HttpMethod.Get, new Uri(api, "/primary"), null, LookTimeout, cancellationToken).ConfigureAwait(false)).Status == HttpStatusCode.OK);
            return promoted ? leader.Member.Node ?? leader.Member.Name : null;
        }
        catch (Exception e) when (e is DbRecoveryException or HttpRequestException or IOException or TimeoutException)
        {
            return null; // whoever answers next will say
        }
    }

    /// <summary>Asks one address after the other until one takes the request; null: it took it. An error is Patroni's refusal.</summary>
    private async Task<DbRecoveryException?> PostAsync(ClusterManager manager, string path, string body, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var failures = new List<string>();
        foreach (var address in manager.Addresses)
        {
            try
            {
                var answer = await _api.SendAsync(HttpMethod.Post, new Uri(address, path), body, timeout, cancellationToken).ConfigureAwait(false);
                return Refusal(address, path[1..], answer);
            }
            catch (HttpRequestException e) when (e.HttpRequestError is HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError or HttpRequestError.SecureConnectionError)
            {
                failures.Add($"{address}: {e.Message}"); // it was never sent, so another may be asked
            }
            catch (Exception e) when (e is HttpRequestException or IOException or TimeoutException)
            {
                return null; // it may have been taken: what follows is seen in the cluster
            }
        }
        return new DbRecoveryException(ErrorIds.ConnectionFailed, ErrorKind.Failed, $"Patroni does not answer: {string.Join("; ", failures)}", "Check the addresses under 'managedBy'.", manager.Addresses[0].ToString());
    }

    private static DbRecoveryException? Refusal(Uri address, string what, PatroniAnswer answer) => answer.Status switch
    {
        HttpStatusCode.OK or HttpStatusCode.Accepted => null,
        // Patroni's own wait is over, and what it asked for is still under way
        HttpStatusCode.ServiceUnavailable when answer.Text.Contains("status unknown", StringComparison.OrdinalIgnoreCase) => null,
        HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden => new(ErrorIds.AccessDenied, ErrorKind.PermissionDenied,
            $"Patroni at {address} does not allow a {what} from here ({(int)answer.Status}): its REST API asks for a login or a client's certificate", "Allow this machine's address in Patroni's 'restapi: allowlist'.", address.ToString()),
        var status => new(ErrorIds.StepFailed, status == HttpStatusCode.PreconditionFailed ? ErrorKind.Refused : ErrorKind.Failed,
            $"Patroni at {address} refused the {what} ({(int)status}): {(answer.Text.Length > 500 ? answer.Text[..500] : answer.Text)}", "Look at Patroni: 'patronictl list'.", address.ToString()),
    };

    private async Task<(ManagedCluster Cluster, IReadOnlyList<PatroniMember> Members)> ReadAsync(ClusterDefinition cluster, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var manager = Manager(cluster);
        var json = await _api.GetAnyAsync(manager, "/cluster", timeout, cancellationToken).ConfigureAwait(false);
        try
        {
            return await PatroniApi.ReadAsync(cluster, json, cancellationToken).ConfigureAwait(false);
        }
        catch (JsonException e)
        {
            throw new DbRecoveryException(ErrorIds.ConnectionFailed, ErrorKind.Failed, $"what answers as {manager.Kind} is something else: {e.Message}", "Check the addresses under 'managedBy'.", manager.Addresses[0].ToString(), e);
        }
    }

    private static ClusterManager Manager(ClusterDefinition cluster) => cluster.ManagedBy is { Kind: "patroni", Addresses.Count: > 0 } manager
        ? manager
        : throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"the inventory names no Patroni that owns '{cluster.Name}'", "Write 'managedBy: patroni http://HOST:8008'.", cluster.Name);

    private static string MemberOf(ManagedCluster state, string node) => state.Members.FirstOrDefault(m => m.Node == node)?.Name
        ?? throw new DbRecoveryException(ErrorIds.NodeNotFound, ErrorKind.NotFound, $"Patroni knows no member at the address of the node '{node}'",
            $"Its members are: {string.Join(", ", state.Members.Select(m => m.Name))}.", node);

    private static string Json(string? leader, string? candidate)
    {
        using var bytes = new MemoryStream();
        using (var writer = new Utf8JsonWriter(bytes))
        {
            writer.WriteStartObject();
            if (leader is not null)
                writer.WriteString("leader", leader);
            if (candidate is not null)
                writer.WriteString("candidate", candidate);
            writer.WriteEndObject();
        }
        return System.Text.Encoding.UTF8.GetString(bytes.GetBuffer(), 0, (int)bytes.Length);
    }
}
