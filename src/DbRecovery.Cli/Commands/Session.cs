using System.CommandLine;
using DbRecovery.Cli.Output;
using DbRecovery.Runtime;

namespace DbRecovery.Cli.Commands;

/// <summary>One run of a verb: the engine with the options of the command line, and what is written where.</summary>
internal sealed class Session : IAsyncDisposable
{
    private const int MostSideBySide = 8;

    private readonly AppEnvironment _environment;
    private readonly Lazy<RecoveryRuntime> _runtime;

    public Session(AppEnvironment environment, ParseResult parsed, CommonOptions common)
    {
        _environment = environment;
        Output = new ObjectWriter(environment, parsed.GetValue(common.Output), environment.Color && !parsed.GetValue(common.NoColor));
        Progress = new TerminalProgress(environment.Error, environment.ErrorIsTerminal, environment.Width);
        Timeline = new TimelineWriter(environment.Error, environment.ErrorIsTerminal, Progress);
        _runtime = new Lazy<RecoveryRuntime>(() => environment.MakeRuntime(new RuntimeOptions
        {
            InventoryPath = parsed.GetValue(common.Inventory) is { } inventory ? Path.GetFullPath(inventory) : null,
            StateFolder = parsed.GetValue(common.State) is { } state ? Path.GetFullPath(state) : null,
        }));
    }

    public RecoveryRuntime Runtime => _runtime.Value;

    /// <summary>A repository by its name in the inventory, or by its path: what has a separator is a path.</summary>
    public RepositoryDefinition Repository(string nameOrPath) =>
        Runtime.GetRepository(nameOrPath.AsSpan().IndexOfAny('/', '\\') >= 0 ? Path.GetFullPath(nameOrPath) : nameOrPath);

    /// <summary>The repository that was named; without a name, the cluster's own.</summary>
    public RepositoryDefinition Repository(ClusterDefinition cluster, string? nameOrPath) => nameOrPath is null ? Runtime.GetRepository(cluster) : Repository(nameOrPath);

    public ObjectWriter Output { get; }

    public TerminalProgress Progress { get; }

    public TimelineWriter Timeline { get; }

    /// <summary>Writes an error and goes on; gives its exit code.</summary>
    public int Report(DbRecoveryException error)
    {
        Progress.Clear();
        ErrorText.Write(error, _environment);
        return ExitCodes.Of(error);
    }

    /// <summary>Does something with clusters side by side, and gives what came of each in their order. The error of one of several is written, and its exit code given.</summary>
    public async Task<(IReadOnlyList<T> Results, int Code)> EachAsync<T>(IReadOnlyList<ClusterDefinition> clusters, Func<ClusterDefinition, CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        var results = new (T? Value, DbRecoveryException? Error)[clusters.Count];
        await Parallel.ForAsync(0, clusters.Count, new ParallelOptions { MaxDegreeOfParallelism = MostSideBySide, CancellationToken = cancellationToken }, async (i, token) =>
        {
            try
            {
                results[i] = (await work(clusters[i], token), null);
            }
            catch (DbRecoveryException e) when (clusters.Count > 1)
            {
                results[i] = (default, e);
            }
        });
        var code = ExitCodes.Done;
        foreach (var error in results.Select(r => r.Error).OfType<DbRecoveryException>())
            code = Math.Max(code, Report(error));
        Progress.Clear();
        return ([.. results.Where(r => r.Error is null).Select(r => r.Value!)], code);
    }

    /// <summary>Writes a line for people on the error stream.</summary>
    public void Say(string text) => ErrorText.WriteLine(text, _environment);

    /// <summary>Whether somebody can be asked.</summary>
    public bool CanAsk => _environment is { InIsTerminal: true, ErrorIsTerminal: true };

    /// <summary>Asks for a yes.</summary>
    public async Task<bool> AskAsync(string question, CancellationToken cancellationToken)
    {
        _environment.Error.Write(question + " [y/N] ");
        // a terminal's read cannot be cancelled: it is left behind when the program ends
        var answer = await Task.Run(() => _environment.In().ReadLine(), CancellationToken.None).WaitAsync(cancellationToken);
        return answer?.Trim() is "y" or "Y" or "yes" or "Yes";
    }

    /// <summary>Agreement to something: given by --yes, or by a person on a terminal; else an error.</summary>
    public async Task<bool> AgreedAsync(bool yes, string text, CancellationToken cancellationToken)
    {
        if (yes)
            return true;
        if (!CanAsk)
            throw new DbRecoveryException(ErrorIds.ApprovalRequired, ErrorKind.Refused, "nobody can be asked here, and --yes was not given; nothing was changed", "Read what would be done (--plan where there is one), then say --yes.");
        Say(text);
        return await AskAsync("Go on?", cancellationToken);
    }

    /// <summary>Writes what a linter found.</summary>
    public void WriteLint(IReadOnlyList<LintResult> results)
    {
        Output.WriteAll(results, "no runbooks");
        if (!Output.IsJson)
            foreach (var finding in results.SelectMany(r => r.Findings))
                Say(finding.ToString());
    }

    /// <summary>Reads a size given to an option.</summary>
    public static long? Size(string? text, string option) => text is null ? null : Quantities.TryTypedSize(text, out var bytes) ? bytes
        : throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"{option}: '{text}' is no size", "Write 0B, 64KiB, 10MB, 1GB, or any.", text);

    /// <summary>Reads a duration given to an option.</summary>
    public static TimeSpan? Duration(string? text, string option) => text is null ? null : Quantities.TryTypedDuration(text, out var duration) ? duration
        : throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"{option}: '{text}' is no duration", "Write 250ms, 30s, 15m, 1h or 7d.", text);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Progress.Dispose();
        if (_runtime.IsValueCreated)
            await _runtime.Value.DisposeAsync();
    }
}
