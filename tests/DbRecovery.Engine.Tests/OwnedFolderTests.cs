namespace DbRecovery.Engine.Tests;

public sealed class OwnedFolderTests : IDisposable
{
    private readonly string _parent = Directory.CreateTempSubdirectory("dbrecovery-owned-").FullName;

    public void Dispose() => Directory.Delete(_parent, recursive: true);

    [Fact]
    public void Only_what_a_dead_owner_left_is_removed()
    {
        var foreign = Directory.CreateDirectory(Path.Combine(_parent, "x-of-somebody-else")).FullName;
        File.WriteAllText(Path.Combine(foreign, "data"), "kept");
        var abandoned = Directory.CreateDirectory(Path.Combine(_parent, "x-abandoned")).FullName;
        File.WriteAllText(Path.Combine(abandoned, ".owner"), "");
        var unmarked = Directory.CreateDirectory(Path.Combine(_parent, "x-killed-before-its-mark")).FullName;
        using var living = OwnedFolder.Create(_parent, "x-");
        using var another = OwnedFolder.Create(_parent, "x-");

        Assert.Equal("kept", File.ReadAllText(Path.Combine(foreign, "data")));
        Assert.False(Directory.Exists(abandoned));
        Assert.False(Directory.Exists(unmarked));
        Assert.True(Directory.Exists(living.Path));
    }
}
