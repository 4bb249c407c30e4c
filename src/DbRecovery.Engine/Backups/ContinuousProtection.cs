namespace DbRecovery.Engine.Backups;

/// <summary>How a database is protected continuously.</summary>
public sealed record ContinuousOptions
{
    /// <summary>The interval between two looks when nothing else is said.</summary>
    public static readonly TimeSpan DefaultEvery = TimeSpan.FromSeconds(10);

    /// <summary>The interval between two looks: the most that a loss of the database can cost, besides the time of a backup. At least 100 ms.</summary>
    public TimeSpan Every { get; init; } = DefaultEvery;
    /// <summary>How long to go on; null: until it is cancelled.</summary>
    public TimeSpan? For { get; init; }
    /// <summary>How many backups to take; null: no limit.</summary>
    public int? Count { get; init; }
}

/// <summary>
/// Watches a database and takes an increment when something was committed: each a backup like any other, with a session of its own that
/// ends with it. Where nothing changed nothing is written. An error costs its round: it is reported, and the next rounds come later and later
/// until one succeeds.
/// </summary>
/// <param name="backups">Takes the backups.</param>
/// <param name="watch">Tells whether anything changed; null: a backup is taken every time.</param>
/// <param name="clock">The clock; null: the system's.</param>
/// <param name="thin">Removes what retention no longer keeps; null: everything is kept.</param>
public sealed class ContinuousProtection(IBackupService backups, IChangeWatch? watch, TimeProvider? clock = null,
    Func<ClusterDefinition, RepositoryDefinition, CancellationToken, Task>? thin = null)
{
    /// <summary>The shortest interval.</summary>
    public static readonly TimeSpan ShortestEvery = TimeSpan.FromMilliseconds(100);

    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan BetweenThinnings = TimeSpan.FromMinutes(1);
    private const int MostDoublings = 16;
    private readonly TimeProvider _clock = clock ?? TimeProvider.System;

    /// <summary>Goes on until its options end it or it is cancelled, which is no error.</summary>
    /// <param name="cluster">The cluster.</param>
    /// <param name="repository">The repository.</param>
    /// <param name="options">Interval and end.</param>
    /// <param name="taken">Gets each backup.</param>
    /// <param name="failed">Gets the error of each round that failed.</param>
    /// <param name="cancellationToken">Ends it. A backup under way is given up and leaves nothing.</param>
    /// <returns>The number of backups taken.</returns>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.ParameterInvalid"/>; or an error that no later round can be without, such as <see cref="ErrorIds.CapabilityMissing"/>.</exception>
    public async Task<int> RunAsync(ClusterDefinition cluster, RepositoryDefinition repository, ContinuousOptions options,
        Action<BackupInfo> taken, Action<DbRecoveryException> failed, CancellationToken cancellationToken)
    {
        if (options.Every < ShortestEvery)
            throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"an interval of {options.Every.TotalMilliseconds} ms is too short", $"Give at least {ShortestEvery.TotalMilliseconds} ms.", cluster.Name);
        if (options.Count is < 1)
            throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"{options.Count} backups cannot be taken", "Give a count of at least 1.", cluster.Name);
        using var limited = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var timer = options.For is { } limit ? _clock.CreateTimer(_ => TryCancel(limited), null, limit, Timeout.InfiniteTimeSpan) : null;
        var state = new Rounds(cluster, repository, taken, failed);
        try
        {
            while (options.Count is not { } count || state.Taken < count)
            {
                var began = _clock.GetTimestamp();
                await RoundAsync(state, limited.Token).ConfigureAwait(false);
                if (state.Taken >= options.Count)
                    break;
                var pause = Pause(options.Every, state.Failures) - _clock.GetElapsedTime(began);
                if (pause > TimeSpan.Zero)
                    await Task.Delay(pause, _clock, limited.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (limited.IsCancellationRequested)
        {
            // the way in which it is meant to end
        }
        return state.Taken;
    }

    private async Task RoundAsync(Rounds state, CancellationToken cancellationToken)
    {
        try
        {
            // before the backup: what is committed while it is taken makes the next round take another one
            var mark = watch is null ? null : await watch.MarkAsync(BackupService.ChooseNode(state.Cluster), cancellationToken).ConfigureAwait(false);
            if (mark is null || mark != state.Mark)
            {
                var request = new BackupRequest { Cluster = state.Cluster, Repository = state.Repository, Kind = BackupKind.Incremental };
                var backup = await backups.CreateAsync(request, null, cancellationToken).ConfigureAwait(false);
                (state.Mark, state.Taken) = (mark, state.Taken + 1);
                state.OnTaken(backup);
                await ThinAsync(state, cancellationToken).ConfigureAwait(false);
            }
            state.Failures = 0;
        }
        catch (DbRecoveryException e) when (e.Kind is not (ErrorKind.NotSupported or ErrorKind.MissingDependency))
        {
            cancellationToken.ThrowIfCancellationRequested();
            state.Failures++;
            state.OnFailed(e);
        }
    }

    private async Task ThinAsync(Rounds state, CancellationToken cancellationToken)
    {
        if (thin is null || (state.Thinned is { } last && _clock.GetElapsedTime(last) < BetweenThinnings))
            return;
        state.Thinned = _clock.GetTimestamp();
        try
        {
            await thin(state.Cluster, state.Repository, cancellationToken).ConfigureAwait(false);
        }
        catch (DbRecoveryException e)
        {
            // the backups go on: too many of them is better than none
            state.OnFailed(e);
        }
    }

    private static TimeSpan Pause(TimeSpan every, int failures)
    {
        if (failures == 0)
            return every;
        var later = every * Math.Pow(2, Math.Min(failures, MostDoublings));
        return later < LongestPause ? later : every > LongestPause ? every : LongestPause;
    }

    private static void TryCancel(CancellationTokenSource source)
    {
        try
        {
            source.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // it ended by itself in this moment
        }
    }

    /// <summary>What is known from round to round: it does not grow.</summary>
    private sealed class Rounds(ClusterDefinition cluster, RepositoryDefinition repository, Action<BackupInfo> taken, Action<DbRecoveryException> failed)
    {
        public ClusterDefinition Cluster { get; } = cluster;
        public RepositoryDefinition Repository { get; } = repository;
        public Action<BackupInfo> OnTaken { get; } = taken;
        public Action<DbRecoveryException> OnFailed { get; } = failed;
        public string? Mark { get; set; }
        public int Taken { get; set; }
        public int Failures { get; set; }
        public long? Thinned { get; set; }
    }
}
