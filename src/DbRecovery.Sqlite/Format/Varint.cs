namespace DbRecovery.Sqlite.Format;

/// <summary>SQLite's variable-length integers.</summary>
internal static class Varint
{
    /// <summary>Reads one; false where the bytes end first.</summary>
    internal static bool TryRead(ReadOnlySpan<byte> bytes, ref int at, out ulong value)
    {
        value = 0;
        for (var i = 0; i < 9 && at < bytes.Length; i++)
        {
            var b = bytes[at++];
            if (i == 8)
            {
                value = value << 8 | b;
                return true;
            }
            value = value << 7 | (uint)(b & 0x7f);
            if (b < 0x80)
                return true;
        }
        return false;
    }
}
