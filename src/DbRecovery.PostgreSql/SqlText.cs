using System.Globalization;

namespace DbRecovery.PostgreSql;

/// <summary>How names and values are written into SQL, where a parameter cannot stand.</summary>
internal static class SqlText
{
    /// <summary>A name as an identifier, in double quotes.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.ParameterInvalid"/>: a zero character, which no name can have.</exception>
    internal static string Identifier(string name) => $"\"{Checked(name).Replace("\"", "\"\"", StringComparison.Ordinal)}\"";

    /// <summary>A text as a literal; right whatever <c>standard_conforming_strings</c> is.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.ParameterInvalid"/>: a zero character, which no text can have.</exception>
    internal static string Literal(string text)
    {
        var quoted = Checked(text).Replace("'", "''", StringComparison.Ordinal);
        return quoted.Contains('\\') ? $" E'{quoted.Replace("\\", "\\\\", StringComparison.Ordinal)}'" : $"'{quoted}'";
    }

    /// <summary>A position in the log as PostgreSQL writes it.</summary>
    internal static string Lsn(long position) => string.Create(CultureInfo.InvariantCulture, $"{(uint)(position >> 32):X}/{(uint)position:X}");

    /// <summary>A position in the log from PostgreSQL's text; null where it is none.</summary>
    internal static long? ParseLsn(string? text)
    {
        if (text?.Split('/') is not [var high, var low])
            return null;
        return uint.TryParse(high, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var h) && uint.TryParse(low, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var l)
            ? (long)h << 32 | l
            : null;
    }

    private static string Checked(string text) => text.Contains('\0')
        ? throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, "a name or text with a zero character cannot be written in SQL")
        : text;
}
