using System.Globalization;

namespace DbRecovery.PostgreSql.Replicas;

/// <summary>
/// Runs the small scripts of this folder on a node's machine, as the server's user. A script is a constant; names and paths are its
/// arguments, secrets its input. Only one runs beside a data folder at a time: a program that outlived the process that started it is waited for.
/// </summary>
internal sealed class NodeShell(INodeCommands commands)
{
    private const int ProgramMissing = 97;
    private const int Locked = 98;

    // $D the data folder, $B the programs, $S the folder beside it where unfinished things are; what libpq would take from the environment of whoever
    // runs this (PGHOSTADDR) leads nobody elsewhere
    private const string Prelude = """
        LC_ALL=C; TZ=UTC; export LC_ALL TZ
        D=$1; B=$2; S=$1.dbrecovery; shift 2
        fail() { echo "$1" >&2; exit 95; }
        [ "$(id -u)" != 0 ] || fail "root would own what it makes there, and no server could read it: name the server's user as the node's runAs"
        for v in $(env | sed -n 's/^\(PG[A-Z]*\)=.*/\1/p'); do unset "$v"; done
        need() { [ -x "$B/$1" ] || { echo "$B/$1" >&2; exit 97; }; }
        secret() { IFS= read -r PGPASSWORD && export PGPASSWORD; }

        """;

    /// <summary>Runs a script; its failure is an error with what it said.</summary>
    /// <param name="at">Where.</param>
    /// <param name="what">What it does, as in 'the rewind'.</param>
    /// <param name="script">The script.</param>
    /// <param name="arguments">Its arguments, from <c>$1</c>.</param>
    /// <param name="timeout">The deadline.</param>
    /// <param name="cancellationToken">Cancels; the script is killed.</param>
    /// <param name="input">What it reads.</param>
    /// <param name="outputLimit">Characters kept of its output.</param>
    public async Task<string> RunAsync(
        NodePlace at, string what, string script, IReadOnlyList<string> arguments, TimeSpan timeout, CancellationToken cancellationToken, string? input = null, int outputLimit = 64 * 1024)
    {
        var outcome = await TryAsync(at, script, arguments, timeout, cancellationToken, input, outputLimit).ConfigureAwait(false);
        return outcome.ExitCode == 0
            ? outcome.Output
            : throw new DbRecoveryException(ErrorIds.StepFailed, ErrorKind.Failed, $"{what} failed on '{at.Node.Name}' (exit code {outcome.ExitCode}): {LastWords(outcome)}", target: at.Node.Name);
    }

    /// <summary>Runs a script and gives what it left; that a program or the place itself is missing is an error all the same.</summary>
    public async Task<CommandOutcome> TryAsync(
        NodePlace at, string script, IReadOnlyList<string> arguments, TimeSpan timeout, CancellationToken cancellationToken, string? input = null, int outputLimit = 64 * 1024)
    {
        var outcome = await commands.RunAsync(at.Cluster, at.Node, new NodeCommand
        {
            Arguments =
            [
                "flock", "-w", ((int)Math.Max(1, timeout.TotalSeconds)).ToString(CultureInfo.InvariantCulture), "-E", Locked.ToString(CultureInfo.InvariantCulture), at.Parent,
                "sh", "-c", Prelude + script, "sh", at.DataDir, at.BinDir, .. arguments,
            ],
            RunAs = at.Node.RunAs, Input = input, Timeout = timeout, OutputLimit = outputLimit,
        }, cancellationToken).ConfigureAwait(false);
        return outcome.ExitCode switch
        {
            ProgramMissing => throw new DbRecoveryException(ErrorIds.CapabilityMissing, ErrorKind.MissingDependency,
                $"the program '{outcome.Error.Trim()}' is not on the machine of '{at.Node.Name}'", "Install the server's client programs there, or correct 'binDir' of the node in the inventory.", at.Node.Name),
            Locked => throw new DbRecoveryException(ErrorIds.DatabaseBusy, ErrorKind.Busy,
                $"another operation works beside the data folder of '{at.Node.Name}' and did not end within {timeout.TotalSeconds:0.#} s", "Wait for it, and try again.", at.Node.Name),
            66 or 69 or 127 when !outcome.Error.Contains("pg_", StringComparison.Ordinal) => throw new DbRecoveryException(ErrorIds.CapabilityMissing, ErrorKind.MissingDependency,
                $"nothing can be run beside '{at.DataDir}' of '{at.Node.Name}': {LastWords(outcome)}", $"'{at.Parent}' must be readable by '{at.Node.RunAs ?? "the login there"}', and flock (util-linux) installed.", at.Node.Name),
            _ => outcome,
        };
    }

    internal static string LastWords(CommandOutcome outcome)
    {
        var text = string.IsNullOrWhiteSpace(outcome.Error) ? outcome.Output : outcome.Error;
        var lines = text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return lines.Length == 0 ? "it said nothing" : string.Join("; ", lines.TakeLast(4));
    }
}

/// <summary>A data folder on a node's machine.</summary>
internal sealed record NodePlace(ClusterDefinition Cluster, NodeDefinition Node, string DataDir, string BinDir)
{
    /// <summary>The folder that the data folder lies in.</summary>
    public string Parent => DataDir[..DataDir.LastIndexOf('/')] is { Length: > 0 } parent ? parent : "/";

    /// <summary>The folder beside it where unfinished things are.</summary>
    public string Side => DataDir + ".dbrecovery";

    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.CapabilityMissing"/>: the inventory does not say where it is.</exception>
    internal static NodePlace Of(ClusterDefinition cluster, NodeDefinition node)
    {
        var missing = node.DataDir is null ? "dataDir" : node.BinDir is null ? "binDir" : null;
        if (missing is null && cluster.Control is not null)
            return new NodePlace(cluster, node, node.DataDir!.TrimEnd('/'), node.BinDir!.TrimEnd('/'));
        throw new DbRecoveryException(ErrorIds.CapabilityMissing, ErrorKind.NotSupported,
            missing is null ? $"the inventory gives no control of the cluster '{cluster.Name}', so nothing can be run on the machine of '{node.Name}'" : $"the inventory does not give '{missing}' of the node '{node.Name}'",
            missing is null ? "Add 'control: { kind: systemd | pg_ctl | command, ... }' to the cluster." : $"Add '{missing}: /absolute/path' to the node.", node.Name);
    }
}
