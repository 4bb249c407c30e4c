namespace DbRecovery.Engine.Backups;

/// <summary>What can be had of the blobs that a manifest needs.</summary>
internal enum BlobState
{
    /// <summary>It can be read where the manifest looks for it.</summary>
    Readable,
    /// <summary>It can be read, but not in a pack that the manifest names.</summary>
    Elsewhere,
    /// <summary>No pack holds it unharmed.</summary>
    Lost,
}

/// <summary>Where blobs can still be read, once packs were checked and the blobs of damaged ones decoded one by one.</summary>
internal sealed class BlobStates(BlobIndex index, IReadOnlySet<string> whole, IReadOnlyDictionary<string, HashSet<BlobId>> unreadable)
{
    /// <summary>The best place of a blob: in a whole pack, the present one before others, else unharmed in a damaged one; null where there is none.</summary>
    /// <param name="id">The blob.</param>
    /// <param name="present">The pack in which a backup looks for it.</param>
    /// <param name="portable">Whether that backup is to be read by standard tools: then a place where they can read it is better than any other.</param>
    public BlobLocation? Find(BlobId id, string? present, bool portable) =>
        (portable ? Best(index.Find(id, present).Where(l => l.Entry.IsPortable)) : null) ?? Best(index.Find(id, present));

    private BlobLocation? Best(IEnumerable<BlobLocation> places)
    {
        BlobLocation? rest = null;
        foreach (var location in places)
        {
            if (whole.Contains(location.Pack))
                return location;
            if (Holds(location.Pack, location.Entry.Id))
                rest ??= location;
        }
        return rest;
    }

    /// <summary>What can be had of a blob by a manifest that names packs.</summary>
    public BlobState Of(BlobId id, IReadOnlySet<string> named)
    {
        var state = BlobState.Lost;
        foreach (var location in index.Find(id))
        {
            if (!whole.Contains(location.Pack) && !Holds(location.Pack, id))
                continue;
            if (named.Contains(location.Pack))
                return BlobState.Readable;
            state = BlobState.Elsewhere;
        }
        return state;
    }

    /// <summary>Whether a pack has nothing wrong with it.</summary>
    public bool IsWhole(string pack) => whole.Contains(pack);

    private bool Holds(string pack, BlobId id) => unreadable.TryGetValue(pack, out var bad) && !bad.Contains(id);
}
