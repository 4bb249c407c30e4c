namespace DbRecovery.Integration.Tests;

/// <summary>Damage to files of a repository.</summary>
internal static class Bytes
{
    public static string[] Packs(Lab lab) => [.. Directory.GetFiles(Path.Combine(lab.Repository, "packs"), "*.pack", SearchOption.AllDirectories).Order(StringComparer.Ordinal)];

    /// <summary>Turns one bit over, at a part of the file's length.</summary>
    public static void Flip(string file, double where)
    {
        using var stream = File.Open(file, FileMode.Open);
        stream.Position = (long)((stream.Length - 1) * where);
        var value = stream.ReadByte();
        stream.Position--;
        stream.WriteByte((byte)(value ^ 1));
    }
}

internal static class Folders
{
    /// <summary>Makes one folder the same as another.</summary>
    public static void Copy(string from, string to)
    {
        if (Directory.Exists(to))
            Directory.Delete(to, recursive: true);
        foreach (var folder in Directory.GetDirectories(from, "*", SearchOption.AllDirectories).Prepend(from))
            Directory.CreateDirectory(Path.Combine(to, Path.GetRelativePath(from, folder)));
        foreach (var file in Directory.GetFiles(from, "*", SearchOption.AllDirectories))
            File.Copy(file, Path.Combine(to, Path.GetRelativePath(from, file)));
    }
}
