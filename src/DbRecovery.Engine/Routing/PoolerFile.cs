using System.Globalization;
using System.Text;
using DbRecovery.Engine.Files;

namespace DbRecovery.Engine.Routing;

/// <summary>
/// The file with PgBouncer's <c>[databases]</c> section. Only the host and the port of one database are changed; every other byte stays,
/// and so do the file's owner and mode. Its form is that of the manual page pgbouncer.ini(5).
/// </summary>
internal static class PoolerFile
{
    /// <summary>The file's text with a database led to another address.</summary>
    /// <param name="text">The text, a character a byte.</param>
    /// <param name="database">The database's name in the file.</param>
    /// <param name="target">Where it shall lead.</param>
    /// <exception cref="FormatException">The database is not there, or twice, or its line cannot be understood.</exception>
    public static string Rewrite(string text, string database, Endpoint target)
    {
        var values = Lines(text).Where(l => l.Database == Bytes(database)).ToArray();
        if (values.Length != 1)
            throw new FormatException(values.Length == 0 ? $"it has no database '{database}' in its section [databases]" : $"it has the database '{database}' {values.Length} times");
        var (_, start, end) = values[0];
        var pairs = Pairs(text, start, end);
        var changes = new List<(int Start, int End, string Text)>();
        var missing = Change("host", target.Host) + Change("port", target.Port.ToString(CultureInfo.InvariantCulture));
        if (missing.Length > 0)
            changes.Add((start, start, start < end ? missing : missing.TrimEnd()));
        foreach (var change in changes.OrderByDescending(c => c.Start))
            text = text[..change.Start] + change.Text + text[change.End..];
        return text;

        string Change(string key, string value)
        {
            var found = pairs.Where(p => p.Key == key).ToArray();
            if (found.Length > 1)
                throw new FormatException($"its database '{database}' has '{key}' twice");
            if (found.Length == 0)
                return $"{key}={Bytes(value)} ";
            if (found[0].Value != Bytes(value))
                changes.Add((found[0].Start, found[0].End, text[found[0].Start] == '\'' ? $"'{Bytes(value)}'" : Bytes(value)));
            return "";
        }
    }

    /// <summary>Leads a database of the file to another address. False: it leads there already.</summary>
    /// <exception cref="IOException">It cannot be read or written; it is as it was.</exception>
    /// <exception cref="FormatException"><see cref="Rewrite"/>.</exception>
    public static bool Change(string path, string database, Endpoint target)
    {
        // behind a link is the file that PgBouncer reads; the link itself stays
        var file = File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path;
        var before = File.ReadAllBytes(file);
        var after = Encoding.Latin1.GetBytes(Rewrite(Encoding.Latin1.GetString(before), database, target));
        if (after.AsSpan().SequenceEqual(before))
            return false;
        Replace(file, after);
        return true;
    }

    private static void Replace(string file, byte[] content)
    {
        var temporary = $"{file}.{Guid.NewGuid():N}.tmp";
        try
        {
            // it may hold passwords: nobody else may look at it before it has its mode
            var creation = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Share = FileShare.None };
            if (!OperatingSystem.IsWindows())
                creation.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            using (var stream = new FileStream(temporary, creation))
            {
                stream.Write(content);
                stream.Flush(flushToDisk: true);
            }
            KeepOwner(file, temporary);
            File.Move(temporary, file, overwrite: true);
        }
        catch
        {
            DurableFile.Discard(temporary);
            throw;
        }
        DurableFile.SyncFolder(Path.GetDirectoryName(file)!);
    }

    private static void KeepOwner(string from, string to)
    {
        if (OperatingSystem.IsWindows())
            return;
        var (owner, made) = (FileOwnership.Of(from), FileOwnership.Of(to));
        if (owner != made)
        {
            // who may not give it away fails here, before the file that PgBouncer can read is replaced
            DurableFile.ChangeOwner(to, Number(owner.Owner), Number(owner.Group));
        }
        File.SetUnixFileMode(to, File.GetUnixFileMode(from));

        static int Number(string? id) => int.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : -1;
    }

    // a character stands for a byte, so a name is compared byte by byte
    private static string Bytes(string text) => Encoding.Latin1.GetString(Encoding.UTF8.GetBytes(text));

    /// <summary>The databases with where their values begin and end. Lines before any section belong to that of the file which includes this one.</summary>
    private static IEnumerable<(string Database, int Start, int End)> Lines(string text)
    {
        var ours = true;
        for (int at = 0, next; at < text.Length; at = next)
        {
            var newline = text.IndexOf('\n', at);
            next = newline < 0 ? text.Length : newline + 1;
            var (start, end) = Trim(text, at, newline < 0 ? text.Length : newline);
            if (start == end || text[start] is ';' or '#' or '%')
                continue;
            if (text[start] == '[')
                ours = text[start..end] == "[databases]";
            else if (ours && Key(text, start, end) is var (name, equals))
            {
                var (from, to) = Trim(text, equals + 1, end);
                yield return (name, from, to);
            }
        }
    }

    private static (string Name, int EqualsAt)? Key(string text, int start, int end)
    {
        var at = start;
        var name = new StringBuilder();
        if (text[at] == '"')
        {
            for (at++; at < end && (text[at] != '"' || (at + 1 < end && text[at + 1] == '"' && at++ >= 0)); at++)
                name.Append(text[at]);
            at++;
        }
        else
        {
            for (; at < end && text[at] is not '=' and not ' ' and not '\t'; at++)
                name.Append(text[at]);
        }
        while (at < end && text[at] is ' ' or '\t')
            at++;
        return at < end && text[at] == '=' ? (name.ToString(), at) : null;
    }

    /// <summary>The settings of a connection string, with where their values begin and end.</summary>
    private static List<(string Key, int Start, int End, string Value)> Pairs(string text, int start, int end)
    {
        var pairs = new List<(string, int, int, string)>();
        for (var at = start; at < end;)
        {
            var equals = text.IndexOf('=', at, end - at);
            if (equals < 0)
                throw new FormatException("the line of the database cannot be understood");
            var key = text[at..equals].Trim();
            var from = equals + 1;
            while (from < end && text[from] is ' ' or '\t')
                from++;
            var value = new StringBuilder();
            at = from;
            if (at < end && text[at] == '\'')
            {
                for (at++; at < end && (text[at] != '\'' || (at + 1 < end && text[at + 1] == '\'' && at++ >= 0)); at++)
                    value.Append(text[at]);
                if (at++ >= end)
                    throw new FormatException("a quote in the line of the database has no end");
            }
            else
            {
                for (; at < end && text[at] is not ' ' and not '\t'; at++)
                    value.Append(text[at]);
            }
            pairs.Add((key, from, at, value.ToString()));
            while (at < end && text[at] is ' ' or '\t')
                at++;
        }
        return pairs;
    }

    private static (int Start, int End) Trim(string text, int start, int end)
    {
        while (start < end && char.IsWhiteSpace(text[start]))
            start++;
        while (end > start && char.IsWhiteSpace(text[end - 1]))
            end--;
        return (start, end);
    }
}
