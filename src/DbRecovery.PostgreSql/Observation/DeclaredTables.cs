using System.Globalization;
using DbRecovery.PostgreSql.Connections;
using Npgsql;

namespace DbRecovery.PostgreSql.Observation;

/// <summary>The tables that the inventory declares: whether they are there, with the rows that they must have. Names are taken as they are written.</summary>
internal static class DeclaredTables
{
    // with its schema, or, without one, in any that is no system's
    private const string Find = """
        select n.nspname, c.relname, has_table_privilege(c.oid, 'select') and has_schema_privilege(n.oid, 'usage')
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p', 'v', 'm', 'f') and (n.nspname || '.' || c.relname = $1 or c.relname = $1 and n.nspname <> 'information_schema' and n.nspname not like 'pg\_%')
        order by n.nspname = 'public' desc, n.nspname limit 1
        """;

    /// <summary>Looks.</summary>
    internal static async Task<FactSet> ReadAsync(NpgsqlConnection connection, IReadOnlyDictionary<string, TableExpectation> declared, ServerLogin login, CancellationToken cancellationToken)
    {
        var facts = new FactSet();
        var missing = new List<string>();
        var shorter = new List<string>();
        string? unseen = null;
        foreach (var (name, expectation) in declared.OrderBy(d => d.Key, StringComparer.Ordinal))
        {
            var found = await connection.RowsAsync(Find, r => (Schema: r.GetString(0), Name: r.GetString(1), Readable: r.GetBoolean(2)), cancellationToken, new NpgsqlParameter<string> { TypedValue = name }).ConfigureAwait(false);
            if (found is not [var table])
            {
                missing.Add(name);
                continue;
            }
            if (expectation.MinRows <= 0)
                continue;
            if (!table.Readable)
            {
                unseen ??= $"the user '{login.User}' may not read {name}: GRANT SELECT ON {SqlText.Identifier(table.Schema)}.{SqlText.Identifier(table.Name)} TO {SqlText.Identifier(login.User)};";
                continue;
            }
            // never more rows than needed for the answer
            var sql = string.Create(CultureInfo.InvariantCulture, $"select count(*) from (select from {SqlText.Identifier(table.Schema)}.{SqlText.Identifier(table.Name)} limit {expectation.MinRows}) t");
            var rows = await connection.ScalarAsync(sql, cancellationToken).ConfigureAwait(false) as long? ?? 0;
            if (rows < expectation.MinRows)
                shorter.Add(string.Create(CultureInfo.InvariantCulture, $"{name}: {rows} of at least {expectation.MinRows}"));
        }
        facts.Set(CommonFacts.MissingTables, FactValue.OfList(missing));
        if (unseen is null || shorter.Count > 0)
            facts.Set(CommonFacts.ShortTables, FactValue.OfList(shorter));
        else
            facts.SetUnknown(CommonFacts.ShortTables, unseen);
        return facts;
    }
}
