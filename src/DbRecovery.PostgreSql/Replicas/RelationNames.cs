using System.Globalization;
using DbRecovery.PostgreSql.Connections;

namespace DbRecovery.PostgreSql.Replicas;

/// <summary>Finds the names of relations by the numbers of their files, in the catalog of a server of the same cluster.</summary>
internal sealed class RelationNames
{
    private const int MostDatabases = 20;
    private readonly Dictionary<FileNode, string?> _names = [];

    /// <summary>A relation's name with its database; the numbers where it has none there; null for a side table that its main table stands for.</summary>
    internal string? Of(FileNode relation) => _names.TryGetValue(relation, out var name) ? name : $"relation {relation}";

    /// <summary>Looks the names up. What cannot be looked up keeps its numbers.</summary>
    internal static async Task<RelationNames> FindAsync(ServerQuery query, ClusterDefinition cluster, NodeDefinition server, IReadOnlyCollection<FileNode> relations, CancellationToken cancellationToken)
    {
        var names = new RelationNames();
        try
        {
            var login = ServerLogin.Of(cluster, server);
            string[] oids = [.. relations.Select(r => r.Database.ToString(CultureInfo.InvariantCulture)).Distinct()];
            var databases = await query.RowsAsync(login, "reading the databases' names",
                "SELECT oid::text, datname::text FROM pg_database WHERE datallowconn AND oid::text = ANY($1) ORDER BY oid", cancellationToken, (object)oids).ConfigureAwait(false);
            foreach (var row in databases.Take(MostDatabases))
            {
                var number = uint.Parse((string)row[0]!, CultureInfo.InvariantCulture);
                await names.AddAsync(query, login with { Database = (string)row[1]! }, [.. relations.Where(r => r.Database == number)], cancellationToken).ConfigureAwait(false);
            }
            // those of the whole cluster are in every database's catalog
            await names.AddAsync(query, login, [.. relations.Where(r => r.Database == 0)], cancellationToken).ConfigureAwait(false);
        }
        catch (DbRecoveryException)
        {
            // the numbers say enough to find the table by hand
        }
        return names;
    }

    private async Task AddAsync(ServerQuery query, ServerLogin login, IReadOnlyList<FileNode> relations, CancellationToken cancellationToken)
    {
        if (relations.Count == 0)
            return;
        string[] keys = [.. relations.Select(r => $"{r.Tablespace}/{r.Number}")];
        var rows = await query.RowsAsync(login, "reading the relations' names", """
            SELECT k, format('%s: %I.%I', current_database(), n.nspname, c.relname), n.nspname = 'pg_toast'
            FROM unnest($1::text[]) AS k
            JOIN pg_class c ON c.oid = pg_filenode_relation(
                CASE WHEN split_part(k, '/', 1)::oid = (SELECT dattablespace FROM pg_database WHERE datname = current_database()) THEN 0 ELSE split_part(k, '/', 1)::oid END,
                split_part(k, '/', 2)::oid)
            JOIN pg_namespace n ON n.oid = c.relnamespace
            """, cancellationToken, (object)keys).ConfigureAwait(false);
        var found = rows.ToDictionary(r => (string)r[0]!, r => r[2] is true ? null : (string?)r[1], StringComparer.Ordinal);
        foreach (var relation in relations)
        {
            if (found.TryGetValue($"{relation.Tablespace}/{relation.Number}", out var name))
                _names[relation] = name;
        }
    }
}
