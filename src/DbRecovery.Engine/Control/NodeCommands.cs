using DbRecovery.Engine.Actions;

namespace DbRecovery.Engine.Control;

/// <summary>Runs commands on the nodes' machines: on this one, or through the program that the inventory names under <c>via</c>.</summary>
public sealed class NodeCommands(TimeProvider clock) : INodeCommands
{
    /// <inheritdoc/>
    public IReadOnlyList<string> Describe(ClusterDefinition cluster, NodeDefinition node, NodeCommand command)
    {
        var control = cluster.Control ?? throw new DbRecoveryException(ErrorIds.CapabilityMissing, ErrorKind.NotSupported,
            $"the inventory gives no control of the cluster '{cluster.Name}', so nothing can be run on the machine of '{node.Name}'",
            "Add 'control: { kind: systemd | pg_ctl | command, ... }' to the cluster.", node.Name);
        var remote = control.Via.Select(w => Fill(w, node)).ToArray();
        string[] whole = [.. AsUser(command.RunAs, remote.Length > 0), .. command.Arguments];
        // ssh hands its words to the login shell of the other side, which must see each as one
        return remote.Length > 0 && Path.GetFileNameWithoutExtension(remote[0]) == "ssh" ? [.. remote, string.Join(' ', whole.Select(Quote))] : [.. remote, .. whole];
    }

    /// <inheritdoc/>
    public async Task<CommandOutcome> RunAsync(ClusterDefinition cluster, NodeDefinition node, NodeCommand command, CancellationToken cancellationToken)
    {
        var outcome = await ProcessRunner.RunAsync(new ProcessRequest
        {
            Command = Describe(cluster, node, command), Input = command.Input, Timeout = command.Timeout, OutputLimit = command.OutputLimit, WorkingFolder = "/",
        }, clock, cancellationToken).ConfigureAwait(false);
        return new CommandOutcome(outcome.ExitCode, outcome.Output, outcome.Error);
    }

    /// <summary>A text of the inventory with the node's own values.</summary>
    public static string Fill(string text, NodeDefinition node) => text
        .Replace("{node}", node.Name, StringComparison.Ordinal).Replace("{host}", node.Host, StringComparison.Ordinal)
        .Replace("{port}", node.Port?.ToString(System.Globalization.CultureInfo.InvariantCulture), StringComparison.Ordinal)
        .Replace("{dataDir}", node.DataDir, StringComparison.Ordinal);

    private static string[] AsUser(string? user, bool remote) => user switch
    {
        null => [],
        _ when !remote && user == Environment.UserName => [],
        // root changes over without asking anybody; others need a rule of sudo
        _ when !remote && Environment.UserName == "root" => ["setpriv", $"--reuid={user}", $"--regid={user}", "--init-groups"],
        _ => ["sudo", "-n", "-u", user],
    };

    private static string Quote(string word) => $"'{word.Replace("'", "'\\''", StringComparison.Ordinal)}'";
}
