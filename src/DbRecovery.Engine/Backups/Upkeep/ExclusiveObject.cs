using System.Security.Cryptography;
using System.Text;

namespace DbRecovery.Engine.Backups;

/// <summary>
/// Objects that one process at a time has: whoever makes one has it. To take one away is the danger: who looked a moment ago may take
/// away what another made since. So whoever does first makes an object that is named by the bytes that he saw, which only one can, and
/// then looks again. The bytes hold an id: once they are gone they never come back.
/// </summary>
internal static class ExclusiveObject
{
    private const string Folder = "tmp/removal-";
    private const long MaxSize = 64 << 10;
    private const int MostInARow = 4;

    /// <summary>Takes an object away. False: it is not what was seen any more, or another is just taking it away.</summary>
    /// <param name="storage">The storage.</param>
    /// <param name="key">The object.</param>
    /// <param name="seen">Its bytes, by which it was decided.</param>
    /// <param name="remover">Who takes it away.</param>
    /// <param name="cancellationToken">Cancels.</param>
    public static Task<bool> RemoveAsync(IRepositoryStorage storage, string key, ReadOnlyMemory<byte> seen, SessionOwner remover, CancellationToken cancellationToken) =>
        RemoveAsync(storage, key, seen, remover, 0, cancellationToken);

    private static async Task<bool> RemoveAsync(IRepositoryStorage storage, string key, ReadOnlyMemory<byte> seen, SessionOwner remover, int depth, CancellationToken cancellationToken)
    {
        var guard = Folder + Convert.ToHexString(SHA256.HashData([.. Encoding.UTF8.GetBytes(key), 0, .. seen.Span])).ToLowerInvariant();
        try
        {
            if (!await TryGuardAsync(storage, guard, remover, depth, cancellationToken).ConfigureAwait(false))
                return false;
        }
        catch (DbRecoveryException e) when (e.Id == ErrorIds.OutOfSpace)
        {
            // a disk without a byte left has no room for a lock either, so that nobody can have made one since
            return await RemoveSeenAsync(storage, key, seen, cancellationToken).ConfigureAwait(false);
        }
        try
        {
            return await RemoveSeenAsync(storage, key, seen, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            await storage.DeleteAsync(guard, CancellationToken.None).ConfigureAwait(false);
        }
    }

    private static async Task<bool> TryGuardAsync(IRepositoryStorage storage, string guard, SessionOwner remover, int depth, CancellationToken cancellationToken)
    {
        var own = SealedDocument.Write(remover);
        if (await storage.PutAsync(guard, own, PutMode.IfAbsent, cancellationToken).ConfigureAwait(false))
            return true;
        // who was taking it away may have died over it
        return depth < MostInARow && await storage.GetAsync(guard, MaxSize, cancellationToken).ConfigureAwait(false) is { } other
            && SealedDocument.Read<SessionOwner>(other)?.IsDead(MachineIdentity.Current) == true
            && await RemoveAsync(storage, guard, other, remover, depth + 1, cancellationToken).ConfigureAwait(false)
            && await storage.PutAsync(guard, own, PutMode.IfAbsent, cancellationToken).ConfigureAwait(false);
    }

    private static async Task<bool> RemoveSeenAsync(IRepositoryStorage storage, string key, ReadOnlyMemory<byte> seen, CancellationToken cancellationToken)
    {
        if (await storage.GetAsync(key, MaxSize, cancellationToken).ConfigureAwait(false) is not { } now || !seen.Span.SequenceEqual(now))
            return false;
        await storage.DeleteAsync(key, cancellationToken).ConfigureAwait(false);
        return true;
    }
}
