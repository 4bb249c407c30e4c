namespace DbRecovery.Engine.Tests.Backups;

/// <summary>Secrets in memory, and how often they were asked for.</summary>
internal sealed class KnownSecrets : ISecretResolver
{
    public Dictionary<string, string> Values { get; } = [];
    public int Asked { get; private set; }

    public ValueTask<SecretValue> ResolveAsync(SecretReference reference, CancellationToken cancellationToken)
    {
        Asked++;
        return Values.TryGetValue(reference.Name, out var value)
            ? ValueTask.FromResult(new SecretValue(value))
            : throw new DbRecoveryException(ErrorIds.SecretUnavailable, ErrorKind.NotFound, $"no secret '{reference.Name}'", target: reference.Name);
    }
}
