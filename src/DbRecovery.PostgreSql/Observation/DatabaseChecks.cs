using DbRecovery.PostgreSql.Connections;
using DbRecovery.PostgreSql.Sql;
using Npgsql;

namespace DbRecovery.PostgreSql.Observation;

/// <summary>The checks of all databases of a server, a few side by side. What reads whole tables is done in one at a time.</summary>
internal sealed class DatabaseChecks(PostgreSqlConnections connections, Look look, LightReading reading, RenewedSession own, IProgress<OperationProgress>? progress)
{
    private const int MostDatabases = 200;
    // with the session that is open already
    private const int MostSessions = 3;

    private readonly DatabaseFindings _found = new();

    private bool IsPrimary => reading.InRecovery == false;
    private bool IsDeep => look.Request.Level == ObservationLevel.Deep;

    /// <summary>Checks every database.</summary>
    internal async Task RunAsync(CancellationToken cancellationToken)
    {
        // a standby's catalogue is the primary's; its pages are its own
        if (!IsPrimary && !IsDeep)
            return;
        IReadOnlyList<DatabaseCheck> checks = [];
        try
        {
            var names = await own.UseAsync("listing the databases", (c, token) => Databases.ReadAsync(c, own.Again, token), cancellationToken).ConfigureAwait(false);
            checks = await CheckAsync([.. names.Take(MostDatabases)], cancellationToken).ConfigureAwait(false);
            if (names.Count > MostDatabases)
                UnseenAll($"only {MostDatabases} of {names.Count} databases were looked at");
        }
        catch (DbRecoveryException e)
        {
            look.Errors.Add(new ObservedError((e.InnerException as PostgresException)?.SqlState ?? e.Id, e.Message, "checking the databases"));
            UnseenAll(e.Message);
        }
        foreach (var check in checks)
        {
            _found.Add(check.Found);
            look.Errors.AddRange(check.Errors);
        }
        if (IsPrimary)
            _found.Record(reading.Facts, PostgreSqlFacts.InvalidIndexes, PostgreSqlFacts.InvalidConstraints, PostgreSqlFacts.SequencesBehind);
        if (IsDeep)
        {
            _found.Record(reading.Facts, PostgreSqlFacts.CorruptObjects);
            var without = checks.Where(c => c.Amchecked == false).Select(c => c.Database).ToList();
            reading.Facts.Set(PostgreSqlFacts.Amcheck, without.Count > 0 ? string.Join(", ", without) : checks.Any(c => c.Amchecked == true) ? "yes" : "no");
        }
    }

    private async Task<IReadOnlyList<DatabaseCheck>> CheckAsync(IReadOnlyList<string> names, CancellationToken cancellationToken)
    {
        var checks = new DatabaseCheck[names.Count];
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = IsDeep ? 1 : MostSessions, CancellationToken = cancellationToken };
        await Parallel.ForAsync(0, names.Count, parallel, async (i, token) =>
        {
            progress?.Report(new OperationProgress($"Observing {look.Request.Node.Name}", $"checking the database '{names[i]}'", i, names.Count));
            var login = ServerLogin.Of(look.Request.Cluster, look.Request.Node, names[i]);
            // a session to another database is never kept: it could not be dropped
            var session = login == look.Link.Login ? own : new RenewedSession(connections, login, look.Remaining);
            await using (session.ConfigureAwait(false))
            {
                checks[i] = new DatabaseCheck(look.Request.Level, login, session);
                await checks[i].RunAsync(IsPrimary, token).ConfigureAwait(false);
            }
        }).ConfigureAwait(false);
        return checks;
    }

    private void UnseenAll(string because)
    {
        foreach (var fact in (ReadOnlySpan<FactDefinition>)[PostgreSqlFacts.InvalidIndexes, PostgreSqlFacts.InvalidConstraints, PostgreSqlFacts.SequencesBehind, PostgreSqlFacts.CorruptObjects])
            _found.Unseen(fact, because);
    }
}
