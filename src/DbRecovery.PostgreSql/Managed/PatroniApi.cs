using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;

namespace DbRecovery.PostgreSql.Managed;

/// <summary>What Patroni's REST API answered.</summary>
/// <param name="Status">The HTTP status.</param>
/// <param name="Text">The body, bounded.</param>
internal sealed record PatroniAnswer(HttpStatusCode Status, string Text);

/// <summary>A member as Patroni's API gives it.</summary>
internal sealed record PatroniMember(ManagedMember Member, Uri? Api);

/// <summary>Patroni's REST API (its documentation, page "Patroni REST API").</summary>
internal sealed class PatroniApi : IDisposable
{
    private const int MostBytes = 1024 * 1024;
    private readonly TimeProvider _clock;
    private readonly HttpClient _http = new(new SocketsHttpHandler { AllowAutoRedirect = false, UseProxy = false, PooledConnectionLifetime = TimeSpan.FromMinutes(1) })
    {
        Timeout = Timeout.InfiniteTimeSpan,
    };

    public PatroniApi(TimeProvider clock) => _clock = clock;

    public void Dispose() => _http.Dispose();

    /// <summary>Asks every address at once and takes the first whole answer: one that is down or hangs delays nobody.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.ConnectionFailed"/>: none answered as it should.</exception>
    public async Task<string> GetAnyAsync(ClusterManager manager, string path, TimeSpan timeout, CancellationToken cancellationToken)
    {
        using var others = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var asked = manager.Addresses.Select(a => AskAsync(a, others.Token)).ToList();
        var failures = new List<string>();
        while (asked.Count > 0)
        {
            var task = await Task.WhenAny(asked).ConfigureAwait(false);
            asked.Remove(task);
            var (text, failure) = await task.ConfigureAwait(false);
            if (text is not null)
            {
                await others.CancelAsync().ConfigureAwait(false);
                return text;
            }
            failures.Add(failure!);
        }
        cancellationToken.ThrowIfCancellationRequested();
        throw new DbRecoveryException(ErrorIds.ConnectionFailed, ErrorKind.Failed, $"{manager.Kind} does not answer: {string.Join("; ", failures)}",
            "Check the addresses under 'managedBy' and that Patroni runs there.", manager.Addresses.FirstOrDefault()?.ToString());

        async Task<(string? Text, string? Failure)> AskAsync(Uri address, CancellationToken token)
        {
            try
            {
                var answer = await SendAsync(HttpMethod.Get, new Uri(address, path), null, timeout, token).ConfigureAwait(false);
                return answer.Status == HttpStatusCode.OK ? (answer.Text, null) : (null, $"{address} answered {(int)answer.Status}");
            }
            catch (Exception e) when (e is HttpRequestException or IOException or TimeoutException)
            {
                return (null, $"{address}: {e.Message}");
            }
            catch (OperationCanceledException)
            {
                return (null, $"{address}: cancelled");
            }
        }
    }

    /// <summary>Sends one request.</summary>
    /// <exception cref="HttpRequestException">It could not be sent, or was not answered.</exception>
    /// <exception cref="IOException">The answer broke off, or is too long.</exception>
    /// <exception cref="TimeoutException">No answer in time.</exception>
    public async Task<PatroniAnswer> SendAsync(HttpMethod method, Uri address, string? json, TimeSpan timeout, CancellationToken cancellationToken)
    {
        using var time = new CancellationTokenSource(timeout > TimeSpan.Zero ? timeout : TimeSpan.Zero, _clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(time.Token, cancellationToken);
        using var request = new HttpRequestMessage(method, address);
        if (json is not null)
            request.Content = new StringContent(json, Encoding.UTF8, new MediaTypeHeaderValue("application/json"));
        try
        {
            using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, both.Token).ConfigureAwait(false);
            var stream = await response.Content.ReadAsStreamAsync(both.Token).ConfigureAwait(false);
            await using var closing = stream.ConfigureAwait(false);
            using var body = new MemoryStream();
            var buffer = new byte[8192];
            while (await stream.ReadAsync(buffer, both.Token).ConfigureAwait(false) is var read and > 0)
            {
                body.Write(buffer, 0, read);
                if (body.Length > MostBytes)
                    throw new IOException($"the answer has more than {MostBytes} bytes");
            }
            return new PatroniAnswer(response.StatusCode, Encoding.UTF8.GetString(body.GetBuffer(), 0, (int)body.Length).Trim());
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new TimeoutException($"no answer within {timeout.TotalSeconds:0.###} s");
        }
    }

    /// <summary>The cluster of <c>GET /cluster</c>.</summary>
    /// <exception cref="JsonException">It is none.</exception>
    public static async Task<(ManagedCluster Cluster, IReadOnlyList<PatroniMember> Members)> ReadAsync(ClusterDefinition cluster, string json, CancellationToken cancellationToken)
    {
        using var document = JsonDocument.Parse(json);
        if (document.RootElement.ValueKind != JsonValueKind.Object || !document.RootElement.TryGetProperty("members", out var list) || list.ValueKind != JsonValueKind.Array)
            throw new JsonException("it has no members");
        var members = new List<PatroniMember>();
        foreach (var item in list.EnumerateArray().Where(i => i.ValueKind == JsonValueKind.Object))
        {
            var address = Text(item, "host") is { } host && Number(item, "port") is { } port ? new Endpoint(host, (int)port) : (Endpoint?)null;
            var node = address is null ? null : await address.Value.FindAsync(cluster, cancellationToken).ConfigureAwait(false);
            members.Add(new PatroniMember(
                new ManagedMember(Text(item, "name") ?? "", node?.Name, Text(item, "role") ?? "", Text(item, "state") ?? "", Number(item, "timeline"), Number(item, "lag")),
                Uri.TryCreate(Text(item, "api_url"), UriKind.Absolute, out var api) && api.Scheme is "http" or "https" ? api : null));
        }
        return (new ManagedCluster
        {
            Leader = members.FirstOrDefault(m => m.Member.Role is "leader" or "standby_leader" or "master")?.Member.Name,
            Paused = document.RootElement.TryGetProperty("pause", out var pause) && pause.ValueKind == JsonValueKind.True,
            Members = [.. members.Select(m => m.Member)],
        }, members);
    }

    private static string? Text(JsonElement item, string name) => item.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    // a lag that Patroni does not know is the text "unknown"
    private static long? Number(JsonElement item, string name) => item.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var number) ? number : null;
}
