namespace DbRecovery.Engine.Backups;

/// <summary>What a sealed piece of a pack is.</summary>
internal enum SealedKind : byte
{
    /// <summary>A blob.</summary>
    Blob = 1,
    /// <summary>A pack's trailer index.</summary>
    Trailer = 2,
}

/// <summary>What a cipher binds a piece to, so that none can be put in another's place: the inputs of its AAD, and of its key and nonce.</summary>
/// <param name="RepositoryId">The repository.</param>
/// <param name="Epoch">The epoch of the pack's header: which of the repository's data keys its key is derived from; 0 without a cipher.</param>
/// <param name="PackSalt">The salt of the pack's header, from which its key is derived.</param>
/// <param name="Sequence">The piece's number in the pack: the nonce.</param>
/// <param name="Blob">The blob's id; default for a trailer.</param>
/// <param name="Kind">What it is.</param>
internal readonly record struct SealContext(Guid RepositoryId, uint Epoch, ReadOnlyMemory<byte> PackSalt, int Sequence, BlobId Blob, SealedKind Kind);

/// <summary>Stands between codec and pack: what leaves memory is sealed, what comes back is opened.</summary>
internal interface IBlobSealer
{
    /// <summary>The cipher's name in repo.json.</summary>
    string Cipher { get; }

    /// <summary>The cipher's number in a pack's header.</summary>
    ushort CipherId { get; }

    /// <summary>The epoch of new packs; 0 without a cipher.</summary>
    uint CurrentEpoch { get; }

    /// <summary>Whether packs of an epoch can be opened.</summary>
    bool Knows(uint epoch);

    /// <summary>The salt for a new pack: 16 bytes.</summary>
    ReadOnlyMemory<byte> NewPackSalt();

    /// <summary>Seals. The result may be the payload itself, and holds until the next piece of the same pack is sealed.</summary>
    ReadOnlyMemory<byte> Seal(in SealContext context, ReadOnlyMemory<byte> payload);

    /// <summary>Opens, in place: the result may be a part of what was stored. Null where it was altered, or where its epoch is not known.</summary>
    ReadOnlyMemory<byte>? Open(in SealContext context, Memory<byte> stored);
}

/// <summary>No cipher: pieces are stored as they are. What was altered is found by the blob's id.</summary>
internal sealed class PlainSealer : IBlobSealer
{
    public const string Name = "none";
    private static readonly byte[] NoSalt = new byte[PackFormat.SaltSize];

    public string Cipher => Name;
    public ushort CipherId => 0;
    public uint CurrentEpoch => 0;
    public bool Knows(uint epoch) => epoch == 0;
    public ReadOnlyMemory<byte> NewPackSalt() => NoSalt;
    public ReadOnlyMemory<byte> Seal(in SealContext context, ReadOnlyMemory<byte> payload) => payload;
    public ReadOnlyMemory<byte>? Open(in SealContext context, Memory<byte> stored) => stored;
}
