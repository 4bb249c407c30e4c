using System.Text.RegularExpressions;
using DbRecovery.Engine.Yaml;

namespace DbRecovery.Engine.Inventory;

/// <summary>Reads and checks an inventory. The same code is its linter.</summary>
public sealed partial class InventoryReader
{
    private readonly IReadOnlyDictionary<string, EngineTraits> _engines;
    private readonly FindingList _findings;
    private readonly string _path;
    private readonly string _folder;
    private readonly SortedSet<string> _secretVariables = new(StringComparer.Ordinal);

    private InventoryReader(string path, IReadOnlyDictionary<string, EngineTraits> engines)
    {
        _path = Path.GetFullPath(path);
        _folder = Path.GetDirectoryName(_path)!;
        _engines = engines;
        _findings = new FindingList(path);
    }

    /// <summary>Reads an inventory's text.</summary>
    /// <param name="path">The file that it is from; relative paths in it are resolved against its folder.</param>
    /// <param name="text">The text.</param>
    /// <param name="engines">The engines that are known.</param>
    /// <returns>The inventory, null where there is an error; and every finding.</returns>
    public static (InventoryModel? Inventory, IReadOnlyList<LintFinding> Findings) Read(string path, string text, IReadOnlyDictionary<string, EngineTraits> engines)
    {
        var reader = new InventoryReader(path, engines);
        var model = reader.Read(text);
        return (reader._findings.HasErrors ? null : model, reader._findings.InOrder());
    }

    private InventoryModel? Read(string text)
    {
        if (YamlReader.Read(text, _findings) is not { } document || MapReader.Over(document, _findings, "the inventory") is not { } map)
            return null;
        var repositories = Named(map, "repositories", Repository);
        var notifications = Named(map, "notifications", Notification);
        var clusters = Named(map, "clusters", (name, node) => Cluster(name, node, repositories));
        var model = new InventoryModel
        {
            Path = _path,
            Clusters = [.. clusters.Values],
            Repositories = repositories,
            Notifications = notifications,
            SecretVariables = _secretVariables,
            RunbookFolders = [.. (map.Words("runbooks") ?? []).Select(Resolve).OfType<string>()],
            StateFolder = Resolve(map.Scalar("state")),
        };
        map.End();
        return model;
    }

    private Dictionary<string, T> Named<T>(MapReader parent, string key, Func<string, MapReader, T?> read) where T : class
    {
        var result = new Dictionary<string, T>(StringComparer.Ordinal);
        foreach (var (name, node) in parent.Map(key)?.Entries() ?? [])
        {
            CheckName(name, key);
            if (MapReader.Over(node, _findings, $"'{name.Text}' of '{key}'") is { } map && read(name.Text, map) is { } value)
                result[name.Text] = value;
        }
        return result;
    }

    private void CheckName(YamlScalar name, string what)
    {
        if (!NamePattern().IsMatch(name.Text))
            _findings.Error(name.At, "name", $"'{name.Text}' is no name for one of '{what}'.", "Use 1 to 64 letters, digits, dots, dashes and underscores, a letter or digit first.");
    }

    private RepositoryDefinition Repository(string name, MapReader map)
    {
        var path = map.Scalar("path", required: true);
        if (path is not null && UrlScheme().IsMatch(path.Text))
        {
            _findings.Error(path.At, "repository-kind", "This version keeps backups in a folder only.", "Give the path of a folder.");
            path = null;
        }
        var encryption = map.Map("encryption") is { } asked ? Encryption(name, asked) : null;
        map.End();
        // one with an error still has its name, so that clusters that use it get no finding for that
        return new RepositoryDefinition { Name = name, Path = Resolve(path) ?? "", Encryption = encryption };
    }

    private RepositoryEncryption Encryption(string name, MapReader map)
    {
        var encryption = new RepositoryEncryption(Secret(map.Node("passphrase"), "the passphrase"), Resolve(map.Scalar("keyFile")));
        map.End();
        if (map.Has("passphrase") == map.Has("keyFile"))
            _findings.Error(map.At, "wrong-value", $"The encryption of '{name}' needs either 'passphrase' or 'keyFile'.", "Write { passphrase: { env: NAME } } or { keyFile: PATH }.");
        return encryption;
    }

    private NotificationChannel Notification(string name, MapReader map)
    {
        Uri? webhook = null;
        if (map.Scalar("webhook") is { } address && (!Uri.TryCreate(address.Text, UriKind.Absolute, out webhook) || webhook.Scheme is not ("http" or "https")))
        {
            _findings.Error(address.At, "wrong-value", "'webhook' must be an http or https address.");
            webhook = null;
        }
        if (webhook is { UserInfo.Length: > 0 })
            _findings.Error(map.PlaceOf("webhook"), "literal-secret", "The address holds a password.", "Put it into a header: headers: { Authorization: { env: NAME } }.");
        var headers = new Dictionary<string, SecretReference>(StringComparer.Ordinal);
        foreach (var (header, node) in map.Map("headers")?.Entries() ?? [])
        {
            if (Secret(node, $"the header '{header.Text}'") is { } secret)
                headers[header.Text] = secret;
        }
        var command = map.Words("command") ?? [];
        map.End();
        if (map.Has("webhook") == map.Has("command"))
            _findings.Error(map.At, "wrong-value", $"The notification '{name}' needs either 'webhook' or 'command'.");
        return new NotificationChannel { Name = name, Webhook = webhook, Headers = headers, Command = [.. command.Select(w => w.Text)] };
    }

    private static readonly IReadOnlyList<(string Key, SecretSource Source)> SecretKeys = [("env", SecretSource.Env), ("file", SecretSource.File), ("secret", SecretSource.Secret)];

    private SecretReference? Secret(YamlNode? node, string what)
    {
        if (node is null)
            return null;
        const string right = "Write { env: NAME }, { file: PATH } or { secret: NAME }.";
        if (node is not YamlMapping)
        {
            // the value is not repeated: it is the secret
            _findings.Error(node.At, "literal-secret", $"{Capital(what)} is written out.", right);
            return null;
        }
        var map = MapReader.Over(node, _findings, what)!;
        var given = SecretKeys.Select(k => (k.Source, Name: map.Scalar(k.Key))).Where(k => k.Name is not null).ToArray();
        // no End: a key that is not known may be the secret itself, as in { hunter2 }
        if (given is not [var (source, name)] || map.Entries().Count() != 1)
        {
            _findings.Error(node.At, "wrong-value", $"{Capital(what)} must name one place.", right);
            return null;
        }
        if (source == SecretSource.Env)
            _secretVariables.Add(name!.Text);
        if (source != SecretSource.File)
            return new SecretReference(source, name!.Text);
        return Resolve(name) is { } file ? new SecretReference(source, file) : null;
    }

    private string? Resolve(YamlScalar? path)
    {
        if (path is null)
            return null;
        if (path.Text.Length > 0 && !path.Text.Contains('\0'))
            return Path.GetFullPath(Expand(path.Text), _folder);
        _findings.Error(path.At, "wrong-value", "This is no path.", "Write the path of a file or folder.");
        return null;
    }

    private static string Expand(string path) =>
        path == "~" || path.StartsWith("~/", StringComparison.Ordinal)
            ? Environment.GetFolderPath(Environment.SpecialFolder.UserProfile) + path[1..]
            : path;

    private static string Capital(string text) => char.ToUpperInvariant(text[0]) + text[1..];

    [GeneratedRegex(@"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\z")]
    private static partial Regex NamePattern();

    [GeneratedRegex(@"^[A-Za-z][A-Za-z0-9+.-]*://")]
    private static partial Regex UrlScheme();
}
