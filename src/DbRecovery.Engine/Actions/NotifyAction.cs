using System.Net;
using System.Text;
using System.Text.Json;

namespace DbRecovery.Engine.Actions;

/// <summary>Options of <c>notify</c>.</summary>
internal sealed record NotifyOptions
{
    /// <summary>The channel.</summary>
    [Option("a channel of the inventory; without it, every one")]
    public string? Channel { get; init; }

    /// <summary>The text.</summary>
    [Option("what people shall read")]
    public required string Message { get; init; }
}

/// <summary>Whom to tell what.</summary>
internal sealed record NotifyState(IReadOnlyList<string> Channels, string Message);

/// <summary>What a channel gets, as JSON.</summary>
internal sealed record Notification
{
    public required string Message { get; init; }
    public required string Cluster { get; init; }
    public required string Incident { get; init; }
    public string? Fault { get; init; }
    public FaultSeverity? Severity { get; init; }
    public string? Node { get; init; }
    public string? Summary { get; init; }
    public required DateTimeOffset At { get; init; }
}

/// <summary>Tells people: by webhook or by a command that reads JSON.</summary>
internal sealed class NotifyAction(HttpMessageHandler? http) : RecoveryAction<NotifyOptions, NotifyState>
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(10);

    /// <inheritdoc/>
    public override ActionDescriptor Descriptor { get; } = Describe("notify", "Tells people through the inventory's channels; without any, the journal alone has it.");

    protected override Task<Planned<NotifyState>> PlanCoreAsync(ActionContext context, NotifyOptions options, CancellationToken cancellationToken)
    {
        if (options.Channel is { } name && !context.Notifications.ContainsKey(name))
        {
            throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"the inventory has no notification channel '{name}'",
                $"Its channels are: {string.Join(", ", context.Notifications.Keys)}.", name);
        }
        var channels = options.Channel is null ? context.Notifications.Keys.Order(StringComparer.Ordinal).ToList() : [options.Channel];
        IReadOnlyList<PlannedAct> acts = channels.Count == 0
            ? [new PlannedAct(ActKind.Notify, "journal", $"no channel is configured; recorded only: {options.Message}")]
            : [.. channels.Select(c => new PlannedAct(ActKind.Notify, c, options.Message))];
        return Task.FromResult(new Planned<NotifyState>(new(channels, options.Message), acts));
    }

    protected override async Task<ActionResult> ExecuteCoreAsync(ActionContext context, NotifyState state, CancellationToken cancellationToken)
    {
        if (state.Channels.Count == 0)
            return new ActionResult { Summary = $"No channel is configured; recorded here only: {state.Message}" };
        var body = Body(context, state);
        var failures = new List<string>();
        foreach (var name in state.Channels)
        {
            try
            {
                await SendAsync(context, name, body, cancellationToken).ConfigureAwait(false);
            }
            catch (DbRecoveryException e)
            {
                failures.Add($"{name}: {e.Message}");
            }
        }
        if (failures.Count == state.Channels.Count)
        {
            throw new DbRecoveryException(ErrorIds.StepFailed, ErrorKind.Failed, $"nobody could be told: {string.Join("; ", failures)}",
                "Check the channels under 'notifications' in the inventory.");
        }
        var told = $"Told {state.Channels.Count - failures.Count} of {Counted.Of(state.Channels.Count, "channel")}: {state.Message}";
        return new ActionResult { Summary = failures.Count == 0 ? told : $"{told} Not told: {string.Join("; ", failures)}" };
    }

    protected override Task<Reconciliation> ReconcileCoreAsync(ActionContext context, NotifyState state, CancellationToken cancellationToken) =>
        Task.FromResult(new Reconciliation(ReconcileOutcome.NotDone, "whether the message left is not known; a message twice is better than none"));

    private static string Body(ActionContext context, NotifyState state) => JsonSerializer.Serialize(new Notification
    {
        Message = state.Message,
        Cluster = context.Cluster.Name,
        Incident = context.IncidentId,
        Fault = context.Fault?.Id,
        Severity = context.Fault?.Severity,
        Node = context.Fault?.Node,
        Summary = context.Fault?.Summary,
        At = context.Clock.GetUtcNow(),
    }, EngineJson.Compact);

    private async Task SendAsync(ActionContext context, string name, string body, CancellationToken cancellationToken)
    {
        if (!context.Notifications.TryGetValue(name, out var channel))
            throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, "the channel is not in the inventory any more");
        if (channel.Webhook is not null)
            await PostAsync(context, channel, body, cancellationToken).ConfigureAwait(false);
        if (channel.Command.Count > 0)
            await RunAsync(context, channel, body, cancellationToken).ConfigureAwait(false);
    }

    private static async Task RunAsync(ActionContext context, NotificationChannel channel, string body, CancellationToken cancellationToken)
    {
        var outcome = await ProcessRunner.RunAsync(new ProcessRequest { Command = channel.Command, Input = body, Withheld = context.SecretVariables, Timeout = Deadline }, context.Clock, cancellationToken).ConfigureAwait(false);
        if (outcome.ExitCode != 0)
            throw new DbRecoveryException(ErrorIds.StepFailed, ErrorKind.Failed, $"the command ended with exit code {outcome.ExitCode}");
    }

    private async Task PostAsync(ActionContext context, NotificationChannel channel, string body, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(Deadline, context.Clock);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        using var own = http is null ? new SocketsHttpHandler { AllowAutoRedirect = false } : null;
        using var client = new HttpClient(http ?? own!, disposeHandler: false);
        using var request = new HttpRequestMessage(HttpMethod.Post, channel.Webhook) { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        foreach (var (header, reference) in channel.Headers)
            request.Headers.TryAddWithoutValidation(header, (await context.Secrets.ResolveAsync(reference, linked.Token).ConfigureAwait(false)).Reveal());
        HttpStatusCode status;
        try
        {
            using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, linked.Token).ConfigureAwait(false);
            status = response.StatusCode;
        }
        catch (Exception e) when (e is HttpRequestException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            // an address may hold a key, so only its host is named
            throw new DbRecoveryException(ErrorIds.StepFailed, ErrorKind.Failed,
                e is OperationCanceledException ? $"{channel.Webhook!.Host} did not answer within {Deadline}" : $"{channel.Webhook!.Host} could not be reached");
        }
        if ((int)status is < 200 or > 299)
            throw new DbRecoveryException(ErrorIds.StepFailed, ErrorKind.Failed, $"{channel.Webhook!.Host} answered {(int)status}");
    }
}
