using DbRecovery.Engine.Yaml;

namespace DbRecovery.Engine.Runbooks;

/// <summary>The runbooks of some folders. They are read when they are first asked for.</summary>
public sealed class RunbookLibrary : IRunbookLibrary
{
    private const int ExactWeight = 1_000;

    private readonly Lazy<(IReadOnlyList<Runbook> Valid, IReadOnlyList<LintResult> Invalid)> _content;

    /// <summary>Makes a library.</summary>
    /// <param name="folders">The folders, shipped runbooks first: a later one of the same name replaces an earlier one.</param>
    /// <param name="context">What names are checked against.</param>
    public RunbookLibrary(IReadOnlyList<string> folders, LintContext context) => _content = new(() => Load(folders, context));

    /// <inheritdoc/>
    public IReadOnlyList<Runbook> All => _content.Value.Valid;

    /// <inheritdoc/>
    public IReadOnlyList<LintResult> Invalid => _content.Value.Invalid;

    /// <summary>The runbook files of a folder, in the order of their names.</summary>
    public static IReadOnlyList<string> Files(string folder) =>
        [.. Directory.EnumerateFiles(folder).Where(f => Path.GetExtension(f) is ".yml" or ".yaml").Order(StringComparer.Ordinal)];

    /// <summary>What the linter says of each runbook file of a folder.</summary>
    public static IReadOnlyList<LintResult> Lint(string folder, LintContext context) => [.. ReadFolder(folder, context).Select(r => r.Result)];

    /// <inheritdoc/>
    public Runbook Get(string name)
    {
        if (All.FirstOrDefault(r => r.Name == name) is { } runbook)
            return runbook;
        if (Invalid.FirstOrDefault(r => r.Name == name) is { } invalid)
        {
            throw new DbRecoveryException(ErrorIds.RunbookInvalid, ErrorKind.InvalidInput, $"the runbook '{name}' has errors", "Mend what the findings name.", invalid.File)
            {
                Findings = invalid.Findings,
            };
        }
        throw new DbRecoveryException(ErrorIds.RunbookNotFound, ErrorKind.NotFound, $"there is no runbook '{name}'", NearNames.Suggest(name, [.. All.Select(r => r.Name)]), name);
    }

    /// <inheritdoc/>
    public IReadOnlyList<Runbook> Match(Fault fault) =>
    [
        .. All.Select(r => (Runbook: r, Rank: Rank(r, fault)))
            .Where(r => r.Rank > 0)
            .OrderByDescending(r => r.Rank)
            .ThenBy(r => r.Runbook.Name, StringComparer.Ordinal)
            .Select(r => r.Runbook),
    ];

    // an id that is written out is more specific than a pattern, and the more a condition demands, the more specific it is
    private static int Rank(Runbook runbook, Fault fault)
    {
        if (!runbook.Match.Engines.Contains(fault.Engine))
            return 0;
        var exact = runbook.Match.Faults.Contains(fault.Id);
        if (!exact && !runbook.Match.Faults.Any(f => f.EndsWith('*') && fault.Id.StartsWith(f[..^1], StringComparison.Ordinal)))
            return 0;
        if (runbook.Match.When is { } when && ConditionEvaluator.Evaluate(when, new FaultValues(fault)).Result != true)
            return 0;
        return 1 + (exact ? ExactWeight : 0) + Demands(runbook.Match.When);
    }

    private static int Demands(Condition? condition) => condition switch
    {
        null => 0,
        AllCondition all => all.Items.Sum(Demands),
        _ => 1,
    };

    private static (IReadOnlyList<Runbook>, IReadOnlyList<LintResult>) Load(IReadOnlyList<string> folders, LintContext context)
    {
        var valid = new Dictionary<string, Runbook>(StringComparer.Ordinal);
        var invalid = new List<LintResult>();
        foreach (var (runbook, result) in folders.Where(Directory.Exists).SelectMany(f => ReadFolder(f, context)))
        {
            if (runbook is not null)
            {
                valid[runbook.Name] = runbook;
                continue;
            }
            invalid.Add(result);
            // the user's own version of it is broken, or there are two: the shipped one must not run in its stead. Files are named as
            // their runbooks, which tells where not even the name can be read
            valid.Remove(result.Name ?? Path.GetFileNameWithoutExtension(result.File));
        }
        return ([.. valid.Values.OrderBy(r => r.Name, StringComparer.Ordinal)], invalid);
    }

    private static IEnumerable<(Runbook? Runbook, LintResult Result)> ReadFolder(string folder, LintContext context)
    {
        var taken = new Dictionary<string, string>(StringComparer.Ordinal);
        return Files(folder).Select(file => Read(file, context, taken));
    }

    private static (Runbook?, LintResult) Read(string file, LintContext context, Dictionary<string, string> taken)
    {
        try
        {
            return RunbookLinter.Lint(file, File.ReadAllText(file), context, taken);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return (null, new LintResult
            {
                File = file,
                Findings = [new LintFinding { File = file, Line = 1, Column = 1, Rule = "unreadable", Message = $"The file cannot be read: {e.Message}", Suggestion = "Mend its permissions or link, or take it away." }],
            });
        }
    }

    /// <summary>What <c>match.when</c> can ask: only the fault is known when a runbook is chosen.</summary>
    private sealed class FaultValues(Fault fault) : IValueSource
    {
        public Resolution Resolve(string path) => path switch
        {
            "fault.id" => Resolution.Known(fault.Id),
            "fault.severity" => Resolution.Known((long)fault.Severity),
            "fault.confidence" => Resolution.Known(fault.Confidence.ToString().ToLowerInvariant()),
            "fault.cluster" => Resolution.Known(fault.Cluster),
            "fault.engine" => Resolution.Known(fault.Engine),
            _ when path.StartsWith("fault.", StringComparison.Ordinal) && fault.Details.TryGetValue(path[6..], out var value) => Resolution.Known(value),
            _ => Resolution.Unknown("it is not part of the fault"),
        };
    }
}
