using System.Collections.Concurrent;
using DbRecovery.Engine.Control;
using DbRecovery.PostgreSql;
using DbRecovery.Sqlite;

namespace DbRecovery.Runtime;

/// <summary>
/// The databases with the connections that they keep open. Runtimes that come one after the other share one set, so that a look finds the
/// connections of the one before.
/// </summary>
public sealed class ProviderSet : IAsyncDisposable
{
    private readonly AskerSecrets _secrets = new();
    private readonly ConcurrentDictionary<string, bool> _secretVariables = new(StringComparer.Ordinal);
    private readonly IReadOnlyList<IDatabaseProvider> _providers;

    /// <summary>Makes the providers; none connects to anything before it is asked to look.</summary>
    public ProviderSet(TimeProvider clock) => _providers =
    [
        new SqliteProvider(),
        new PostgreSqlProvider(new PostgreSqlOptions { Secrets = _secrets, Commands = new NodeCommands(clock, () => _secretVariables.Keys), Clock = clock }),
    ];

    /// <summary>The providers.</summary>
    internal IReadOnlyList<IDatabaseProvider> All => _providers;

    /// <summary>How the providers read secrets.</summary>
    internal ISecretResolver Secrets => _secrets;

    /// <summary>The provider of an engine; null where there is none. Secrets that it needs from here on, in this flow of work, are read by the asker.</summary>
    internal IDatabaseProvider? Find(string engine, ISecretResolver asker)
    {
        _secrets.Asker = asker;
        return _providers.FirstOrDefault(p => p.Engine == engine);
    }

    /// <summary>Names environment variables that hold secrets, of one inventory after the other: no program on a node's machine inherits them.</summary>
    internal void Withhold(IEnumerable<string> variables)
    {
        foreach (var name in variables)
            _secretVariables.TryAdd(name, true);
    }

    /// <summary>Closes the connections.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (var provider in _providers.OfType<IAsyncDisposable>())
            await provider.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>
    /// Reads a secret as the runtime does for which a connection is opened: a vault answers in the session of whoever asks, and several may
    /// ask at a time.
    /// </summary>
    private sealed class AskerSecrets : ISecretResolver
    {
        private readonly AsyncLocal<ISecretResolver?> _asker = new();

        public ISecretResolver? Asker { set => _asker.Value = value; }

        // work that nobody asked for, such as a connection mended in the background, has the environment and files
        public ValueTask<SecretValue> ResolveAsync(SecretReference reference, CancellationToken cancellationToken) =>
            (_asker.Value ?? new SecretResolver(new RuntimeOptions())).ResolveAsync(reference, cancellationToken);
    }
}
