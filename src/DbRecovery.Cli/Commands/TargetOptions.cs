using System.CommandLine;

namespace DbRecovery.Cli.Commands;

/// <summary>Which databases a verb means: clusters of the inventory, or one that no inventory knows.</summary>
internal sealed class TargetOptions
{
    private readonly Argument<string[]> _clusters = Binder.Many("cluster", "Names of clusters; * and ? are wildcards. Without one: all.");
    private readonly Option<string?> _engine = Binder.Text("--engine", "name", "The engine of a database given by --path or --connection. Default: sqlite for a path, postgresql for a connection.");
    private readonly Option<string?> _path = Binder.Text("--path", "file", "A database file that no inventory knows.");
    private readonly Option<string?> _connection = Binder.Text("--connection", "text", "Servers that no inventory knows: \"host=a,b port=5432 user=me\" or postgresql://me@a,b. The password is read from PGPASSWORD or a password file.");

    /// <summary>Adds the options to a verb.</summary>
    public TargetOptions(Command verb)
    {
        verb.Add(_clusters);
        foreach (var option in new Option[] { _engine, _path, _connection })
            verb.Add(option);
    }

    /// <summary>The clusters that are meant.</summary>
    public IReadOnlyList<ClusterDefinition> Of(Session session, ParseResult parsed)
    {
        var names = parsed.GetValue(_clusters) ?? [];
        var engine = parsed.GetValue(_engine);
        return (names.Length, parsed.GetValue(_path), parsed.GetValue(_connection)) switch
        {
            (0, { } file, null) => [session.Runtime.GetTarget(engine ?? "sqlite", Path.GetFullPath(file))],
            (0, null, { } text) => [session.Runtime.GetServerTarget(engine ?? "postgresql", text)],
            (_, null, null) when engine is null => session.Runtime.GetClusters(names.Length == 0 ? null : names),
            (_, null, null) => throw Wrong("--engine was given without --path or --connection"),
            _ => throw Wrong("more than one target was given"),
        };
    }

    private static DbRecoveryException Wrong(string message) =>
        new(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, message, "Give clusters of the inventory, or --path, or --connection.");
}
