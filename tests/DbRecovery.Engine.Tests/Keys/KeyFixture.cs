using DbRecovery.Engine.Backups;
using DbRecovery.Engine.Tests.Backups;

namespace DbRecovery.Engine.Tests.Keys;

/// <summary>A folder of its own with an encrypted repository in it. Key files open it, which is faster than a passphrase.</summary>
public abstract class KeyFixture : BackupFixture
{
    protected KeyFixture()
    {
        Repository = Repository with { Encryption = KeyFile("first.key") };
        KeyService = new RepositoryKeyService(Secrets);
    }

    protected RepositoryKeyService KeyService { get; }
    protected RepositoryDefinition Second => Repository with { Encryption = KeyFile("second.key") };

    /// <summary>A key file of that name, made where it is not there.</summary>
    protected RepositoryEncryption KeyFile(string name)
    {
        var path = Path.Combine(Root, name);
        if (!File.Exists(path))
            KeyMaterial.Generate(path);
        return new RepositoryEncryption(null, path);
    }

    protected Task<RepositoryKeyInfo> AddAsync(string label, RepositoryEncryption key) =>
        KeyService.AddAsync(Repository, new NewRepositoryKey { Label = label, KeyFile = key.KeyFile }, CancellationToken.None);

    /// <summary>A service of its own, which remembers no opened keys.</summary>
    internal Task<BackupRepository> OpenAsync(RepositoryDefinition repository) => Opener().OpenExistingAsync(repository, CancellationToken.None);

    internal RepositoryOpener Opener() => new(r => new DirectoryStorage(r.Path), Secrets, TimeProvider.System);

    protected static async Task<DbRecoveryException> RefusedAsync(string id, Func<Task> act)
    {
        var error = await Assert.ThrowsAsync<DbRecoveryException>(act);
        Assert.Equal(id, error.Id);
        return error;
    }

    protected string SlotFile(string label) => Keys("keys").Single(k => k.EndsWith(".json", StringComparison.Ordinal) && SlotOf(k)?.Label == label);

    internal static KeySlot? SlotOf(string file) => SealedDocument.Read<KeySlot>(File.ReadAllBytes(file));

    /// <summary>Alters a slot as somebody would who knows the format: with a checksum that is right.</summary>
    internal static void Rewrite(string file, Func<KeySlot, KeySlot> change) => File.WriteAllBytes(file, SealedDocument.Write(change(SlotOf(file)!)));

    internal void RewriteHeader(Func<RepositoryHeader, RepositoryHeader> change)
    {
        var file = Path.Combine(Repository.Path, "repo.json");
        File.WriteAllBytes(file, SealedDocument.Write(change(SealedDocument.Read<RepositoryHeader>(File.ReadAllBytes(file))!)));
    }
}
