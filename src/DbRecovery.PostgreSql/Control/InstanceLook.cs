using System.Globalization;

namespace DbRecovery.PostgreSql.Control;

/// <summary>Whether a server runs: by the user's own command, else at its processes, else by systemd.</summary>
internal sealed class InstanceLook(NodeScript script)
{
    /// <summary>Exit code of a status command for an instance that does not run, as of pg_ctl and of init scripts (LSB).</summary>
    private const int NotRunning = 3;

    internal async Task<InstanceStatus> LookAsync(ControlSettings control, NodeDefinition node, TimeSpan timeout, CancellationToken cancellationToken)
    {
        if (control is { Kind: ControlKind.Command, Status.Count: > 0 })
            return OfCommand(await script.RunAsync(script.Words(control.Status), timeout, cancellationToken).ConfigureAwait(false));
        var unit = control.Kind == ControlKind.Systemd ? control.Unit : null;
        if (node.DataDir is not null)
            return await ProcessesAsync(node.DataDir, unit, timeout, cancellationToken).ConfigureAwait(false);
        if (unit is not null)
            return OfUnit(await UnitAsync(unit, timeout, cancellationToken).ConfigureAwait(false), unit);
        return new InstanceStatus(InstanceState.Unknown, $"the inventory gives neither a status command nor 'dataDir' of '{node.Name}'");
    }

    /// <summary>
    /// The processes tell, but of a start that systemd has under way there may be none yet, as when it restarts by itself what was killed: neither a mask nor
    /// the guard stops that one. So it is asked after them, and they are looked at again where it has started something meanwhile.
    /// </summary>
    private async Task<InstanceStatus> ProcessesAsync(string folder, string? unit, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var seen = await LookAsync().ConfigureAwait(false);
        if (seen.State != InstanceState.Stopped || unit is null)
            return seen;
        return ValuesOf(await UnitAsync(unit, timeout, cancellationToken).ConfigureAwait(false)).GetValueOrDefault("ActiveState") switch
        {
            ("activating" or "deactivating" or "reloading") and var active => new(InstanceState.Running, $"{seen.Detail}, but systemd says that {unit} is {active}"),
            "active" => await LookAsync().ConfigureAwait(false),
            // where it does not say anything, the processes have the last word
            _ => seen,
        };

        async Task<InstanceStatus> LookAsync() => OfProcesses(await script.RunAsync(script.Script(ServerScripts.Look), timeout, cancellationToken).ConfigureAwait(false), folder);
    }

    private Task<CommandOutcome> UnitAsync(string unit, TimeSpan timeout, CancellationToken cancellationToken) =>
        script.RunAsync(script.Words(["sh", "-c", UnitLook, "sh", unit]), timeout, cancellationToken);

    private const string UnitLook = """
        systemctl show -p LoadState -p ActiveState -p MainPID "$1" || exit
        pid=$(systemctl show -p MainPID "$1"); pid=${pid#MainPID=}
        [ "${pid:-0}" = 0 ] || { read -r line < "/proc/$pid/stat"; line=${line##*) }; echo "ProcessState=${line%% *}"; } 2>/dev/null
        exit 0
        """;

    private static InstanceStatus OfCommand(CommandOutcome outcome) => outcome.ExitCode switch
    {
        0 => new(InstanceState.Running, "its status command says that it runs"),
        NotRunning => new(InstanceState.Stopped, "its status command says that it does not run"),
        var code => new(InstanceState.Unknown, $"its status command ended with {code}: {NodeScript.Said(outcome)}"),
    };

    /// <summary>What the script of a look said.</summary>
    internal static InstanceStatus OfProcesses(CommandOutcome outcome, string folder)
    {
        if (outcome.ExitCode != 0)
            return new(InstanceState.Unknown, NodeScript.Said(outcome));
        return outcome.Output.Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries) switch
        {
            ["stopped"] => new(InstanceState.Stopped, $"no process works in {folder}"),
            ["running", var count] => new(InstanceState.Running, $"its main process is gone or unknown, and {count} of its processes are left in {folder}"),
            ["running", var count, var id, [var state, ..]] => new(InstanceState.Running,
                $"process {id} and {int.Parse(count, CultureInfo.InvariantCulture) - 1} more work in {folder}", int.Parse(id, CultureInfo.InvariantCulture), state),
            _ => new(InstanceState.Unknown, $"the look at its processes gave '{outcome.Output.Trim()}'"),
        };
    }

    private static Dictionary<string, string> ValuesOf(CommandOutcome outcome) =>
        outcome.Output.Split('\n').Select(l => l.Split('=', 2)).Where(p => p.Length == 2).ToDictionary(p => p[0], p => p[1].Trim(), StringComparer.Ordinal);

    private static InstanceStatus OfUnit(CommandOutcome outcome, string unit)
    {
        var values = ValuesOf(outcome);
        if (outcome.ExitCode != 0 || values.GetValueOrDefault("LoadState") is not ("loaded" or "masked"))
            return new(InstanceState.Unknown, $"systemd does not know the unit {unit}: {NodeScript.Said(outcome)}");
        var active = values.GetValueOrDefault("ActiveState", "");
        int? main = int.TryParse(values.GetValueOrDefault("MainPID"), NumberStyles.None, CultureInfo.InvariantCulture, out var id) && id > 0 ? id : null;
        return active is "inactive" or "failed" && main is null
            ? new(InstanceState.Stopped, $"systemd says that {unit} is {active}")
            : new(InstanceState.Running, $"systemd says that {unit} is {active}", main, values.GetValueOrDefault("ProcessState") is { Length: > 0 } state ? state[0] : null);
    }
}
