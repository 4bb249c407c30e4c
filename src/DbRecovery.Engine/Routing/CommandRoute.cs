using DbRecovery.Engine.Actions;
using DbRecovery.Engine.Control;

namespace DbRecovery.Engine.Routing;

/// <summary>A route that a command of the user's own sets. It cannot be asked where it leads, and drops nothing.</summary>
internal sealed class CommandRoute(ClusterDefinition cluster, RouteDefinition route, IReadOnlyCollection<string> secretVariables, TimeProvider clock) : Route(cluster, route)
{
    public override Task<RouteObservation> LookAsync(DateTimeOffset now, TimeSpan timeout, CancellationToken cancellationToken) =>
        Task.FromResult(new RouteObservation { Route = Definition.Name, ObservedAt = now, UnknownBecause = "a command cannot be asked where it leads" });

    public override RouteStep SetPrimary(NodeDefinition primary)
    {
        var command = Definition.Command.Select(w => NodeCommands.Fill(w, primary)).ToArray();
        return new RouteStep([new(ActKind.Command, command.FirstOrDefault() ?? "", string.Join(' ', command))], async (timeout, cancellationToken) =>
        {
            var outcome = await ProcessRunner.RunAsync(new ProcessRequest { Command = command, Withheld = secretVariables, Timeout = timeout }, clock, cancellationToken).ConfigureAwait(false);
            if (outcome.ExitCode != 0)
                throw Failed($"it ended with exit code {outcome.ExitCode}: {Tail(outcome.Error.Length > 0 ? outcome.Error : outcome.Output)}", "Look at what the program says.");
            return true;
        });
    }

    private static string Tail(string text) => text.Trim() is var t && t.Length > 500 ? "..." + t[^500..] : t;
}
