using DbRecovery.PostgreSql.Connections;
using Npgsql;

namespace DbRecovery.PostgreSql.Observation;

/// <summary>Turns a PostgreSQL server into facts. It sends nothing but reads.</summary>
internal sealed class PostgreSqlObserver(PostgreSqlConnections connections, INodeCommands commands) : INodeObserver, INodeEvents
{
    // a longer look may take minutes; whether the server answers is known sooner
    private static readonly TimeSpan AnswerTime = TimeSpan.FromSeconds(15);

    private static readonly TimeSpan RightsHold = TimeSpan.FromSeconds(30);

    private readonly TimeProvider _clock = connections.Clock;
    private readonly DiskSpace _space = new(commands, new LocalDisk(connections.Clock));

    /// <inheritdoc/>
    public async Task<NodeObservation> ObserveAsync(ObservationRequest request, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var look = new Look(request, connections.Link(request.Cluster, request.Node), _clock);
        try
        {
            var reading = await LightAsync(look, cancellationToken).ConfigureAwait(false);
            if (request.Level != ObservationLevel.Quick)
                await new LongLook(connections, _space, look, reading, progress).RunAsync(cancellationToken).ConfigureAwait(false);
            return look.Report(reading);
        }
        catch (LookFailedException e)
        {
            return look.Report(e.Failure);
        }
    }

    /// <inheritdoc/>
    public Task<ObservedError> BrokenAsync(ClusterDefinition cluster, NodeDefinition node, CancellationToken cancellationToken) =>
        connections.Link(cluster, node).BrokenAsync(cancellationToken);

    private async Task<LightReading> LightAsync(Look look, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            var (session, failure) = await look.Link.TakeAsync(look.Remaining(AnswerTime), cancellationToken).ConfigureAwait(false);
            if (session is null)
            {
                // a port that took the connection and dropped it may be a server that is just ending: one more look tells
                if (attempt == 1 && failure!.Code == ConnectionFailure.Broken)
                    continue;
                throw new LookFailedException(failure!);
            }
            ObservedError? error = null;
            var waited = session.Waited;
            try
            {
                return await AskAsync(look, session, cancellationToken).ConfigureAwait(false);
            }
            catch (DbRecoveryException e) when (e.Id == ErrorIds.VersionNotSupported)
            {
                throw new LookFailedException(new ConnectionFailure(e.Id, Reachability.Refusing, e.Message, e));
            }
            catch (Exception e) when (e is NpgsqlException or ServerSilentException or NoSessionException or InvalidOperationException or IOException)
            {
                var lost = ConnectionFailure.Of(e);
                error = lost.Observed("observing");
                // a session that was kept may have ended since: a new one says what is there now
                if (!waited || attempt > 1 || e is ServerSilentException)
                    throw new LookFailedException(lost);
                look.Errors.Add(error);
            }
            finally
            {
                await look.Link.GiveBackAsync(session, error).ConfigureAwait(false);
            }
        }
    }

    private async Task<LightReading> AskAsync(Look look, LinkSession session, CancellationToken cancellationToken)
    {
        // what was refused may have been granted since
        if (session.Memory is not LightQuery query || !query.Profile.Monitor && _clock.GetElapsedTime(query.Since) > RightsHold)
        {
            var profile = await session.RunAsync((connection, token) => ServerProfile.ReadAsync(connection, look.Link.Login, token), look.Remaining(AnswerTime), cancellationToken).ConfigureAwait(false);
            session.Memory = query = new LightQuery(session.Connection, profile, _clock.GetTimestamp());
        }
        else
        {
            session.Again = true;
        }
        var started = _clock.GetTimestamp();
        LightReading reading;
        try
        {
            reading = await session.RunAsync((_, token) => query.ReadAsync(token), look.Remaining(AnswerTime), cancellationToken).ConfigureAwait(false);
        }
        catch (PostgresException e) when (!e.SqlState.StartsWith("57P", StringComparison.Ordinal))
        {
            // something of it is refused or damaged: the rest can be had. 57P01 and its like end the session, and only that
            session.Memory = null;
            var parts = new RenewedSession(connections, look.Link.Login, () => look.Remaining(AnswerTime));
            await using (parts.ConfigureAwait(false))
                reading = await query.ReadPartsAsync(parts, cancellationToken).ConfigureAwait(false);
        }
        reading.Facts.Set(CommonFacts.ProbeLatency, _clock.GetElapsedTime(started));
        LightFacts.Record(reading, look.Link.Login);
        if (session.IsOpen && query.Forks.AreNeeded(reading.Timeline, query.Profile))
            await AskForksAsync(look, session, query, reading.Timeline!.Value, cancellationToken).ConfigureAwait(false);
        query.Forks.Record(reading.Facts, reading.Timeline, query.Profile, look.Link.Login);
        if (session.IsOpen && Details.AreNeeded(reading, look.Request.Level))
            await AskDetailsAsync(look, session, reading, cancellationToken).ConfigureAwait(false);
        return reading;
    }

    private static async Task AskForksAsync(Look look, LinkSession session, LightQuery query, long timeline, CancellationToken cancellationToken)
    {
        try
        {
            await session.RunAsync((connection, token) => query.Forks.ReadAsync(connection, timeline, token), look.Remaining(AnswerTime), cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is NpgsqlException or ServerSilentException or InvalidOperationException or FormatException)
        {
            // the light query was answered: that stands
            look.Errors.Add(e is FormatException ? new ObservedError(ErrorIds.DatabaseCorrupt, e.Message, "reading the history of its timeline") : ConnectionFailure.Of(e).Observed("reading the history of its timeline"));
        }
    }

    private static async Task AskDetailsAsync(Look look, LinkSession session, LightReading reading, CancellationToken cancellationToken)
    {
        try
        {
            reading.Add(await session.RunAsync((connection, token) => Details.ReadAsync(connection, reading, look.Request.Level, session.Again, token), look.Remaining(AnswerTime), cancellationToken).ConfigureAwait(false));
        }
        catch (Exception e) when (e is NpgsqlException or ServerSilentException or InvalidOperationException)
        {
            // the light query was answered: that stands
            var error = ConnectionFailure.Of(e).Observed("asking who holds others up");
            look.Errors.Add(error);
            reading.Facts.SetUnknown(PostgreSqlFacts.RootBlockers, error.Message);
            reading.Facts.SetUnknown(PostgreSqlFacts.XminHolder, error.Message);
        }
    }
}
