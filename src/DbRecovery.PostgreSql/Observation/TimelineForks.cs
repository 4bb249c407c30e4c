using System.Globalization;
using DbRecovery.PostgreSql.Connections;
using DbRecovery.PostgreSql.Replicas;
using Npgsql;

namespace DbRecovery.PostgreSql.Observation;

/// <summary>Where a server's timeline left the earlier ones. A timeline's history never changes, so a session asks once a timeline.</summary>
internal sealed class TimelineForks
{
    // the one function that bears a missing file without an error in the server's log; the length is far beyond any history's
    private const string Query = "SELECT convert_from(pg_read_binary_file('pg_wal/' || $1, 0, 1048576, true), 'UTF8')";

    private long _timeline;
    private IReadOnlyList<string> _forks = [];

    /// <summary>Whether the history of a timeline has to be asked for.</summary>
    internal bool AreNeeded(long? timeline, ServerProfile profile) => timeline > 1 && timeline != _timeline && profile.HistoryFiles;

    /// <summary>Asks for the history of a timeline.</summary>
    internal async Task<bool> ReadAsync(NpgsqlConnection connection, long timeline, CancellationToken cancellationToken)
    {
        var rows = await connection.RowsAsync(Query, r => r.Text(0), cancellationToken, new NpgsqlParameter { Value = TimelineHistory.FileName((int)timeline) }).ConfigureAwait(false);
        if (rows[0] is not { } text)
            return false;
        var history = TimelineHistory.Parse((int)timeline, text);
        _forks = [.. history.Stretches.SkipLast(1).Select(s => string.Create(CultureInfo.InvariantCulture, $"{s.Timeline}: {SqlText.Lsn(s.To)}"))];
        _timeline = timeline;
        return true;
    }

    /// <summary>Notes what is known of a timeline, or why nothing is.</summary>
    internal void Record(FactSet facts, long? timeline, ServerProfile profile, ServerLogin login)
    {
        if (timeline == 1 || (timeline is not null && timeline == _timeline))
            facts.Set(PostgreSqlFacts.TimelineForks, FactValue.OfList(timeline == 1 ? [] : _forks));
        else
        {
            facts.SetUnknown(PostgreSqlFacts.TimelineForks, timeline is null ? "the server did not say its timeline"
                : profile.HistoryFiles ? "the history of its timeline could not be read"
                : $"the user '{login.User}' may not read it: GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean) TO {SqlText.Identifier(login.User)};");
        }
    }
}
