using DbRecovery.Runtime;

namespace DbRecovery.PowerShell.Hosting;

/// <summary>
/// The one set of databases of this process: a command finds the connections that the one before left open. It lives from the first command
/// that needs it until the module is removed from the last session that imported it.
/// </summary>
internal static class SharedProviders
{
    private static readonly object Gate = new();
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);
    private static int _imports;
    // of a general type, so that an import does not load the engine
    private static IAsyncDisposable? _set;

    /// <summary>A session imports the module.</summary>
    public static void Imported()
    {
        lock (Gate)
            _imports++;
    }

    /// <summary>A session removes the module; the last one closes the connections.</summary>
    public static void Removed()
    {
        IAsyncDisposable? ended = null;
        lock (Gate)
        {
            if (--_imports <= 0)
                (ended, _set, _imports) = (_set, null, 0);
        }
        if (ended is not null)
            Task.Run(async () => await ended.DisposeAsync()).Wait(Patience);
    }

    /// <summary>The set.</summary>
    public static object Get()
    {
        lock (Gate)
            return _set ??= Make();
    }

    private static ProviderSet Make() => new(TimeProvider.System);
}
