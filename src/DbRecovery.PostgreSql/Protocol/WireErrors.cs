using Npgsql;

namespace DbRecovery.PostgreSql.Protocol;

/// <summary>Errors and notices of a server, in the driver's own words, so that they are judged in one place.</summary>
internal static class WireErrors
{
    /// <summary>The error of an ErrorResponse (manual section 55.8).</summary>
    public static PostgresException Read(WireMessage message)
    {
        var fields = Fields(message);
        var severity = fields.GetValueOrDefault('S', "ERROR");
        return new PostgresException(fields.GetValueOrDefault('M', "an error without a message"), severity, fields.GetValueOrDefault('V', severity),
            fields.GetValueOrDefault('C', "XX000"), fields.GetValueOrDefault('D'), fields.GetValueOrDefault('H'));
    }

    /// <summary>A notice as one line.</summary>
    public static string Notice(WireMessage message)
    {
        var fields = Fields(message);
        return $"{fields.GetValueOrDefault('S', "NOTICE")} {fields.GetValueOrDefault('C', "00000")}: {fields.GetValueOrDefault('M', "")}";
    }

    private static Dictionary<char, string> Fields(WireMessage message)
    {
        var fields = new Dictionary<char, string>();
        var reader = message.Read();
        while (reader.Left > 0 && reader.Byte() is var code and not 0)
            fields[(char)code] = reader.Text();
        return fields;
    }
}
