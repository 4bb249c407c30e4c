using DbRecovery.PostgreSql.Connections;
using Npgsql;

namespace DbRecovery.PostgreSql.Observation;

/// <summary>One value of the light query: how it is asked for, and where it goes.</summary>
/// <param name="Name">What it is, for an error.</param>
/// <param name="Sql">The expression.</param>
/// <param name="Read">Takes the value from a row.</param>
/// <param name="Fails">Notes that there is none.</param>
internal sealed record LightColumn(string Name, string Sql, Action<LightReading, NpgsqlDataReader, int> Read, Action<LightReading, string> Fails)
{
    /// <summary>A value that is a fact as it is. NULL is unknown, with that reason.</summary>
    internal static LightColumn Fact(FactDefinition fact, string sql, string noneBecause = "the server gives no value") => new(fact.Name, sql, (reading, reader, i) =>
    {
        if (reader.IsDBNull(i))
        {
            reading.Facts.SetUnknown(fact, noneBecause);
            return;
        }
        reading.Facts.Set(fact, fact.Type switch
        {
            FactType.Bool => reader.GetBoolean(i),
            FactType.Int => reader.GetInt64(i),
            FactType.Number => reader.GetDouble(i),
            _ => reader.GetString(i),
        });
    }, (reading, because) => reading.Facts.SetUnknown(fact, because));

    /// <summary>A whole number that more than one thing is made of.</summary>
    internal static LightColumn Int(string name, string sql, Action<LightReading, long?> set) =>
        new(name, sql, (reading, reader, i) => set(reading, reader.Int(i)), (_, _) => { });

    /// <summary>A number that more than one thing is made of.</summary>
    internal static LightColumn Number(string name, string sql, Action<LightReading, double?> set) =>
        new(name, sql, (reading, reader, i) => set(reading, reader.Number(i)), (_, _) => { });

    /// <summary>A text that more than one thing is made of.</summary>
    internal static LightColumn Text(string name, string sql, Action<LightReading, string?> set) =>
        new(name, sql, (reading, reader, i) => set(reading, reader.Text(i)), (_, _) => { });

    /// <summary>A bool that more than one thing is made of.</summary>
    internal static LightColumn Bool(string name, string sql, Action<LightReading, bool?> set) =>
        new(name, sql, (reading, reader, i) => set(reading, reader.IsDBNull(i) ? null : reader.GetBoolean(i)), (_, _) => { });
}
