namespace DbRecovery.Runtime;

/// <summary>Reads secrets from the environment, from files and, inside PowerShell, from SecretManagement.</summary>
internal sealed class SecretResolver(RuntimeOptions options) : ISecretResolver
{
    private const int MostBytes = 64 * 1024;

    public async ValueTask<SecretValue> ResolveAsync(SecretReference reference, CancellationToken cancellationToken)
    {
        switch (reference.Source)
        {
            case SecretSource.Env:
                return Environment.GetEnvironmentVariable(reference.Name) is { Length: > 0 } value
                    ? new SecretValue(value)
                    : throw Unavailable(reference, "the environment variable is not set", "Set it for the process that runs DbRecovery.");
            case SecretSource.File:
                return await ReadFileAsync(reference, cancellationToken).ConfigureAwait(false);
            default:
                return options.SecretManagement is { } ask
                    ? await ask(reference.Name, cancellationToken).ConfigureAwait(false)
                    : throw Unavailable(reference, "SecretManagement exists only in PowerShell", "Use 'env' or 'file' here.");
        }
    }

    private async Task<SecretValue> ReadFileAsync(SecretReference reference, CancellationToken cancellationToken)
    {
        var path = Locations.Resolve(options, reference.Name);
        try
        {
            if (new FileInfo(path).Length > MostBytes)
                throw Unavailable(reference, "the file is larger than 64 KiB", "Name a file that holds only the secret.");
            var text = await File.ReadAllTextAsync(path, cancellationToken).ConfigureAwait(false);
            return new SecretValue(text.EndsWith("\r\n", StringComparison.Ordinal) ? text[..^2] : text.EndsWith('\n') ? text[..^1] : text);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unavailable(reference, "the file cannot be read", "Check that it exists and that this user may read it.");
        }
    }

    private static DbRecoveryException Unavailable(SecretReference reference, string why, string action) =>
        new(ErrorIds.SecretUnavailable, ErrorKind.NotFound, $"the secret {reference.Source.ToString().ToLowerInvariant()} '{reference.Name}' cannot be had: {why}", action, reference.Name);
}
