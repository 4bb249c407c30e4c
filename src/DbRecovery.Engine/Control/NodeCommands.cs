using System.Globalization;
using DbRecovery.Engine.Actions;

namespace DbRecovery.Engine.Control;

/// <summary>Runs commands on the nodes' machines: on this one, or through the program that the inventory names under <c>via</c>.</summary>
/// <param name="clock">The clock of the deadlines.</param>
/// <param name="secretVariables">The environment variables that hold secrets: no program inherits them. Null: there are none.</param>
public sealed class NodeCommands(TimeProvider clock, Func<IEnumerable<string>>? secretVariables = null) : INodeCommands
{
    /// <summary>What ssh itself ends with when it cannot connect, log in, or loses the connection.</summary>
    private const int SshFailed = 255;

    private static readonly TimeSpan LongestConnect = TimeSpan.FromSeconds(10);

    /// <inheritdoc/>
    public IReadOnlyList<string> Describe(ClusterDefinition cluster, NodeDefinition node, NodeCommand command)
    {
        var control = cluster.Control ?? throw new DbRecoveryException(ErrorIds.CapabilityMissing, ErrorKind.NotSupported,
            $"the inventory gives no control of the cluster '{cluster.Name}', so nothing can be run on the machine of '{node.Name}'",
            "Add 'control: { kind: systemd | pg_ctl | command, ... }' to the cluster.", node.Name);
        var way = control.Via.Select(w => Fill(w, node)).ToArray();
        string[] whole = [.. AsUser(command.RunAs, way), .. command.Arguments];
        // ssh hands its words to the login shell of the other side, which must see each as one
        return IsSsh(way) ? [way[0], .. Unattended(way, command.Timeout), .. way[1..], string.Join(' ', whole.Select(Quote))] : [.. way, .. whole];
    }

    /// <inheritdoc/>
    public async Task<CommandOutcome> RunAsync(ClusterDefinition cluster, NodeDefinition node, NodeCommand command, CancellationToken cancellationToken)
    {
        var words = Describe(cluster, node, command);
        var outcome = await ProcessRunner.RunAsync(new ProcessRequest
        {
            Command = words, Input = command.Input, Timeout = command.Timeout, OutputLimit = command.OutputLimit, WorkingFolder = "/",
            Withheld = secretVariables?.Invoke() ?? [],
        }, clock, cancellationToken).ConfigureAwait(false);
        if (outcome.ExitCode == SshFailed && cluster.Control!.Via.Count > 0 && IsSsh(words))
        {
            throw new DbRecoveryException(ErrorIds.StepFailed, ErrorKind.Failed,
                $"the way to the machine of '{node.Name}' ({string.Join(' ', cluster.Control.Via.Select(w => Fill(w, node)))}) failed: {LastLine(outcome.Error)}",
                "Try it by hand: it must log in without asking anything.", node.Name);
        }
        return new CommandOutcome(outcome.ExitCode, outcome.Output, outcome.Error);
    }

    /// <summary>A text of the inventory with the node's own values.</summary>
    public static string Fill(string text, NodeDefinition node) => text
        .Replace("{node}", node.Name, StringComparison.Ordinal).Replace("{host}", node.Host, StringComparison.Ordinal)
        .Replace("{port}", node.Port?.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal)
        .Replace("{dataDir}", node.DataDir, StringComparison.Ordinal);

    private static bool IsSsh(IReadOnlyList<string> way) => way.Count > 0 && Path.GetFileNameWithoutExtension(way[0]) == "ssh";

    /// <summary>Nobody is there to answer a question, and a machine that is gone must not be waited for. What the inventory says itself stays.</summary>
    private static IEnumerable<string> Unattended(string[] way, TimeSpan timeout)
    {
        var connect = (int)Math.Ceiling(Math.Min(timeout.TotalSeconds, LongestConnect.TotalSeconds));
        foreach (var (name, value) in ((string, string)[])[("BatchMode", "yes"), ("ConnectTimeout", Math.Max(1, connect).ToString(CultureInfo.InvariantCulture))])
        {
            if (!way.Any(w => w.Contains(name, StringComparison.OrdinalIgnoreCase)))
            {
                yield return "-o";
                yield return $"{name}={value}";
            }
        }
    }

    private static string[] AsUser(string? user, string[] way)
    {
        var login = way.Length == 0 ? Environment.UserName : LoginOf(way);
        return user switch
        {
            null => [],
            _ when user == login => [],
            // root changes over without asking anybody; the new environment has the user's own home, where its password file is
            _ when login == "root" => ["setpriv", $"--reuid={user}", $"--regid={GroupOf(user, way)}", "--init-groups", "--reset-env"],
            // others need a rule of sudo
            _ => ["sudo", "-n", "-H", "-u", user, "--"],
        };
    }

    /// <summary>Who the way logs in as, where it says so: <c>user@host</c>, or <c>-l user</c>.</summary>
    private static string? LoginOf(string[] way) =>
        way.SkipWhile(w => w != "-l").Skip(1).FirstOrDefault()
        ?? way.Skip(1).Where(w => !w.StartsWith('-')).Select(w => w.IndexOf('@') is var at and > 0 ? w[..at] : null).FirstOrDefault(n => n is not null);

    /// <summary>The number of a user's own group on this machine, which need not have the user's name; elsewhere its name has to do.</summary>
    private static string GroupOf(string user, string[] way)
    {
        if (way.Length == 0 && File.Exists("/etc/passwd"))
            return File.ReadLines("/etc/passwd").Select(l => l.Split(':')).FirstOrDefault(f => f.Length > 3 && f[0] == user)?[3] ?? user;
        return user;
    }

    private static string LastLine(string text) =>
        text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) is [.., var last] ? last : "it said nothing";

    private static string Quote(string word) => $"'{word.Replace("'", "'\\''", StringComparison.Ordinal)}'";
}
