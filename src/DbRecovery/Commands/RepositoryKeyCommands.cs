using System.Management.Automation;
using System.Security;
using DbRecovery.Engine.Backups;
using DbRecovery.PowerShell.Completers;

namespace DbRecovery.PowerShell.Commands;

/// <summary>A cmdlet that works on the keys of a repository.</summary>
public abstract class RepositoryKeyCmdlet : DbCmdlet
{
    /// <summary>The repository: its name in the inventory, or its path. One at a path that no inventory knows is opened by $env:DBRECOVERY_PASSPHRASE or $env:DBRECOVERY_KEY_FILE.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(RepositoryCompleter))]
    [ValidateNotNullOrEmpty]
    public string? Repository { get; set; }

    /// <summary>The definition of the repository that is meant.</summary>
    internal RepositoryDefinition Definition()
    {
        var named = ResolveRepository(Repository!);
        return Work("Reading the repository", (operation, _) => Task.FromResult(operation.Runtime.GetRepository(named)));
    }
}

/// <summary>Gets the keys of an encrypted repository.</summary>
/// <remarks>Lists the keys with label, kind and state; it shows nothing secret. Each key opens the whole repository. A key is a passphrase or a key file.</remarks>
/// <example><code>Get-DbRepositoryKey -Repository main</code><para>The keys of the repository main.</para></example>
/// <example><code>Get-DbRepositoryKey main | Where-Object State -ne Current</code><para>Keys that are damaged, left behind or none of the repository's.</para></example>
[Cmdlet(VerbsCommon.Get, "DbRepositoryKey")]
[OutputType(typeof(RepositoryKeyInfo))]
public sealed class GetDbRepositoryKeyCommand : RepositoryKeyCmdlet
{
    /// <inheritdoc/>
    protected override void ProcessRecord() => Try(Repository, () =>
    {
        var definition = Definition();
        WriteObject(Work("Reading keys", (operation, token) => operation.Runtime.GetRepositoryKeysAsync(definition, token)), enumerateCollection: true);
    });
}

/// <summary>Adds a key to an encrypted repository.</summary>
/// <remarks>Adds a passphrase or a key file that opens the repository beside the keys that it has. No stored data is touched, so it takes no longer than opening does. One of the keys there is opens the repository for it: the one of the inventory, or of the environment. Keep a second key in another place: a repository whose keys are all lost is lost.</remarks>
/// <example><code>Add-DbRepositoryKey -Repository main -Label vault -Passphrase (Get-Secret BackupKey)</code><para>Adds a passphrase that SecretManagement keeps.</para></example>
/// <example><code>Add-DbRepositoryKey -Repository main -Label escrow -NewKeyFile ./escrow.key</code><para>Makes a key file that only its owner may read, and adds it.</para></example>
[Cmdlet(VerbsCommon.Add, "DbRepositoryKey", DefaultParameterSetName = ByPassphrase, SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(RepositoryKeyInfo))]
public sealed class AddDbRepositoryKeyCommand : RepositoryKeyCmdlet
{
    internal const string ByPassphrase = "Passphrase";
    internal const string ByKeyFile = "KeyFile";
    internal const string ByNewKeyFile = "NewKeyFile";

    /// <summary>The key's label, unique in the repository.</summary>
    [Parameter(Mandatory = true, Position = 1)]
    [ValidateNotNullOrEmpty]
    public string? Label { get; set; }

    /// <summary>The passphrase, at least 8 characters: from Read-Host -AsSecureString or Get-Secret.</summary>
    [Parameter(ParameterSetName = ByPassphrase, Mandatory = true)]
    [ValidateNotNull]
    public SecureString? Passphrase { get; set; }

    /// <summary>A file of at least 32 random bytes that others may not read.</summary>
    [Parameter(ParameterSetName = ByKeyFile, Mandatory = true)]
    [ValidateNotNullOrEmpty]
    public string? KeyFile { get; set; }

    /// <summary>The path of a key file that is made.</summary>
    [Parameter(ParameterSetName = ByNewKeyFile, Mandatory = true)]
    [ValidateNotNullOrEmpty]
    public string? NewKeyFile { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord() => Try(Repository, () =>
    {
        var definition = Definition();
        var key = new NewRepositoryKey
        {
            Label = Label!,
            Passphrase = Passphrase is null ? null : new SecretValue(new System.Net.NetworkCredential("", Passphrase).Password),
            KeyFile = KeyFile is null ? null : ResolvePath(KeyFile, nameof(KeyFile)),
            NewKeyFile = NewKeyFile is null ? null : ResolvePath(NewKeyFile, nameof(NewKeyFile)),
        };
        if (ShouldProcess(definition.Path, key.NewKeyFile is null ? $"Add the key '{Label}'" : $"Make the key file '{key.NewKeyFile}' and add it as the key '{Label}'"))
            WriteObject(Work("Adding a key", (operation, token) => operation.Runtime.AddRepositoryKeyAsync(definition, key, token)));
    });
}

/// <summary>Removes a key of an encrypted repository.</summary>
/// <remarks>Removes the key and begins a new epoch, so that its holder opens nothing that is written from then on, even with a copy of the repository's keys. What was written before he could read and may have copied. Take his access to the storage away too: whoever can write there can destroy. The last key is never removed.</remarks>
/// <example><code>Remove-DbRepositoryKey -Repository main -Key vault</code><para>Removes the key with the label vault, after a question.</para></example>
[Cmdlet(VerbsCommon.Remove, "DbRepositoryKey", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High)]
[OutputType(typeof(RepositoryKeyInfo))]
public sealed class RemoveDbRepositoryKeyCommand : RepositoryKeyCmdlet
{
    /// <summary>The key's label, or the beginning of its id.</summary>
    [Parameter(Mandatory = true, Position = 1, ValueFromPipelineByPropertyName = true)]
    [Alias("Id")]
    [ArgumentCompleter(typeof(RepositoryKeyCompleter))]
    [ValidateNotNullOrEmpty]
    public string? Key { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord() => Try(Key, () =>
    {
        var definition = Definition();
        var keys = Work("Reading keys", (operation, token) => operation.Runtime.GetRepositoryKeysAsync(definition, token));
        var text = Shells.RepositoryKeyText.Removal(definition, keys, Key!);
        if (ShouldProcess(text, text + Environment.NewLine + "Remove it?", "DbRecovery"))
            WriteObject(Work("Removing a key", (operation, token) => operation.Runtime.RemoveRepositoryKeyAsync(definition, Key!, token)), enumerateCollection: true);
    });
}

/// <summary>Begins a new epoch of an encrypted repository.</summary>
/// <remarks>What is written from now on is sealed with a new data key. One key at hand is enough: every other key opens the new epoch too. Older epochs stay readable, and no stored data is touched.</remarks>
/// <example><code>Update-DbRepositoryKey -Repository main</code><para>Begins a new epoch, as a rule of rotation may ask once a year.</para></example>
[Cmdlet(VerbsData.Update, "DbRepositoryKey", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(RepositoryKeyInfo))]
public sealed class UpdateDbRepositoryKeyCommand : RepositoryKeyCmdlet
{
    /// <inheritdoc/>
    protected override void ProcessRecord() => Try(Repository, () =>
    {
        var definition = Definition();
        if (ShouldProcess(definition.Path, "Begin a new epoch: what is written from now on is sealed with a new data key"))
            WriteObject(Work("Beginning a new epoch", (operation, token) => operation.Runtime.RotateRepositoryKeyAsync(definition, token)), enumerateCollection: true);
    });
}
