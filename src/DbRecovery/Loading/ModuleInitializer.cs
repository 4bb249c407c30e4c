using System.Management.Automation;
using System.Reflection;
using System.Runtime.Loader;

namespace DbRecovery.PowerShell.Loading;

/// <summary>
/// Bridges the load contexts when the module is imported: this assembly and the words of the domain live in PowerShell's own
/// context, the engine and its packages in one of their own, so that no version of a package that another module brought can
/// reach them.
/// </summary>
public sealed class ModuleInitializer : IModuleAssemblyInitializer, IModuleAssemblyCleanup
{
    /// <inheritdoc/>
    public void OnImport()
    {
        // once for each import and once removed for each removal: a second import must not leave two handlers behind
        AssemblyLoadContext.Default.Resolving -= EngineLoadContext.ResolveForDefault;
        AssemblyLoadContext.Default.Resolving += EngineLoadContext.ResolveForDefault;
        Hosting.SharedProviders.Imported();
    }

    /// <inheritdoc/>
    public void OnRemove(PSModuleInfo psModuleInfo)
    {
        // The handler stays: other runspaces of the process may use the module, and an assembly that is loaded stays loaded.
        Hosting.SharedProviders.Removed();
    }
}

/// <summary>The context in which the engine and its packages live.</summary>
internal sealed class EngineLoadContext : AssemblyLoadContext
{
    private const string AbstractionsName = "DbRecovery.Abstractions";
    private static readonly string ModuleFolder = Path.GetDirectoryName(typeof(EngineLoadContext).Assembly.Location)!;
    private static readonly string EngineFolder = Path.Combine(ModuleFolder, "dependencies");
    private static readonly EngineLoadContext Instance = new();

    private EngineLoadContext() : base("DbRecovery")
    {
    }

    /// <summary>Finds what this assembly references and PowerShell's context does not have.</summary>
    internal static Assembly? ResolveForDefault(AssemblyLoadContext context, AssemblyName name)
    {
        if (name.Name is null)
            return null;
        if (name.Name == AbstractionsName)
            return LoadIfThere(context, Path.Combine(ModuleFolder, AbstractionsName + ".dll"));
        // only our own: what another module misses is not ours to give
        return name.Name.StartsWith("DbRecovery.", StringComparison.Ordinal)
            ? LoadIfThere(Instance, Path.Combine(EngineFolder, name.Name + ".dll"))
            : null;
    }

    /// <inheritdoc/>
    protected override Assembly? Load(AssemblyName assemblyName)
    {
        // null hands it to the default context: there is one copy of the domain's words, and it is there
        if (assemblyName.Name is null or AbstractionsName)
            return null;
        return LoadIfThere(this, Path.Combine(EngineFolder, assemblyName.Name + ".dll"));
    }

    private static Assembly? LoadIfThere(AssemblyLoadContext context, string path) =>
        File.Exists(path) ? context.LoadFromAssemblyPath(path) : null;
}
