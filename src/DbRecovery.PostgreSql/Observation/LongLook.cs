using DbRecovery.PostgreSql.Connections;
using Npgsql;

namespace DbRecovery.PostgreSql.Observation;

/// <summary>The parts of a standard or deep look that go beyond the light query. One that fails or takes too long makes its own facts unknown, nothing else.</summary>
internal sealed class LongLook(PostgreSqlConnections connections, DiskSpace space, Look look, LightReading reading, IProgress<OperationProgress>? progress)
{
    private readonly ObservationRequest _request = look.Request;

    /// <summary>Looks, within the time that is left.</summary>
    internal async Task RunAsync(CancellationToken cancellationToken)
    {
        var disk = space.ReadAsync(_request.Cluster, _request.Node, look.Remaining(), cancellationToken);
        await AskAsync(cancellationToken).ConfigureAwait(false);
        reading.Add(await disk.ConfigureAwait(false));
    }

    private async Task AskAsync(CancellationToken cancellationToken)
    {
        // one session for all: where another look was made a moment ago, it is open. A deep look, which may take hours, keeps no other from it
        var session = new RenewedSession(connections, look.Link.Login, look.Remaining, _request.Level == ObservationLevel.Deep ? null : look.Link);
        await using var closing = session.ConfigureAwait(false);
        await PartAsync(session, "reading sizes", (c, token) => SlowFacts.ReadAsync(c, reading.Profile, look.Link.Login, session.Again, token), cancellationToken,
            PostgreSqlFacts.DatabaseSizes, CommonFacts.DataSize, PostgreSqlFacts.WalBytes, PostgreSqlFacts.OldestWal).ConfigureAwait(false);
        // what a standby has is behind: it is asked where writes go
        if (reading.InRecovery == false && _request.Cluster.Expects.Tables is { Count: > 0 } declared)
        {
            await PartAsync(session, "looking at the declared tables", (c, token) => DeclaredTables.ReadAsync(c, declared, look.Link.Login, token), cancellationToken,
                CommonFacts.MissingTables, CommonFacts.ShortTables).ConfigureAwait(false);
        }
        await new DatabaseChecks(connections, look, reading, session, progress).RunAsync(cancellationToken).ConfigureAwait(false);
    }

    private async Task PartAsync(RenewedSession session, string during, Func<NpgsqlConnection, CancellationToken, Task<FactSet>> part, CancellationToken cancellationToken, params FactDefinition[] facts)
    {
        try
        {
            reading.Add(await session.UseAsync(during, part, cancellationToken).ConfigureAwait(false));
        }
        catch (DbRecoveryException e)
        {
            look.Errors.Add(new ObservedError((e.InnerException as PostgresException)?.SqlState ?? e.Id, e.Message, during));
            foreach (var fact in facts)
                reading.Facts.SetUnknown(fact, e.Message);
        }
    }
}
