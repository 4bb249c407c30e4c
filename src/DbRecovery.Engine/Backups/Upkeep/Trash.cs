using System.Security.Cryptography;

namespace DbRecovery.Engine.Backups;

/// <summary>What kind of thing is in the trash.</summary>
internal enum TrashKind
{
    /// <summary>A pack that no manifest refers to.</summary>
    Pack,
    /// <summary>The manifest of a removed backup.</summary>
    Manifest,
    /// <summary>A proof of it.</summary>
    Proof,
    /// <summary>A session that was open when the mark was sealed.</summary>
    Session,
    /// <summary>Says that the mark is whole: nothing joins it any more and every open session is named. Its time is when the grace begins.</summary>
    Sealed,
}

/// <summary>An object in the trash.</summary>
internal sealed record TrashObject(string Mark, TrashKind Kind, string Name, StorageObject Object);

/// <summary>
/// What was removed and is not deleted yet: <c>trash/MARK~KIND~NAME</c>. Everything that a removal must remember is in names, so that
/// it needs no space: a session and the seal are objects without a byte. Each removal has a mark of its own; to move an object from one
/// mark to another is one rename, so that two removals at once never both decide on it.
/// </summary>
internal static class Trash
{
    private const string Prefix = "trash/";
    private const char Separator = '~';

    /// <summary>A name for a new mark.</summary>
    public static string NewMark() => Convert.ToHexString(RandomNumberGenerator.GetBytes(8)).ToLowerInvariant();

    public static string Key(string mark, TrashKind kind, string name = "") =>
        $"{Prefix}{mark}{Separator}{kind.ToString().ToLowerInvariant()}{(name.Length == 0 ? "" : $"{Separator}{name}")}";

    public static async Task<IReadOnlyList<TrashObject>> ListAsync(IRepositoryStorage storage, CancellationToken cancellationToken)
    {
        var found = new List<TrashObject>();
        await foreach (var thrown in storage.ListAsync(Prefix, cancellationToken).ConfigureAwait(false))
        {
            var parts = thrown.Key[Prefix.Length..].Split(Separator, 3);
            // what is not ours is left alone
            if (parts.Length >= 2 && Enum.TryParse<TrashKind>(parts[1], ignoreCase: true, out var kind))
                found.Add(new TrashObject(parts[0], kind, parts.Length == 3 ? parts[2] : "", thrown));
        }
        return found;
    }

    /// <summary>The packs in the trash: name, and key there.</summary>
    public static async Task<Dictionary<string, string>> PacksAsync(IRepositoryStorage storage, CancellationToken cancellationToken)
    {
        var packs = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var thrown in (await ListAsync(storage, cancellationToken).ConfigureAwait(false)).Where(t => t.Kind == TrashKind.Pack))
            packs[thrown.Name] = thrown.Object.Key;
        return packs;
    }

    /// <summary>Moves an object; false where it is gone: another process was faster.</summary>
    public static async Task<bool> TryMoveAsync(IRepositoryStorage storage, string from, string to, CancellationToken cancellationToken)
    {
        try
        {
            await storage.MoveAsync(from, to, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (DbRecoveryException e) when (e.Id == ErrorIds.RepositoryInvalid)
        {
            if (await storage.StatAsync(from, cancellationToken).ConfigureAwait(false) is not null)
                throw;
            return false;
        }
    }

    /// <summary>Puts an object back to its place; false where it is in neither place. One that is there again is not replaced.</summary>
    public static async Task<bool> TryTakeBackAsync(IRepositoryStorage storage, string thrown, string key, CancellationToken cancellationToken)
    {
        if (await storage.StatAsync(key, cancellationToken).ConfigureAwait(false) is not null)
            return true;
        return await TryMoveAsync(storage, thrown, key, cancellationToken).ConfigureAwait(false)
            || await storage.StatAsync(key, cancellationToken).ConfigureAwait(false) is not null;
    }
}
