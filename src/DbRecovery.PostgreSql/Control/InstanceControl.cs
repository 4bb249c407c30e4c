using System.Globalization;
using DbRecovery.PostgreSql.Connections;

namespace DbRecovery.PostgreSql.Control;

/// <summary>
/// Starts and stops servers through <c>pg_ctl</c>'s means, systemd or the user's own commands. Whatever stops one, that it is stopped is
/// seen at its processes wherever the inventory gives the data folder.
/// </summary>
internal sealed class InstanceControl(INodeCommands commands, PostgreSqlConnections connections) : IInstanceControl
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    /// <inheritdoc/>
    public string? UnavailableBecause(ClusterDefinition cluster, NodeDefinition node) => cluster.Control switch
    {
        null => $"the inventory gives no control of the cluster '{cluster.Name}'",
        { Kind: ControlKind.PgCtl } when node.DataDir is null || node.BinDir is null => $"the inventory does not give '{(node.DataDir is null ? "dataDir" : "binDir")}' of the node '{node.Name}'",
        { Kind: ControlKind.Systemd, Unit: null } => $"the inventory gives no systemd unit for the cluster '{cluster.Name}'",
        { Kind: ControlKind.Command, Start.Count: 0, Stop.Count: 0, Kill.Count: 0 } when node.DataDir is null => $"the inventory gives no command to control '{node.Name}', and no 'dataDir'",
        _ => null,
    };

    /// <inheritdoc/>
    public async Task<InstanceStatus> StatusAsync(ClusterDefinition cluster, NodeDefinition node, TimeSpan timeout, CancellationToken cancellationToken)
    {
        if (UnavailableBecause(cluster, node) is { } because)
            return new InstanceStatus(InstanceState.Unknown, because);
        try
        {
            return await new InstanceLook(new NodeScript(commands, cluster, node)).LookAsync(cluster.Control!, node, timeout, cancellationToken).ConfigureAwait(false);
        }
        catch (DbRecoveryException e)
        {
            return new InstanceStatus(InstanceState.Unknown, e.Message);
        }
    }

    /// <inheritdoc/>
    public NodeOperation Start(ClusterDefinition cluster, NodeDefinition node, bool letGo = false, bool asReplica = false)
    {
        var (control, script) = Ready(cluster, node);
        if (asReplica && node.DataDir is null)
            throw Missing($"the inventory does not give 'dataDir' of the node '{node.Name}', so whether it would start as a second primary cannot be told", "Add 'dataDir: /absolute/path' to the node, or start it by hand.", node);
        string[] way = letGo ? ["let-go"] : asReplica ? ["as-replica"] : [];
        var before = new List<NodeCommand>();
        if (letGo && control.Kind == ControlKind.Systemd)
            before.Add(Systemctl(script, "unmask", control.Unit!));
        if (node.DataDir is not null && control.Kind != ControlKind.PgCtl)
            before.Add(script.Script(letGo ? ServerScripts.LetGo : ServerScripts.Guarded, asReplica ? way : []));
        var start = control.Kind switch
        {
            ControlKind.PgCtl => script.Script(ServerScripts.Start, [node.BinDir!.TrimEnd('/') + "/postgres", .. way]),
            ControlKind.Systemd => Systemctl(script, "start", control.Unit!),
            _ => script.Words(Given(control.Start, "start", node)),
        };
        var acts = before.Select(b => script.Act(b, letGo ? "let it start again" : "look that it is not held down", letGo ? ActKind.Modify : ActKind.Read))
            .Append(script.Act(start, $"{(letGo && before.Count == 0 ? "let it start again, " : "")}start the server and wait until it takes connections"));
        return new NodeOperation([.. acts], async (timeout, _, token) =>
        {
            var deadline = new Deadline(connections.Clock, timeout);
            foreach (var step in before)
                Check(script, await script.RunAsync(step, deadline.Left, token).ConfigureAwait(false), "the start");
            if (control.Kind == ControlKind.PgCtl)
                Check(script, await script.RunTimedAsync(start, deadline.Left, token).ConfigureAwait(false), "the start");
            else
            {
                Check(script, await script.RunAsync(start, deadline.Left, token).ConfigureAwait(false), "the start");
                await AnswersAsync(cluster, node, deadline, token).ConfigureAwait(false);
            }
            return new OperationOutcome($"'{node.Name}' runs and takes connections.");
        });
    }

    /// <inheritdoc/>
    public NodeOperation Stop(ClusterDefinition cluster, NodeDefinition node)
    {
        var (control, script) = Ready(cluster, node);
        var stop = control.Kind switch
        {
            ControlKind.PgCtl => script.Script(ServerScripts.Stop),
            ControlKind.Systemd => Systemctl(script, "stop", control.Unit!),
            _ => script.Words(Given(control.Stop, "stop", node)),
        };
        return new NodeOperation([script.Act(stop, "stop the server and wait until none of its processes is left")], async (timeout, _, token) =>
        {
            var deadline = new Deadline(connections.Clock, timeout);
            var outcome = control.Kind == ControlKind.PgCtl
                ? await script.RunTimedAsync(stop, deadline.Left, token).ConfigureAwait(false)
                : await script.RunAsync(stop, deadline.Left, token).ConfigureAwait(false);
            Check(script, outcome, "the stop");
            // the script has looked itself
            if (control.Kind != ControlKind.PgCtl)
                await GoneAsync(cluster, node, "the stop", deadline, token).ConfigureAwait(false);
            return new OperationOutcome($"'{node.Name}' is stopped.");
        });
    }

    /// <inheritdoc/>
    public NodeOperation Kill(ClusterDefinition cluster, NodeDefinition node)
    {
        var (control, script) = Ready(cluster, node);
        var kills = new List<(NodeCommand Command, bool Timed)>();
        if (control.Kind == ControlKind.Systemd)
            kills.Add((script.Words(["sh", "-c", UnitKill, "sh", control.Unit!]) with { RunAs = "root" }, false));
        if (control is { Kind: ControlKind.Command, Kill.Count: > 0 })
            kills.Add((script.Words(control.Kill), false));
        else if (node.DataDir is not null)
            kills.Add((script.Script(ServerScripts.Kill), true));
        if (kills.Count == 0)
            Given(control.Kill, "kill", node);
        return new NodeOperation([.. kills.Select(k => script.Act(k.Command, "kill every process of the server and wait until none is left", destructive: true))], async (timeout, _, token) =>
        {
            var deadline = new Deadline(connections.Clock, timeout);
            foreach (var (command, timed) in kills)
                Check(script, timed ? await script.RunTimedAsync(command, deadline.Left, token).ConfigureAwait(false) : await script.RunAsync(command, deadline.Left, token).ConfigureAwait(false), "the kill");
            // the script has looked itself
            if (!kills[^1].Timed)
                await GoneAsync(cluster, node, "the kill", deadline, token).ConfigureAwait(false);
            return new OperationOutcome($"No process of '{node.Name}' is left.");
        });
    }

    /// <inheritdoc/>
    public NodeOperation? PowerOff(ClusterDefinition cluster, NodeDefinition node)
    {
        if (cluster.Control is not { PowerOff.Count: > 0 } control)
            return null;
        // from this machine: the node's own is what is to be turned off
        var script = new NodeScript(commands, cluster with { Control = control with { Via = [] } }, node);
        var command = script.Words(control.PowerOff);
        return new NodeOperation([script.Act(command, "turn its machine off", destructive: true)], async (timeout, _, token) =>
        {
            Check(script, await script.RunAsync(command, timeout, token).ConfigureAwait(false), "the power-off");
            return new OperationOutcome($"The machine of '{node.Name}' was turned off, as its command says.");
        });
    }

    /// <inheritdoc/>
    public NodeOperation? HoldDown(ClusterDefinition cluster, NodeDefinition node)
    {
        if (cluster.Control is not { } control)
            return null;
        var script = new NodeScript(commands, cluster, node);
        var mask = control is { Kind: ControlKind.Systemd, Unit: { } unit } ? Systemctl(script, "mask", unit) : null;
        var guard = node.DataDir is null ? null : script.Script(ServerScripts.Hold) with { Input = $"fenced by DbRecovery at {connections.Clock.GetUtcNow():u}\n" };
        if (mask is null && guard is null)
            return null;
        // the file first: systemd does not mask a unit whose own file lies in /etc
        return new NodeOperation([.. new[] { guard, mask }.OfType<NodeCommand>().Select(s => script.Act(s, "keep it from starting", ActKind.Modify))], async (timeout, _, token) =>
        {
            var deadline = new Deadline(connections.Clock, timeout);
            var guarded = guard is null ? null : await script.RunAsync(guard, deadline.Left, token).ConfigureAwait(false);
            // a full disk that takes no file is no reason not to mask the unit
            if (mask is not null)
                Check(script, await script.RunAsync(mask, deadline.Left, token).ConfigureAwait(false), "holding down");
            if (guarded is not null)
                Check(script, guarded, "holding down");
            // a status command of the inventory knows better, and until its unit is masked systemd may start it
            var status = guarded is null || control.Status.Count > 0 || mask is not null ? null : InstanceLook.OfProcesses(guarded, node.DataDir!);
            return new OperationOutcome($"'{node.Name}' is kept from starting.") { Status = status };
        });
    }

    /// <inheritdoc/>
    public async Task<NodeOperation> FreeSpaceAsync(ClusterDefinition cluster, NodeDefinition node, CancellationToken cancellationToken)
    {
        var (_, script) = Ready(cluster, node);
        if (node.DataDir is null)
            throw Missing($"the inventory does not give 'dataDir' of the node '{node.Name}', so nothing on its disk is known", "Add 'dataDir: /absolute/path' to the node.", node);
        var outcome = await script.RunAsync(script.Script(ServerScripts.Spare, (node.BinDir ?? "").TrimEnd('/') + "/postgres"), TimeSpan.FromSeconds(30), cancellationToken).ConfigureAwait(false);
        Check(script, outcome, "the look for space");
        var files = outcome.Output.Split('\n').Select(l => l.Split(' ', 3)).Where(f => f is [_, _, ['/', ..]]).Select(f => (Path: f[2], Bytes: long.Parse(f[0], CultureInfo.InvariantCulture))).ToArray();
        var acts = files.Select(f => new PlannedAct(ActKind.Delete, node.Name, $"{f.Path} ({f.Bytes} bytes)", Destructive: true));
        return new NodeOperation([.. acts], async (timeout, _, token) =>
        {
            var freed = files.Length == 0 ? 0 : await RemoveAsync(script, [.. files.Select(f => f.Path)], timeout, token).ConfigureAwait(false);
            return new OperationOutcome(files.Length == 0 ? $"There is nothing on '{node.Name}' that is safe to remove." : $"{freed} bytes freed on '{node.Name}'.",
                new Dictionary<string, FactValue> { ["freedBytes"] = freed });
        });
    }

    // the stop keeps a unit that restarts by itself from doing so between the kill and the end
    private const string UnitKill = """
        systemctl --no-ask-password stop --no-block "$1" && systemctl --no-ask-password kill -s KILL "$1"; systemctl --no-ask-password stop "$1"
        """;

    private static async Task<long> RemoveAsync(NodeScript script, string[] paths, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var outcome = await script.RunAsync(script.Script(ServerScripts.Remove, paths), timeout, cancellationToken).ConfigureAwait(false);
        Check(script, outcome, "the removal");
        return outcome.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Sum(l => long.Parse(l, CultureInfo.InvariantCulture));
    }

    private (ControlSettings Control, NodeScript Script) Ready(ClusterDefinition cluster, NodeDefinition node) => UnavailableBecause(cluster, node) is { } because
        ? throw Missing(because, "Give the way under 'control' in the inventory.", node)
        : (cluster.Control!, new NodeScript(commands, cluster, node));

    private static IReadOnlyList<string> Given(IReadOnlyList<string> words, string what, NodeDefinition node) => words.Count > 0
        ? words
        : throw Missing($"the inventory gives no command to {what} '{node.Name}'", $"Add '{what}' to 'control' of the cluster.", node);

    private static DbRecoveryException Missing(string message, string advice, NodeDefinition node) =>
        new(ErrorIds.CapabilityMissing, ErrorKind.NotSupported, message, advice, node.Name);

    private static NodeCommand Systemctl(NodeScript script, string verb, string unit) => script.Words(["systemctl", "--no-ask-password", verb, unit]) with { RunAs = "root" };

    private static void Check(NodeScript script, CommandOutcome outcome, string during)
    {
        if (outcome.ExitCode != 0)
            throw script.Failed(outcome, during);
    }

    private async Task GoneAsync(ClusterDefinition cluster, NodeDefinition node, string during, Deadline deadline, CancellationToken cancellationToken)
    {
        while (true)
        {
            var status = await StatusAsync(cluster, node, deadline.Left, cancellationToken).ConfigureAwait(false);
            if (status.State == InstanceState.Stopped)
                return;
            if (deadline.IsOver)
                throw new DbRecoveryException(status.State == InstanceState.Unknown ? ErrorIds.OutcomeUnknown : ErrorIds.TimedOut, ErrorKind.Timeout, $"{during} of '{node.Name}' was not seen to end: {status.Detail}", target: node.Name);
            await deadline.PauseAsync(Pause, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Any answer of the server but that it starts will do: a refused login is one.</summary>
    private async Task AnswersAsync(ClusterDefinition cluster, NodeDefinition node, Deadline deadline, CancellationToken cancellationToken)
    {
        var login = ServerLogin.Of(cluster, node);
        for (var round = 1; ; round++)
        {
            var (connection, failure) = await connections.TryOpenAsync(login, deadline.Left, cancellationToken).ConfigureAwait(false);
            if (connection is not null)
            {
                await connection.DisposeAsync().ConfigureAwait(false);
                return;
            }
            if (failure!.Reachability == Reachability.Refusing && failure.Code != PostgreSqlErrors.CannotConnectNow)
                return;
            if (deadline.IsOver)
                throw new DbRecoveryException(ErrorIds.TimedOut, ErrorKind.Timeout, $"'{node.Name}' was started and does not answer yet: {failure.Message}", "Allow more time, and look at the server's log.", node.Name);
            // it may have ended meanwhile; not asked each time: the question travels
            if (round % 10 == 0 && await StatusAsync(cluster, node, deadline.Left, cancellationToken).ConfigureAwait(false) is { State: InstanceState.Stopped } status)
                throw new DbRecoveryException(ErrorIds.StepFailed, ErrorKind.Failed, $"'{node.Name}' was started and is gone again: {status.Detail}", "Look at the server's log.", node.Name);
            await deadline.PauseAsync(Pause, cancellationToken).ConfigureAwait(false);
        }
    }
}
