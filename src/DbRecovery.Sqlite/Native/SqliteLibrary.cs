using System.Reflection;
using System.Runtime.InteropServices;
using SQLitePCL;

namespace DbRecovery.Sqlite.Native;

/// <summary>The system's SQLite library: found once, and given to the driver and to this project's own native calls.</summary>
internal static class SqliteLibrary
{
    /// <summary>The name that native declarations use; a resolver maps it to the system's library.</summary>
    internal const string Name = "e_sqlite3";

    private static readonly Lazy<nint> Handle = new(Load, LazyThreadSafetyMode.ExecutionAndPublication);

    /// <summary>Loads the library and sets the driver's provider; does nothing the second time.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.LibraryMissing"/>.</exception>
    internal static void EnsureLoaded()
    {
        // a Lazy keeps a failure: the next call gives the same error at once
        _ = Handle.Value;
    }

    private static nint Load()
    {
        var handle = Candidates().Select(TryLoad).FirstOrDefault(h => h != 0);
        if (handle == 0)
        {
            throw new DbRecoveryException(ErrorIds.LibraryMissing, ErrorKind.MissingDependency,
                $"the SQLite library was not found (looked for {string.Join(", ", Candidates())})",
                "Install it: 'apt-get install libsqlite3-0' on Debian and Ubuntu, 'dnf install sqlite-libs' on RHEL and Fedora, 'apk add sqlite-libs' on Alpine. Windows and macOS have it.");
        }
        Resolve(typeof(SQLite3Provider_e_sqlite3).Assembly, handle);
        Resolve(typeof(SqliteLibrary).Assembly, handle);
        raw.SetProvider(new SQLite3Provider_e_sqlite3());
        return handle;
    }

    private static void Resolve(Assembly assembly, nint handle)
    {
        try
        {
            NativeLibrary.SetDllImportResolver(assembly, (name, _, _) => name == Name ? handle : 0);
        }
        catch (InvalidOperationException)
        {
            // someone in this load context has mapped the driver already, and knows where its library is
        }
    }

    private static string[] Candidates() =>
        OperatingSystem.IsWindows() ? ["winsqlite3.dll"]
        : OperatingSystem.IsMacOS() ? ["/usr/lib/libsqlite3.dylib", "libsqlite3.dylib"]
        : ["libsqlite3.so.0", "libsqlite3.so"];

    private static nint TryLoad(string name) => NativeLibrary.TryLoad(name, out var handle) ? handle : 0;
}
