namespace DbRecovery.Engine.Routing;

/// <summary>
/// A database of PgBouncer, on this machine (its file is rewritten). Planned: paused first, so that clients only wait. Otherwise sessions that
/// still lead to the old server are ended with it: the ones that do not end by themselves in a moment, by <c>KILL</c>.
/// </summary>
internal sealed class PgBouncerRoute(ClusterDefinition cluster, RouteDefinition route, IPoolerConsole console, TimeProvider clock) : Route(cluster, route)
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(20);
    /// <summary>What letting clients go on again may take, whatever else ran out of time.</summary>
    private static readonly TimeSpan ResumeTime = TimeSpan.FromSeconds(5);
    private const string RetrySetting = "server_login_retry";
    /// <summary>What sessions of the old server have to end by themselves.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(1);

    private string Database => Definition.Database is { Length: > 0 } name and not "*" and not "pgbouncer"
        ? name
        : throw Failed($"'{Definition.Database}' is no database that can be led elsewhere by itself", "Give the route 'database: NAME', a database of its own in PgBouncer's [databases].");

    private string Quoted => console.Quote(Database);

    private string File => Definition.File ?? throw Failed("the inventory names no file", "Add 'file: PATH' to the route: the file with PgBouncer's [databases] section.");

    public override async Task<RouteObservation> LookAsync(DateTimeOffset now, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var row = await RowAsync(timeout, cancellationToken).ConfigureAwait(false);
        if (On(row, "disabled"))
            return Seen(now, []);
        var node = Address(row) is { } address ? await address.FindAsync(Cluster, cancellationToken).ConfigureAwait(false) : null;
        return Seen(now, [node?.Name ?? $"{row.GetValueOrDefault("host")}:{row.GetValueOrDefault("port")}"], On(row, "paused"));
    }

    // a pause that is there already is asked for again: it may be one that still waits for transactions
    public override RouteStep Pause() => new([Act(ActKind.Sql, $"PAUSE {Quoted}")], async (timeout, cancellationToken) =>
    {
        try
        {
            await RunAsync($"PAUSE {Quoted}", timeout, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (Exception e) when (e is DbRecoveryException or OperationCanceledException)
        {
            // PgBouncer goes on waiting, and holding clients back, after we have stopped to
            await LetGoAsync(e).ConfigureAwait(false);
            if (e is OperationCanceledException)
                throw;
            throw Failed($"transactions (with pool_mode session: sessions) did not end within {timeout.TotalSeconds:0.###} s, or it could not be paused; clients go on as before ({e.Message})",
                "End long transactions (with pool_mode session: sessions), or allow more time.", e);
        }
    });

    public override RouteStep Resume() => new([Act(ActKind.Sql, $"RESUME {Quoted}")], async (timeout, cancellationToken) =>
    {
        if (!On(await RowAsync(timeout, cancellationToken).ConfigureAwait(false), "paused"))
            return false;
        await RunAsync($"RESUME {Quoted}", timeout, cancellationToken).ConfigureAwait(false);
        return true;
    });

    public override RouteStep SetPrimary(NodeDefinition primary) => new(
        [
            new(ActKind.Modify, File, $"[databases] {Database}: host={primary.Host} port={primary.Port}"),
            Act(ActKind.Sql, "RELOAD"),
            Act(ActKind.Sql, $"KILL {Quoted} (if sessions with another server last longer than {Grace.TotalSeconds:0.###} s)"),
            Act(ActKind.Sql, $"RESUME {Quoted} (if it is paused)"),
            Act(ActKind.Sql, $"SET {RetrySetting} = 0, and back (while clients wait)"),
        ],
        async (timeout, cancellationToken) =>
        {
            var left = Left(timeout);
            var target = new Endpoint(primary.Host ?? primary.Name, primary.Port ?? 0);
            ChangeFile(target);
            // this also marks every session with another server to be closed when its client lets it go
            await RunAsync("RELOAD", left(), cancellationToken).ConfigureAwait(false);
            var row = await RowAsync(left(), cancellationToken).ConfigureAwait(false);
            if (Address(row) != target)
            {
                throw Failed($"after RELOAD it still leads to {row.GetValueOrDefault("host")}:{row.GetValueOrDefault("port")}",
                    $"Check that '{File}' is the file that this PgBouncer reads, and its log for errors.");
            }
            var paused = On(row, "paused");
            if (await EndOldSessionsAsync(left, cancellationToken).ConfigureAwait(false) || paused)
                await RunAsync($"RESUME {Quoted}", Quantities.Most(left(), ResumeTime), cancellationToken).ConfigureAwait(false);
            await LetWaitingInAsync(left, cancellationToken).ConfigureAwait(false);
            return true;
        });

    public override RouteStep EndSessions(NodeDefinition node) => new([Act(ActKind.Sql, $"KILL {Quoted} (if it leads to {node.Address})")], async (timeout, cancellationToken) =>
    {
        var left = Left(timeout);
        var row = await RowAsync(left(), cancellationToken).ConfigureAwait(false);
        // a paused one is killed all the same: what holds clients back may still have sessions with the server
        if (Address(row) is { } address && await address.IsAsync(node, cancellationToken).ConfigureAwait(false))
            await RunAsync($"KILL {Quoted}", left(), cancellationToken).ConfigureAwait(false);
        return true;
    });

    /// <summary>Waits a moment for sessions with the old server, then ends them with their clients, which also pauses. Whether it had to.</summary>
    private async Task<bool> EndOldSessionsAsync(Func<TimeSpan> left, CancellationToken cancellationToken)
    {
        var since = clock.GetTimestamp();
        while (await OldSessionsAsync(left(), cancellationToken).ConfigureAwait(false) > 0)
        {
            if (clock.GetElapsedTime(since) >= Grace)
            {
                // clients with a session on a server that is no primary any more cannot go on with it
                await RunAsync($"KILL {Quoted}", left(), cancellationToken).ConfigureAwait(false);
                return true;
            }
            await Task.Delay(Interval, clock, cancellationToken).ConfigureAwait(false);
        }
        return false;
    }

    /// <summary>
    /// After a failed connection PgBouncer tries no other for <c>server_login_retry</c> (15 s), to the new address neither. Clients that wait for
    /// one are let in at once by lowering that for a moment.
    /// </summary>
    private async Task LetWaitingInAsync(Func<TimeSpan> left, CancellationToken cancellationToken)
    {
        if (await WaitingAsync(left(), cancellationToken).ConfigureAwait(false) == 0
            || (await RunAsync("SHOW CONFIG", left(), cancellationToken).ConfigureAwait(false)).FirstOrDefault(r => r.GetValueOrDefault("key") == RetrySetting)?.GetValueOrDefault("value") is not { Length: > 0 } before)
        {
            return;
        }
        try
        {
            await RunAsync($"SET {RetrySetting} = 0", left(), cancellationToken).ConfigureAwait(false);
            var since = clock.GetTimestamp();
            while (clock.GetElapsedTime(since) < Grace && await WaitingAsync(left(), cancellationToken).ConfigureAwait(false) > 0)
                await Task.Delay(Interval, clock, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            // should this be cut off, the next RELOAD puts it back
            await RunAsync($"SET {RetrySetting} = {before}", ResumeTime, CancellationToken.None).ConfigureAwait(false);
        }
    }

    private async Task<int> WaitingAsync(TimeSpan timeout, CancellationToken cancellationToken) =>
        (await RunAsync("SHOW POOLS", timeout, cancellationToken).ConfigureAwait(false)).Count(r => r.GetValueOrDefault("database") == Database && On(r, "cl_waiting"));

    /// <summary>Sessions that were opened before the address was changed.</summary>
    private async Task<int> OldSessionsAsync(TimeSpan timeout, CancellationToken cancellationToken) =>
        (await RunAsync("SHOW SERVERS", timeout, cancellationToken).ConfigureAwait(false)).Count(r => r.GetValueOrDefault("database") == Database && On(r, "close_needed"));

    private void ChangeFile(Endpoint target)
    {
        try
        {
            PoolerFile.Change(File, Database, target);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException)
        {
            throw Failed($"its file '{File}' cannot be changed: {e.Message}", "Check the file's name in the inventory and this user's rights to it and its folder.", e);
        }
    }

    private async Task LetGoAsync(Exception cause)
    {
        try
        {
            await RunAsync($"RESUME {Quoted}", ResumeTime, CancellationToken.None).ConfigureAwait(false);
        }
        catch (DbRecoveryException) when (cause is DbRecoveryException { Id: ErrorIds.ConnectionFailed or ErrorIds.LoginFailed or ErrorIds.TlsFailed or ErrorIds.SecretUnavailable })
        {
            // the console was never reached, so nothing was paused
        }
        catch (DbRecoveryException e) when (e.Id == ErrorIds.RouteFailed)
        {
            // it is not paused, says PgBouncer
        }
        catch (DbRecoveryException e)
        {
            throw new DbRecoveryException(ErrorIds.OutcomeUnknown, ErrorKind.Failed, $"the route {Name} may be paused, and could not be told to go on: {e.Message}",
                $"Run RESUME {Quoted} on its console.", Definition.Name, e);
        }
    }

    private async Task<IReadOnlyDictionary<string, string?>> RowAsync(TimeSpan timeout, CancellationToken cancellationToken) =>
        (await RunAsync("SHOW DATABASES", timeout, cancellationToken).ConfigureAwait(false)).FirstOrDefault(r => r.GetValueOrDefault("name") == Database)
        ?? throw Failed($"PgBouncer knows no database '{Database}'", "Check the database's name in the inventory.");

    private Task<IReadOnlyList<IReadOnlyDictionary<string, string?>>> RunAsync(string command, TimeSpan timeout, CancellationToken cancellationToken) =>
        console.ExecuteAsync(Definition, command, timeout, cancellationToken);

    private static Endpoint? Address(IReadOnlyDictionary<string, string?> row) =>
        row.GetValueOrDefault("host") is { Length: > 0 } host && int.TryParse(row.GetValueOrDefault("port"), out var port) ? new Endpoint(host, port) : null;

    private static bool On(IReadOnlyDictionary<string, string?> row, string column) => row.GetValueOrDefault(column) is not (null or "" or "0");


    private Func<TimeSpan> Left(TimeSpan timeout)
    {
        var since = clock.GetTimestamp();
        return () => timeout - clock.GetElapsedTime(since) is var left && left > TimeSpan.Zero ? left : TimeSpan.Zero;
    }
}
