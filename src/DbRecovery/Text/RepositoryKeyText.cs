namespace DbRecovery.Shells;

/// <summary>What both shells say about keys of repositories.</summary>
internal static class RepositoryKeyText
{
    /// <summary>What the removal of a key means.</summary>
    public static string Removal(RepositoryDefinition repository, IReadOnlyList<RepositoryKeyInfo> keys, string labelOrId)
    {
        var key = keys.FirstOrDefault(k => k.Label == labelOrId) ?? keys.FirstOrDefault(k => k.Id.StartsWith(labelOrId, StringComparison.OrdinalIgnoreCase));
        var named = key is null ? $"the key '{labelOrId}'" : $"the key '{key.Label ?? key.Id}' ({Kind(key)}, {key.State})";
        var left = keys.Where(k => k != key && k.State is RepositoryKeyState.Current or RepositoryKeyState.Behind).Select(k => $"'{k.Label}'").ToList();
        return $"Remove {named}{(key?.InUse == true ? ", the one that is in use here," : "")} from the repository '{repository.Path}' and begin a new epoch. It opens nothing that is written from then on. Left: {(left.Count == 0 ? "none" : string.Join(", ", left))}.";
    }

    /// <summary>What opens a key.</summary>
    public static string Kind(RepositoryKeyInfo key) => key.Kind switch
    {
        RepositoryKeyKind.Passphrase => "passphrase",
        RepositoryKeyKind.KeyFile => "key file",
        _ => "-",
    };
}
