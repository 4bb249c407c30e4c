namespace DbRecovery.Engine.Backups;

/// <summary>
/// One removal of what nobody needs: mark, trash, sweep. An object is deleted only from the trash, only when its mark was sealed longer
/// than the grace ago by the storage's clock, every session that was open at the sealing has ended, and manifests read after that do
/// not refer to it. Killed anywhere, the next run goes on: an unsealed mark joins the next.
/// </summary>
internal sealed class PruneRun(BackupRepository repository, UpkeepOptions options, TimeProvider clock)
{
    private static readonly TrashKind[] DeletionOrder = [TrashKind.Manifest, TrashKind.Proof, TrashKind.Pack, TrashKind.Session, TrashKind.Sealed];
    private readonly IRepositoryStorage _storage = repository.Storage;
    private bool _anything;

    /// <summary>The mark of what this run removes.</summary>
    public string Mark { get; } = Trash.NewMark();

    public int TrashedPacks { get; private set; }
    public long TrashedBytes { get; private set; }
    public int TakenBack { get; set; }
    public int Deleted { get; set; }
    public long Freed { get; set; }
    public int DeadSessions { get; private set; }
    public long WaitingBytes { get; private set; }
    public string? WaitingFor { get; private set; }

    /// <summary>Removes dead sessions and reads the clocks.</summary>
    public async Task<Clocks> BeginAsync(DateTimeOffset? newestBackup, CancellationToken cancellationToken)
    {
        var now = await StorageClock.NowAsync(_storage, cancellationToken).ConfigureAwait(false);
        DeadSessions = await WriterSession.RemoveDeadAsync(_storage, options.SessionLimit, now, WriterSession.Describe("a removal of dead sessions", clock), cancellationToken).ConfigureAwait(false);
        return new Clocks(clock.GetUtcNow(), now, newestBackup);
    }

    /// <summary>Moves an object into this run's mark; one that is gone is no error.</summary>
    public async Task<bool> ThrowAsync(string key, TrashKind kind, string name, CancellationToken cancellationToken)
    {
        _anything = true;
        return await WithRoomAsync(() => Trash.TryMoveAsync(_storage, key, Trash.Key(Mark, kind, name), cancellationToken), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The packs that no manifest refers to. While somebody writes, packs as young as the oldest session are left: they are probably that writer's.</summary>
    public async Task<IReadOnlyList<(string Name, StorageObject Object)>> UnreferencedAsync(RepositoryMark mark, CancellationToken cancellationToken)
    {
        var present = await RepositoryMark.PresentAsync(_storage, cancellationToken).ConfigureAwait(false);
        var sessions = await WritersAsync(cancellationToken).ConfigureAwait(false);
        var youngest = sessions.Count == 0 ? DateTimeOffset.MaxValue : sessions.Min(s => s.ModifiedAt);
        return [.. present.Where(p => !mark.Packs.Contains(p.Key) && p.Value.ModifiedAt < youngest).Select(p => (p.Key, p.Value))];
    }

    /// <summary>Moves what no manifest refers to into the trash, looks once more, and seals the mark.</summary>
    public async Task TrashAsync(CancellationToken cancellationToken)
    {
        var mark = await RepositoryMark.ReadAsync(repository, null, cancellationToken).ConfigureAwait(false);
        foreach (var (name, found) in await UnreferencedAsync(mark, cancellationToken).ConfigureAwait(false))
        {
            if (!await ThrowAsync(found.Key, TrashKind.Pack, name, cancellationToken).ConfigureAwait(false))
                continue;
            TrashedPacks++;
            TrashedBytes += found.Size;
        }
        await AdoptAsync(cancellationToken).ConfigureAwait(false);
        if (!_anything)
            return;
        // a manifest that was written between the look and the move: its writer looks again too, one of the two sees the other
        mark = await RepositoryMark.ReadAsync(repository, null, cancellationToken).ConfigureAwait(false);
        await TakeBackAsync(await MineAsync(cancellationToken).ConfigureAwait(false), mark, cancellationToken).ConfigureAwait(false);
        await SealAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Deletes from the trash what may go.</summary>
    public async Task SweepAsync(CancellationToken cancellationToken)
    {
        var now = await StorageClock.NowAsync(_storage, cancellationToken).ConfigureAwait(false);
        var marks = (await Trash.ListAsync(_storage, cancellationToken).ConfigureAwait(false)).GroupBy(t => t.Mark).Select(g => g.ToList()).ToList();
        var open = (await WritersAsync(cancellationToken).ConfigureAwait(false)).Select(s => s.Key).ToHashSet(StringComparer.Ordinal);
        var due = marks.Where(m => WaitsFor(m, now, open) is null).ToList();
        foreach (var waiting in marks.Except(due))
        {
            WaitingBytes += waiting.Sum(t => t.Object.Size);
            WaitingFor ??= WaitsFor(waiting, now, open);
        }
        if (due.Count == 0)
            return;
        if (options.Grace > TimeSpan.Zero && now - clock.GetUtcNow() > options.MaxSkew)
        {
            WaitingBytes += due.Sum(m => m.Sum(t => t.Object.Size));
            WaitingFor = $"the storage's clock, {now.UtcDateTime:u}, is ahead of this machine's, {clock.GetUtcNow().UtcDateTime:u}";
            return;
        }
        // read after the sessions: whoever was open at the sealing has written its manifest by now, or never will
        var mark = await RepositoryMark.ReadAsync(repository, null, cancellationToken).ConfigureAwait(false);
        foreach (var thrown in due)
        {
            var rest = await TakeBackAsync(thrown, mark, cancellationToken).ConfigureAwait(false);
            foreach (var item in rest.OrderBy(t => Array.IndexOf(DeletionOrder, t.Kind)))
                await DeleteAsync(item.Object, item.Kind < TrashKind.Session, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Deletes an object and counts it.</summary>
    public async Task DeleteAsync(StorageObject item, bool counts, CancellationToken cancellationToken)
    {
        await _storage.DeleteAsync(item.Key, cancellationToken).ConfigureAwait(false);
        Deleted += counts ? 1 : 0;
        Freed += item.Size;
    }

    /// <summary>The open sessions of writers.</summary>
    public async Task<IReadOnlyList<StorageObject>> WritersAsync(CancellationToken cancellationToken)
    {
        var found = new List<StorageObject>();
        await foreach (var session in _storage.ListAsync("sessions/", cancellationToken).ConfigureAwait(false))
        {
            if (session.Key != UpkeepLock.Key)
                found.Add(session);
        }
        return found;
    }

    /// <summary>What a mark waits for; null where it may be deleted.</summary>
    private string? WaitsFor(List<TrashObject> mark, DateTimeOffset now, HashSet<string> open)
    {
        if (mark.FirstOrDefault(t => t.Kind == TrashKind.Sealed) is not { } seal)
            return "another removal";
        if (seal.Object.ModifiedAt + options.Grace > now)
            return $"the grace, until {(seal.Object.ModifiedAt + options.Grace).UtcDateTime:u}";
        return mark.FirstOrDefault(t => t.Kind == TrashKind.Session && open.Contains($"sessions/{t.Name}")) is { } session
            ? $"the session {session.Name}, which was open when it was removed"
            : null;
    }

    /// <summary>What a killed run left in an unsealed mark joins this one, before this one's sessions are read.</summary>
    private async Task AdoptAsync(CancellationToken cancellationToken)
    {
        var marks = (await Trash.ListAsync(_storage, cancellationToken).ConfigureAwait(false)).GroupBy(t => t.Mark);
        foreach (var mark in marks.Where(m => m.Key != Mark && m.All(t => t.Kind != TrashKind.Sealed)))
        {
            // its sessions stay: should it live after all, it seals with them
            foreach (var left in mark.Where(t => t.Kind < TrashKind.Session))
                await ThrowAsync(left.Object.Key, left.Kind, left.Name, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task<List<TrashObject>> MineAsync(CancellationToken cancellationToken) =>
        [.. (await Trash.ListAsync(_storage, cancellationToken).ConfigureAwait(false)).Where(t => t.Mark == Mark)];

    /// <summary>Puts back the packs that a manifest refers to; gives the rest.</summary>
    private async Task<List<TrashObject>> TakeBackAsync(List<TrashObject> thrown, RepositoryMark mark, CancellationToken cancellationToken)
    {
        var rest = new List<TrashObject>();
        foreach (var item in thrown)
        {
            // a pack that was written again meanwhile needs no copy from the trash
            if (item.Kind != TrashKind.Pack || !mark.Packs.Contains(item.Name)
                || await _storage.StatAsync(PackFormat.Key(item.Name), cancellationToken).ConfigureAwait(false) is not null)
            {
                rest.Add(item);
                continue;
            }
            if (await Trash.TryTakeBackAsync(_storage, item.Object.Key, PackFormat.Key(item.Name), cancellationToken).ConfigureAwait(false))
                TakenBack++;
        }
        return rest;
    }

    private async Task SealAsync(CancellationToken cancellationToken)
    {
        foreach (var session in await WritersAsync(cancellationToken).ConfigureAwait(false))
            await PutEmptyAsync(Trash.Key(Mark, TrashKind.Session, session.Key["sessions/".Length..]), cancellationToken).ConfigureAwait(false);
        await PutEmptyAsync(Trash.Key(Mark, TrashKind.Sealed), cancellationToken).ConfigureAwait(false);
    }

    private Task PutEmptyAsync(string key, CancellationToken cancellationToken) =>
        WithRoomAsync(() => _storage.PutAsync(key, ReadOnlyMemory<byte>.Empty, PutMode.Replace, cancellationToken), cancellationToken);

    /// <summary>A name takes no space on most file systems, and a block on some: then an index makes room.</summary>
    private async Task<bool> WithRoomAsync(Func<Task<bool>> work, CancellationToken cancellationToken)
    {
        const int most = 64;
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                return await work().ConfigureAwait(false);
            }
            catch (DbRecoveryException e) when (e.Id == ErrorIds.OutOfSpace && attempt < most)
            {
                if (!await UpkeepLock.MakeRoomAsync(_storage, cancellationToken).ConfigureAwait(false))
                    throw;
            }
        }
    }
}
