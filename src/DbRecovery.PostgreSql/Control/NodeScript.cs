using System.Globalization;

namespace DbRecovery.PostgreSql.Control;

/// <summary>Runs commands and scripts on the machine of one node, and shows them to a plan as they will be run.</summary>
internal sealed class NodeScript(INodeCommands commands, ClusterDefinition cluster, NodeDefinition node)
{
    // what a command has beyond the time that its script keeps by itself: the way there and back
    private static readonly TimeSpan Travel = TimeSpan.FromSeconds(15);

    /// <summary>The command of a script that looks at the data folder, as the server's user.</summary>
    internal NodeCommand Script(string script, params string[] arguments) => new()
    {
        Arguments = ["sh", "-c", script, "sh", node.DataDir!, .. arguments], RunAs = node.RunAs, Timeout = Travel,
    };

    /// <summary>A command of the inventory, with the node's own values.</summary>
    internal NodeCommand Words(IReadOnlyList<string> words) => new() { Arguments = [.. words.Select(Fill)], Timeout = Travel };

    /// <summary>The act that a plan shows.</summary>
    internal PlannedAct Act(NodeCommand command, string purpose, ActKind kind = ActKind.Command, bool destructive = false) =>
        new(kind, node.Name, string.Join(' ', commands.Describe(cluster, node, command).Select(Shown)), destructive) { Purpose = purpose };

    /// <summary>Runs a command within a time.</summary>
    internal Task<CommandOutcome> RunAsync(NodeCommand command, TimeSpan timeout, CancellationToken cancellationToken) =>
        commands.RunAsync(cluster, node, command with { Timeout = Bounded(timeout) }, cancellationToken);

    /// <summary>Runs a script that keeps the time by itself: it ends in order when that is over, and what it waits for goes on.</summary>
    internal Task<CommandOutcome> RunTimedAsync(NodeCommand command, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var seconds = Math.Max(1, (long)Math.Ceiling(Bounded(timeout).TotalSeconds));
        return RunAsync(command with { Input = seconds.ToString(CultureInfo.InvariantCulture) + "\n" }, Bounded(timeout) + Travel, cancellationToken);
    }

    /// <summary>The error for a command that failed.</summary>
    internal DbRecoveryException Failed(CommandOutcome outcome, string during, string? advice = null) => outcome.ExitCode switch
    {
        ServerScripts.Held => new(ErrorIds.StepFailed, ErrorKind.Refused, $"'{node.Name}' is held down and was not started: {Said(outcome)}",
            $"It was fenced. Rejoin it; or, where it is certain that no other node took its place, remove {node.DataDir}/{ServerScripts.HoldFile} and start it.", node.Name),
        ServerScripts.NoReplica => new(ErrorIds.WrongNode, ErrorKind.Refused, $"'{node.Name}' was not started: it would be a second primary ({Said(outcome)})", "Rejoin it.", node.Name),
        ServerScripts.Ended => new(ErrorIds.StepFailed, ErrorKind.Failed, $"{during} of '{node.Name}' failed: the server ended; its log says: {Said(outcome)}", advice, node.Name),
        ServerScripts.TimeOver => new(ErrorIds.TimedOut, ErrorKind.Timeout, $"{during} of '{node.Name}' was not done in time, and goes on: {Said(outcome)}", "Allow more time, and look at the server's log.", node.Name),
        _ => new(ErrorIds.StepFailed, ErrorKind.Failed, $"{during} of '{node.Name}' failed (exit code {outcome.ExitCode}): {Said(outcome)}", advice, node.Name),
    };

    /// <summary>The last things that a command said.</summary>
    internal static string Said(CommandOutcome outcome)
    {
        var text = string.IsNullOrWhiteSpace(outcome.Error) ? outcome.Output : outcome.Error;
        var lines = text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return lines.Length == 0 ? "it said nothing" : string.Join("\n", lines.TakeLast(20));
    }

    private string Fill(string text) => text
        .Replace("{node}", node.Name, StringComparison.Ordinal).Replace("{host}", node.Host, StringComparison.Ordinal)
        .Replace("{port}", (node.Port ?? Connections.ServerLogin.DefaultPort).ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal)
        .Replace("{dataDir}", node.DataDir, StringComparison.Ordinal);

    private static TimeSpan Bounded(TimeSpan timeout) => timeout > TimeSpan.FromDays(7) || timeout < TimeSpan.Zero ? TimeSpan.FromDays(7) : timeout;

    private static string Shown(string word) =>
        word.Length > 0 && word.All(c => char.IsAsciiLetterOrDigit(c) || "-_./:=@%+,{}".Contains(c, StringComparison.Ordinal)) ? word : $"'{word.Replace("'", "'\\''", StringComparison.Ordinal)}'";
}
