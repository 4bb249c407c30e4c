namespace DbRecovery;

/// <summary>Where a secret is kept.</summary>
public enum SecretSource
{
    /// <summary>An environment variable.</summary>
    Env,
    /// <summary>A file; one trailing newline is not part of the secret.</summary>
    File,
    /// <summary>PowerShell SecretManagement (<c>Get-Secret</c>); only where PowerShell is.</summary>
    Secret,
}

/// <summary>A reference to a secret. The secret itself is read when it is needed and never kept in a record.</summary>
/// <param name="Source">Where it is kept.</param>
/// <param name="Name">The variable's name, the file's path or the secret's name.</param>
public sealed record SecretReference(SecretSource Source, string Name);

/// <summary>A secret in memory. It prints as stars everywhere.</summary>
public sealed class SecretValue(string value)
{
    /// <summary>The secret in the clear: for the one call that needs it.</summary>
    public string Reveal() => value;

    /// <inheritdoc/>
    public override string ToString() => "***";
}

/// <summary>Reads secrets. A shell supplies what it has: every one env and file, PowerShell also SecretManagement.</summary>
public interface ISecretResolver
{
    /// <summary>Reads a secret.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.SecretUnavailable"/>: it names the reference, never the value.</exception>
    ValueTask<SecretValue> ResolveAsync(SecretReference reference, CancellationToken cancellationToken);
}
