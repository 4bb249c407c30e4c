using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace DbRecovery.Engine.Backups;

/// <summary>Keys of what belongs to a backup, and the rules for paths inside one.</summary>
internal static class BackupPaths
{
    private const int MaxSegment = 150;
    private const int IdSeconds = 16;
    private const string ManifestName = "/manifest.json";

    /// <summary>The folder of a backup's own objects.</summary>
    public static string Folder(string engine, string systemId, string id) => $"backups/{Escape(engine)}/{Escape(systemId)}/{id}";

    public static string Manifest(string engine, string systemId, string id) => Folder(engine, systemId, id) + ManifestName;

    /// <summary>Whether a key under backups/ is a manifest's.</summary>
    public static bool IsManifest(string key) => key.StartsWith("backups/", StringComparison.Ordinal) && key.EndsWith(ManifestName, StringComparison.Ordinal);

    public static string Proofs(string id) => $"tests/{id}/";

    /// <summary>An id that sorts by time.</summary>
    public static string NewId(DateTimeOffset now) =>
        string.Create(CultureInfo.InvariantCulture, $"{now.UtcDateTime:yyyyMMdd'T'HHmmss'Z'}-{Convert.ToHexString(RandomNumberGenerator.GetBytes(3)).ToLowerInvariant()}");

    /// <summary>The id of the backup whose manifest a key is.</summary>
    public static string IdOf(string manifest) => manifest.Split('/')[^2];

    /// <summary>Manifests, newest first. Ids sort by time, to the second; within one the manifests tell.</summary>
    public static IEnumerable<IGrouping<string, string>> NewestFirst(IEnumerable<string> manifests) =>
        manifests.GroupBy(k => IdOf(k)[..Math.Min(IdSeconds, IdOf(k).Length)]).OrderByDescending(g => g.Key, StringComparer.Ordinal);

    /// <summary>The id of the backup of a manifest's key, with its time for people where the id tells it.</summary>
    public static string Named(string manifest)
    {
        var id = IdOf(manifest);
        return DateTime.TryParseExact(id.Split('-')[0], "yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var taken)
            ? string.Create(CultureInfo.InvariantCulture, $"{id} of {taken:yyyy-MM-dd HH:mm:ss}Z")
            : id;
    }

    /// <summary>Any text as one segment of a key: what is not a letter, digit, dot, hyphen or underscore becomes %XX of its UTF-8.</summary>
    public static string Escape(string text)
    {
        var escaped = new StringBuilder();
        foreach (var b in Encoding.UTF8.GetBytes(text))
        {
            var c = (char)b;
            // a leading dot hides a folder, and . and .. are none
            if (char.IsAsciiLetterOrDigit(c) || c is '-' or '_' || (c == '.' && escaped.Length > 0))
                escaped.Append(c);
            else
                escaped.Append(CultureInfo.InvariantCulture, $"%{b:X2}");
        }
        if (escaped.Length == 0)
            return "%";
        if (escaped.Length <= MaxSegment)
            return escaped.ToString();
        return $"{escaped.ToString(0, 80)}%{Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(text))).ToLowerInvariant()}";
    }

    /// <summary>Why a path inside a backup is refused; null for nothing. A path that leaves its folder would overwrite what is not the backup's.</summary>
    public static string? Defect(string path)
    {
        if (path.Length == 0)
            return "is empty";
        if (path.StartsWith('/') || Path.IsPathRooted(path))
            return "is not relative";
        if (path.Contains('\0'))
            return "holds a NUL";
        return path.Split('/').Any(p => p is "" or "." or "..") ? "has an empty, '.' or '..' part" : null;
    }
}
