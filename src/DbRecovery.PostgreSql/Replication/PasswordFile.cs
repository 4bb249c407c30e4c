using DbRecovery.PostgreSql.Connections;
using DbRecovery.PostgreSql.Control;

namespace DbRecovery.PostgreSql.Replication;

/// <summary>
/// The password file of a replica's receiver, in its data folder. A password in <c>primary_conninfo</c> itself would be in the server's log:
/// the server writes the whole text there whenever a reload changes it (not when it starts). A rewind and a new copy leave the file, as all in
/// the folder that is not PostgreSQL's own. PostgreSQL manual, section 34.16, The Password File.
/// </summary>
internal sealed class PasswordFile(INodeCommands commands, ClusterDefinition cluster, NodeDefinition node)
{
    private const string Name = "dbrecovery.pgpass";

    // at once, or not at all: the receiver may read it at any moment, and is the server's user, whoever this is
    private const string Script = """
        umask 077
        cat > "$1/dbrecovery.pgpass.new" && { [ "$(id -u)" != 0 ] || chown --reference="$1" "$1/dbrecovery.pgpass.new"; } && mv -f "$1/dbrecovery.pgpass.new" "$1/dbrecovery.pgpass"
        """;

    private readonly NodeScript _script = new(commands, cluster, node);

    /// <summary>Whether the machine of the node can be reached, and its folder is known.</summary>
    internal bool IsPossible => cluster.Control is not null && node.DataDir is not null;

    /// <summary>Its path.</summary>
    internal string Path => $"{node.DataDir!.TrimEnd('/')}/{Name}";

    /// <summary>What a plan shows; the password is the command's input.</summary>
    internal PlannedAct Act => _script.Act(_script.Script(Script), "write the password that its replication logs in with to a file beside its data");

    /// <summary>Writes it, for every server that this user logs in to.</summary>
    internal async Task WriteAsync(string user, string password, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var outcome = await _script.RunAsync(_script.Script(Script) with { Input = $"*:*:*:{Escape(user)}:{Escape(password)}\n" }, timeout, cancellationToken).ConfigureAwait(false);
        if (outcome.ExitCode != 0)
            throw _script.Failed(outcome, "writing the password file");
    }

    private static string Escape(string text) => text.AsSpan().IndexOfAny('\n', '\r') < 0
        ? text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace(":", "\\:", StringComparison.Ordinal)
        : throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, "a user or password with a line break cannot be in a password file");
}
