using System.Globalization;
using Npgsql;

namespace DbRecovery.PostgreSql.Sql;

/// <summary>Values of any type as facts. They are asked for as text, which every type has: the driver knows the built-in ones only.</summary>
internal static class Answers
{
    /// <summary>The first column of the first row of the first result; null for no row or NULL.</summary>
    internal static async Task<FactValue?> FirstAsync(NpgsqlDataReader reader, CancellationToken cancellationToken)
    {
        while (reader.FieldCount == 0 && await reader.NextResultAsync(cancellationToken).ConfigureAwait(false))
        {
            // a statement without a result
        }
        if (reader.FieldCount == 0 || !await reader.ReadAsync(cancellationToken).ConfigureAwait(false) || await reader.IsDBNullAsync(0, cancellationToken).ConfigureAwait(false))
            return null;
        return Value(reader.GetString(0), reader.GetDataTypeName(0));
    }

    private static FactValue Value(string text, string type) => type switch
    {
        "boolean" => text == "t",
        "smallint" or "integer" or "bigint" or "oid" when long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole) => whole,
        "real" or "double precision" when double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) => number,
        _ when type.StartsWith("numeric", StringComparison.Ordinal) && double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) => number,
        _ => text,
    };
}
