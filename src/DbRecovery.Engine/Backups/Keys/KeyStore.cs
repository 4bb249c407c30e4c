using System.Globalization;

namespace DbRecovery.Engine.Backups;

/// <summary>What lies under keys/.</summary>
/// <param name="Slots">The keys that are whole.</param>
/// <param name="Damaged">Those that are not, and why.</param>
/// <param name="Stamp">Changes when any of them does.</param>
internal sealed record KeySlots(IReadOnlyList<KeySlot> Slots, IReadOnlyList<(string Key, string Problem)> Damaged, string Stamp)
{
    /// <summary>The highest generation that a member of a ring has; more than the ring's own means that the ring is not the newest.</summary>
    public int GenerationOf(KeyRing ring) => Slots.Where(ring.Has).Select(s => s.Ring.Generation).DefaultIfEmpty().Max();
}

/// <summary>Reads and changes the keys of a repository. A change rewrites the small files under keys/ and nothing else.</summary>
internal sealed class KeyStore(IRepositoryStorage storage, Guid repository, TimeProvider clock)
{
    private const string LockKey = KeySlot.Folder + "lock";
    private const int MaxSlotSize = 64 * 1024;
    private const int MaxSlots = 64;
    private static readonly TimeSpan LockStaleAfter = TimeSpan.FromMinutes(10);

    /// <summary>Reads every key.</summary>
    public async Task<KeySlots> LoadAsync(CancellationToken cancellationToken)
    {
        var (slots, damaged, stamps) = (new List<KeySlot>(), new List<(string, string)>(), new List<string>());
        await foreach (var found in storage.ListAsync(KeySlot.Folder, cancellationToken).ConfigureAwait(false))
        {
            if (!found.Key.EndsWith(".json", StringComparison.Ordinal))
                continue;
            stamps.Add(string.Create(CultureInfo.InvariantCulture, $"{found.Key} {found.Size} {found.ModifiedAt.UtcTicks}"));
            byte[]? bytes;
            try
            {
                bytes = await storage.GetAsync(found.Key, MaxSlotSize, cancellationToken).ConfigureAwait(false);
            }
            catch (DbRecoveryException e) when (e.Id == ErrorIds.RepositoryCorrupt)
            {
                damaged.Add((found.Key, e.Message));
                continue; // another key may do
            }
            if (bytes is null)
                continue; // removed since it was listed
            if (SealedDocument.Read<KeySlot>(bytes) is not { } slot)
                damaged.Add((found.Key, "its bytes are not those that were written"));
            else if (slot.Defect(found.Key, repository) is { } defect)
                damaged.Add((found.Key, defect));
            else
                slots.Add(slot);
        }
        return new KeySlots([.. slots.OrderBy(s => s.CreatedAt).ThenBy(s => s.Id)], [.. damaged.Order()], string.Join('\n', stamps.Order(StringComparer.Ordinal)));
    }

    /// <summary>Opens the ring with the first slot that the material opens.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.RepositoryLocked"/> says which keys there are.</exception>
    public (KeyRing Ring, KeySlot Slot) Unlock(KeySlots keys, KeyMaterial material, CancellationToken cancellationToken)
    {
        var damaged = keys.Damaged.Select(d => $"'{d.Key}' is damaged: {d.Problem}").ToList();
        foreach (var slot in keys.Slots.Where(s => s.Kind == material.Kind).Take(MaxSlots))
        {
            cancellationToken.ThrowIfCancellationRequested();
            var (ring, damage) = SlotCipher.Open(slot, material);
            if (ring is not null)
                return (ring, slot);
            if (damage is not null)
                damaged.Add($"'{slot.Key}' is damaged: {damage}");
        }
        throw RepositoryErrors.Locked(storage, $"the {Kind(material.Kind)} of {material.Source} opens none of its keys. {Describe(keys, damaged)}",
            damaged.Count == 0 ? "Give the right one, or another of its keys." : "Give another of its keys, or put the damaged file back from a copy.");
    }

    /// <summary>What keys there are, for a message: labels and kinds, nothing secret.</summary>
    public static string Describe(KeySlots keys, IReadOnlyList<string>? damaged = null)
    {
        damaged ??= [.. keys.Damaged.Select(d => $"'{d.Key}' is damaged: {d.Problem}")];
        var there = keys.Slots.Count == 0 ? "There is none that is whole" : $"They are: {string.Join(", ", keys.Slots.Select(s => s.Name))}";
        return string.Join("; ", damaged.Prepend(there));
    }

    /// <summary>Writes a new repository's first key; it is there before anything that needs it.</summary>
    public async Task<(KeyRing Ring, KeySlot Slot)> CreateFirstAsync(string label, KeyMaterial material, CancellationToken cancellationToken)
    {
        material.CheckStrength();
        var ring = KeyRing.Create();
        var slot = SlotCipher.Create(repository, label, material, ring, clock.GetUtcNow());
        ring = ring.With([MemberOf(slot)]);
        slot = SlotCipher.WithRing(slot, ring);
        await WriteAsync(slot, cancellationToken).ConfigureAwait(false);
        return (ring, slot);
    }

    /// <summary>Adds a key that opens everything that the ring does.</summary>
    public Task<KeySlot> AddAsync(KeyRing ring, string label, KeyMaterial material, CancellationToken cancellationToken)
    {
        KeySlot.CheckLabel(label);
        material.CheckStrength();
        return ChangeAsync(ring, async (keys, write) =>
        {
            if (keys.Slots.FirstOrDefault(s => s.Label == label) is { } same)
                throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"the repository has a key {same.Name} already", "Use another label.", label);
            if (keys.Slots.Count + keys.Damaged.Count >= MaxSlots)
                throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.Refused, $"the repository has {MaxSlots} keys, the most that it may have", "Remove one that is of no use any more.", label);
            var slot = SlotCipher.Create(repository, label, material, ring, clock.GetUtcNow());
            var next = ring.With(ring.Members.Append(MemberOf(slot)));
            // the new one last: were it there while the others know nothing of it, each would go on with a ring of its own, and the
            // next change by one of them would cost the other's epochs
            await ShareAsync(next, keys, write).ConfigureAwait(false);
            slot = SlotCipher.WithRing(slot, next);
            await write(slot).ConfigureAwait(false);
            return slot;
        }, cancellationToken);
    }

    /// <summary>Removes a key and begins a new epoch, which it does not open.</summary>
    public Task<KeyRing> RemoveAsync(KeyRing ring, string labelOrId, CancellationToken cancellationToken) => ChangeAsync(ring, async (keys, write) =>
    {
        var (key, id) = Find(ring, keys, labelOrId);
        if (!keys.Slots.Any(s => s.Key != key && ring.Has(s)))
            throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.Refused, $"'{labelOrId}' is the last key of the repository '{storage.Location}': without it nobody could read a byte of it", "Add another key first.", labelOrId);
        var next = ring.With(ring.Members.Where(m => m.Id != id), newEpoch: true);
        // who stays gets the new ring before who goes loses the old one
        await ShareAsync(next, keys with { Slots = [.. keys.Slots.Where(s => s.Key != key)] }, write).ConfigureAwait(false);
        await storage.DeleteAsync(key, cancellationToken).ConfigureAwait(false);
        return next;
    }, cancellationToken);

    /// <summary>Begins a new epoch: what is written from now on is sealed with a new data key.</summary>
    public Task<KeyRing> RotateAsync(KeyRing ring, CancellationToken cancellationToken) => ChangeAsync(ring, async (keys, write) =>
    {
        var next = ring.With(ring.Members, newEpoch: true);
        await ShareAsync(next, keys, write).ConfigureAwait(false);
        return next;
    }, cancellationToken);

    /// <summary>Forgets an epoch's data key. The caller has made sure that nothing is sealed with it.</summary>
    public Task<KeyRing> DropEpochAsync(KeyRing ring, uint epoch, CancellationToken cancellationToken) => ChangeAsync(ring, async (keys, write) =>
    {
        var next = ring.With(ring.Members, dropped: epoch);
        await ShareAsync(next, keys, write).ConfigureAwait(false);
        return next;
    }, cancellationToken);

    /// <summary>Gives the ring to members that a change which was cut short left behind, so that each can read what is written next.</summary>
    public async Task CatchUpAsync(KeyRing ring, KeySlots keys, CancellationToken cancellationToken)
    {
        if (!keys.Slots.Any(s => s.Ring.Generation < ring.Generation && ring.Has(s)))
            return;
        try
        {
            await ChangeAsync(ring, async (now, write) =>
            {
                await ShareAsync(ring, now with { Slots = [.. now.Slots.Where(s => s.Ring.Generation < ring.Generation)] }, write).ConfigureAwait(false);
                return true;
            }, cancellationToken).ConfigureAwait(false);
        }
        catch (DbRecoveryException e) when (e.Id == ErrorIds.RepositoryBusy)
        {
            // the change is still under way
        }
    }

    /// <summary>Whether a change of the keys is under way, or was cut short.</summary>
    public async Task<bool> IsChangingAsync(CancellationToken cancellationToken) =>
        await storage.StatAsync(LockKey, cancellationToken).ConfigureAwait(false) is not null;

    /// <summary>Removes the key of a creator who was not the first.</summary>
    public Task ForgetAsync(KeySlot slot, CancellationToken cancellationToken) => storage.DeleteAsync(slot.Key, cancellationToken);

    private static RingMember MemberOf(KeySlot slot) => new(slot.Id, System.Security.Cryptography.SHA256.HashData(slot.PublicKey));

    private static string Kind(RepositoryKeyKind kind) => kind == RepositoryKeyKind.Passphrase ? "passphrase" : "content";

    private static (string Key, Guid Id) Find(KeyRing ring, KeySlots keys, string labelOrId)
    {
        // a damaged file has no label that can be trusted, and a lost one no file: both still have their id
        var known = keys.Slots.Select(s => (s.Key, s.Label)).Concat(keys.Damaged.Select(d => (d.Key, Label: "")))
            .Concat(ring.Members.Select(m => (Key: $"{KeySlot.Folder}{m.Id:N}.json", Label: ""))).DistinctBy(k => k.Key).ToList();
        var found = known.Where(k => k.Label == labelOrId).ToList();
        if (found.Count == 0 && labelOrId.Length >= 4)
            found = [.. known.Where(k => k.Key.StartsWith(KeySlot.Folder + labelOrId.Replace("-", "", StringComparison.Ordinal).ToLowerInvariant(), StringComparison.Ordinal))];
        if (found.Count != 1)
            throw new DbRecoveryException(ErrorIds.ObjectNotFound, ErrorKind.NotFound, $"{(found.Count == 0 ? "no key" : "more than one key")} of the repository is '{labelOrId}'. {Describe(keys)}", "Give a label, or the beginning of an id of at least 4 characters.", labelOrId);
        _ = Guid.TryParseExact(Path.GetFileNameWithoutExtension(found[0].Key), "N", out var id);
        return (found[0].Key, id);
    }

    private static async Task ShareAsync(KeyRing ring, KeySlots keys, Func<KeySlot, Task> write)
    {
        // a file that is no member's gets nothing: it may have been put there by whoever can write to the storage
        foreach (var slot in keys.Slots.Where(ring.Has))
            await write(SlotCipher.WithRing(slot, ring)).ConfigureAwait(false);
    }

    private Task WriteAsync(KeySlot slot, CancellationToken cancellationToken) =>
        storage.PutAsync(slot.Key, SealedDocument.Write(slot), PutMode.Replace, cancellationToken);

    /// <summary>Changes the keys while nobody else does, and only where the ring at hand is the newest. Every key is written only while the lock is held.</summary>
    private async Task<T> ChangeAsync<T>(KeyRing ring, Func<KeySlots, Func<KeySlot, Task>, Task<T>> change, CancellationToken cancellationToken)
    {
        var owner = WriterSession.Describe("a change of the keys", clock);
        var own = SealedDocument.Write(owner);
        if (!await storage.PutAsync(LockKey, own, PutMode.IfAbsent, cancellationToken).ConfigureAwait(false)
            && !(await RemoveStaleLockAsync(owner, cancellationToken).ConfigureAwait(false) && await storage.PutAsync(LockKey, own, PutMode.IfAbsent, cancellationToken).ConfigureAwait(false)))
            throw Busy("are being changed by another process", $"Try again when it is done; what one that was killed on another machine left is ignored after {LockStaleAfter.TotalMinutes:0} minutes.");
        try
        {
            var keys = await LoadAsync(cancellationToken).ConfigureAwait(false);
            if (keys.GenerationOf(ring) > ring.Generation)
                throw Busy("were changed meanwhile", "Try again.");
            return await change(keys, async slot =>
            {
                if (await storage.GetAsync(LockKey, MaxSlotSize, cancellationToken).ConfigureAwait(false) is not { } held || !held.AsSpan().SequenceEqual(own))
                    throw Busy("are being changed by another process, which took this one for dead", "Look at the keys, and try again.");
                await WriteAsync(slot, cancellationToken).ConfigureAwait(false);
            }).ConfigureAwait(false);
        }
        finally
        {
            await ReleaseAsync(own, owner).ConfigureAwait(false);
        }
    }

    private async Task ReleaseAsync(byte[] own, SessionOwner owner)
    {
        try
        {
            await ExclusiveObject.RemoveAsync(storage, LockKey, own, owner, CancellationToken.None).ConfigureAwait(false);
        }
        catch (DbRecoveryException)
        {
            // a lock left behind is taken over; what was done, or the error that led here, is what counts
        }
    }

    private DbRecoveryException Busy(string what, string action) => new(ErrorIds.RepositoryBusy, ErrorKind.Busy, $"the keys of the repository '{storage.Location}' {what}", action, LockKey);

    private async Task<bool> RemoveStaleLockAsync(SessionOwner remover, CancellationToken cancellationToken)
    {
        if (await storage.StatAsync(LockKey, cancellationToken).ConfigureAwait(false) is not { } held
            || await storage.GetAsync(LockKey, MaxSlotSize, cancellationToken).ConfigureAwait(false) is not { } bytes)
            return true;
        var owner = SealedDocument.Read<SessionOwner>(bytes);
        // a process of this machine that lives may take as long as it wants
        if (owner?.IsAlive(MachineIdentity.Current) == true)
            return false;
        // one that provably died is not waited for; of others the storage's own clock decides
        return (owner?.IsDead(MachineIdentity.Current) == true || await StorageClock.NowAsync(storage, cancellationToken).ConfigureAwait(false) - held.ModifiedAt >= LockStaleAfter)
            && await ExclusiveObject.RemoveAsync(storage, LockKey, bytes, remover, cancellationToken).ConfigureAwait(false);
    }
}
