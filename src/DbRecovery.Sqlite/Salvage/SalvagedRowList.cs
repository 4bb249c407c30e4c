using System.Text;
using System.Text.Json;

namespace DbRecovery.Sqlite.Salvage;

/// <summary>The file that names every row which was added to a restored database, one JSON object a line.</summary>
internal static class SalvagedRowList
{
    /// <summary>Writes a list in the place of an earlier one. The file is on disk when this returns.</summary>
    internal static void Write(string path, IEnumerable<SalvagedRow> rows)
    {
        var temporary = path + ".tmp";
        using (var stream = new FileStream(temporary, FileMode.Create, FileAccess.Write, FileShare.None))
        {
            foreach (var row in rows)
            {
                stream.Write(JsonSerializer.SerializeToUtf8Bytes(row, DbRecoveryJson.Compact));
                stream.Write("\n"u8);
            }
            stream.Flush(flushToDisk: true);
        }
        File.Move(temporary, path, overwrite: true);
    }

    /// <summary>The rows of a list; a line that is cut off ends it.</summary>
    internal static IReadOnlyList<SalvagedRow> Read(string path)
    {
        var rows = new List<SalvagedRow>();
        foreach (var line in File.ReadLines(path, Encoding.UTF8))
        {
            try
            {
                if (JsonSerializer.Deserialize<SalvagedRow>(line, DbRecoveryJson.Compact) is { } row)
                    rows.Add(row);
            }
            catch (JsonException)
            {
                break;
            }
        }
        return rows;
    }
}
