using System.Text.RegularExpressions;
using DbRecovery.PostgreSql.Connections;

namespace DbRecovery.PostgreSql.Sql;

/// <summary>An index that must be rebuilt.</summary>
/// <param name="Name">Its name with its schema.</param>
/// <param name="Why">What is wrong with it.</param>
/// <param name="Repair">The statement that mends it.</param>
/// <param name="Concurrent">Whether it does that without locking out writers.</param>
internal sealed record BrokenIndex(string Name, string Why, string Repair, bool Concurrent);

/// <summary>Finds the indexes of a database that are not valid, or that amcheck finds damaged.</summary>
internal static partial class BrokenIndexes
{
    // partitioned indexes have no storage: what makes them invalid is a missing part
    private const string Invalid = """
        select n.nspname, i.relname, n.nspname like 'pg\_%', exists (select from pg_class b where b.relnamespace = i.relnamespace and b.relkind = 'i' and b.relname = regexp_replace(i.relname, '_cc(new|old)[0-9]*$', '') and b.oid <> i.oid)
        from pg_index x join pg_class i on i.oid = x.indexrelid join pg_namespace n on n.oid = i.relnamespace
        where not x.indisvalid and i.relkind = 'i' and i.relpersistence <> 't'
          and not exists (select from pg_stat_progress_create_index p where p.index_relid = x.indexrelid)
        order by n.nspname, i.relname
        """;

    /// <summary>Looks.</summary>
    internal static async Task<IReadOnlyList<BrokenIndex>> FindAsync(RenewedSession session, CancellationToken cancellationToken)
    {
        var found = await session.RunAsync((c, token) => c.RowsAsync(Invalid, r => Of(r.GetString(0), r.GetString(1), "it is not valid", r.GetBoolean(2), leftover: r.GetBoolean(3)), token), cancellationToken).ConfigureAwait(false);
        if (await session.RunAsync(Amcheck.OfAsync, cancellationToken).ConfigureAwait(false) is { MayCheckIndexes: true } amcheck)
        {
            foreach (var index in await session.RunAsync(amcheck.IndexesAsync, cancellationToken).ConfigureAwait(false))
            {
                if (await session.RunAsync((c, token) => amcheck.CheckIndexAsync(c, index, token), cancellationToken).ConfigureAwait(false) is { } damage)
                    found.Add(Of(index.Schema, index.Name, damage, index.Schema.StartsWith("pg_", StringComparison.Ordinal), leftover: false));
            }
        }
        return found;
    }

    private static BrokenIndex Of(string schema, string name, string why, bool system, bool leftover)
    {
        var quoted = $"{SqlText.Identifier(schema)}.{SqlText.Identifier(name)}";
        // a system index cannot be rebuilt beside its users
        if (system)
            return new BrokenIndex($"{schema}.{name}", why, $"REINDEX INDEX {quoted}", Concurrent: false);
        // what a concurrent rebuild that failed has left beside the index itself would become a second one (manual, REINDEX, "Rebuilding Indexes Concurrently")
        var repair = leftover && Leftover().IsMatch(name) ? "DROP" : "REINDEX";
        return new BrokenIndex($"{schema}.{name}", why, $"{repair} INDEX CONCURRENTLY {quoted}", Concurrent: true);
    }

    [GeneratedRegex("_cc(new|old)[0-9]*$", RegexOptions.CultureInvariant)]
    private static partial Regex Leftover();
}
