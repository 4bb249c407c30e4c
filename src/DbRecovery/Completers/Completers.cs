using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;
using DbRecovery.Engine.Backups;
using DbRecovery.Runtime;

namespace DbRecovery.PowerShell.Completers;

/// <summary>A completer of words that the engine knows. It never goes over a network, and an error is no completion.</summary>
public abstract class EngineWordCompleter : IArgumentCompleter
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    /// <inheritdoc/>
    public IEnumerable<CompletionResult> CompleteArgument(string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters)
    {
        IReadOnlyList<(string Word, string Tip)> words;
        try
        {
            words = Words(fakeBoundParameters);
        }
        catch (Exception)
        {
            // a completion that cannot be had is none: the command itself will say what is wrong
            yield break;
        }
        var pattern = WildcardPattern.Get((wordToComplete ?? "").Trim('\'', '"') + "*", WildcardOptions.IgnoreCase);
        foreach (var (word, tip) in words.Where(w => pattern.IsMatch(w.Word)))
        {
            var text = word.AsSpan().IndexOfAny(" '\"$`;()[]{}|&,") >= 0 ? $"'{word.Replace("'", "''", StringComparison.Ordinal)}'" : word;
            yield return new CompletionResult(text, word, CompletionResultType.ParameterValue, string.IsNullOrEmpty(tip) ? word : tip);
        }
    }

    private protected abstract IReadOnlyList<(string Word, string Tip)> Words(IDictionary bound);

    private protected static string? Bound(IDictionary bound, string name) => bound[name] switch
    {
        string text => text,
        string[] { Length: > 0 } texts => texts[0],
        object[] { Length: > 0 } objects => objects[0]?.ToString(),
        _ => null,
    };

    private protected static object MakeRuntime(IDictionary bound)
    {
        var folder = Environment.CurrentDirectory;
        using (var shell = System.Management.Automation.PowerShell.Create(RunspaceMode.CurrentRunspace))
            if (shell.AddScript("$ExecutionContext.SessionState.Path.CurrentFileSystemLocation.ProviderPath").Invoke() is [{ BaseObject: string location }])
                folder = location;
        return new RecoveryRuntime(new RuntimeOptions { InventoryPath = Bound(bound, "Inventory"), WorkingFolder = folder, Providers = (ProviderSet)Hosting.SharedProviders.Get() });
    }

    private protected static T Wait<T>(Func<CancellationToken, Task<T>> work)
    {
        using var deadline = new CancellationTokenSource(Patience);
        return Task.Run(() => work(deadline.Token), deadline.Token).WaitAsync(deadline.Token).GetAwaiter().GetResult();
    }
}

/// <summary>Completes names of clusters.</summary>
public sealed class ClusterCompleter : EngineWordCompleter
{
    private protected override IReadOnlyList<(string Word, string Tip)> Words(IDictionary bound) =>
        [.. ((RecoveryRuntime)MakeRuntime(bound)).GetClusters().Select(c => (c.Name, $"{c.Engine}, {Counted.Of(c.Nodes.Count, "node")}"))];
}

/// <summary>Completes names of nodes.</summary>
public sealed class NodeCompleter : EngineWordCompleter
{
    private protected override IReadOnlyList<(string Word, string Tip)> Words(IDictionary bound) =>
        [.. ((RecoveryRuntime)MakeRuntime(bound)).GetClusters(Bound(bound, "Cluster") is { } cluster ? [cluster] : null).SelectMany(c => c.Nodes).Select(n => (n.Name, n.Address))];
}

/// <summary>Completes engines.</summary>
public sealed class EngineCompleter : EngineWordCompleter
{
    private protected override IReadOnlyList<(string Word, string Tip)> Words(IDictionary bound) =>
        [.. ((RecoveryRuntime)MakeRuntime(bound)).Engines.Select(e => (e, e))];
}

/// <summary>Completes names of repositories.</summary>
public sealed class RepositoryCompleter : EngineWordCompleter
{
    private protected override IReadOnlyList<(string Word, string Tip)> Words(IDictionary bound) =>
        [.. ((RecoveryRuntime)MakeRuntime(bound)).GetRepositories().Select(r => (r.Name, r.Path))];
}

/// <summary>Completes labels of the keys of a repository.</summary>
public sealed class RepositoryKeyCompleter : EngineWordCompleter
{
    private protected override IReadOnlyList<(string Word, string Tip)> Words(IDictionary bound)
    {
        var runtime = (RecoveryRuntime)MakeRuntime(bound);
        return Bound(bound, "Repository") is not { } named ? [] : Wait(async token =>
            (await runtime.GetRepositoryKeysAsync(runtime.GetRepository(named), token)).Select(k => (k.Label ?? k.Id, $"{k.Kind}, {k.State}")).ToList());
    }
}

/// <summary>Completes names of runbooks.</summary>
public sealed class RunbookCompleter : EngineWordCompleter
{
    private protected override IReadOnlyList<(string Word, string Tip)> Words(IDictionary bound) =>
        [.. ((RecoveryRuntime)MakeRuntime(bound)).GetRunbooks().Select(r => (r.Name, r.Description))];
}

/// <summary>Completes names of damages.</summary>
public sealed class DamageCompleter : EngineWordCompleter
{
    private protected override IReadOnlyList<(string Word, string Tip)> Words(IDictionary bound)
    {
        var runtime = (RecoveryRuntime)MakeRuntime(bound);
        return [.. runtime.Engines.SelectMany(runtime.GetDamages).DistinctBy(d => d.Name).Select(d => (d.Name, d.Description))];
    }
}

/// <summary>Completes ids of incidents.</summary>
public sealed class IncidentCompleter : EngineWordCompleter
{
    private protected override IReadOnlyList<(string Word, string Tip)> Words(IDictionary bound) =>
        [.. ((RecoveryRuntime)MakeRuntime(bound)).GetIncidents(Bound(bound, "Cluster")).Take(50).Select(i => (i.Id, $"{i.Cluster}: {i.Fault.Id}, {i.State}"))];
}

/// <summary>Completes ids of backups.</summary>
public sealed class BackupCompleter : EngineWordCompleter
{
    private protected override IReadOnlyList<(string Word, string Tip)> Words(IDictionary bound)
    {
        var runtime = (RecoveryRuntime)MakeRuntime(bound);
        var cluster = Bound(bound, "Cluster");
        var repositories = Bound(bound, "Repository") is { } named
            ? [runtime.GetRepository(named)]
            : runtime.GetClusters(cluster is null ? null : [cluster]).Where(c => c.Backups is not null).Select(runtime.GetRepository).DistinctBy(r => r.Path).ToList();
        return Wait(async token =>
        {
            var words = new List<(string, string)>();
            foreach (var repository in repositories)
                words.AddRange((await runtime.GetBackupsAsync(repository, new BackupFilter { Cluster = cluster }, null, token))
                    .Take(50).Select(b => (b.Id, $"{b.Cluster}, {Shells.SizeText.Size(b.SizeBytes)}, {(b.Proof is { Passed: true } ? "proved" : "not proved")}")));
            return words;
        });
    }
}
