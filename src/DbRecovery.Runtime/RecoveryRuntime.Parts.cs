using System.Reflection;
using DbRecovery.Engine.Actions;
using DbRecovery.Engine.Backups;
using DbRecovery.Engine.Faults;
using DbRecovery.Engine.Health;
using DbRecovery.Engine.Incidents;
using DbRecovery.Engine.Inventory;
using DbRecovery.Engine.Routing;
using DbRecovery.Engine.Runbooks;
using DbRecovery.Engine.Yaml;

namespace DbRecovery.Runtime;

public sealed partial class RecoveryRuntime
{
    private readonly RuntimeOptions _options;
    private readonly ProviderSet _shared;
    private readonly SecretResolver _secrets;
    private readonly IReadOnlyList<IDatabaseProvider> _providers;
    private readonly ActionCatalogue _actions = ActionCatalogue.Standard();
    private readonly Lazy<(string? Path, InventoryModel? Model, IReadOnlyList<LintFinding> Findings)> _inventory;
    private readonly Lazy<IBackupService> _backups;
    private readonly Lazy<HealthService> _health;
    private readonly Lazy<IReadOnlyList<string>> _runbookFolders;
    private readonly Lazy<LintContext> _lintContext;
    private readonly Lazy<IRunbookLibrary> _library;
    private readonly Lazy<IncidentService> _incidents;
    private readonly Lazy<IncidentService> _readingIncidents;

    /// <summary>Makes a runtime.</summary>
    public RecoveryRuntime(RuntimeOptions options)
    {
        _options = options;
        _secrets = new SecretResolver(options);
        _shared = options.Providers ?? new ProviderSet(options.Clock);
        _providers = _shared.All;
        // an inventory that could not be read is tried again, so that a mended file is seen
        _inventory = new(ReadInventory, LazyThreadSafetyMode.PublicationOnly);
        _backups = new(() => new BackupService(Provider, options.Clock, secrets: _secrets));
        _health = new(() => new HealthService(new HealthServiceOptions
        {
            Providers = Provider, Backups = _backups.Value, RepositoryOf = RepositoryOf, StateFolder = StateFolder, Clock = options.Clock,
            Routes = new ClusterRoutes(Provider, options.Clock),
        }), LazyThreadSafetyMode.PublicationOnly);
        _runbookFolders = new(RunbookFolders, LazyThreadSafetyMode.PublicationOnly);
        _lintContext = new(MakeLintContext, LazyThreadSafetyMode.PublicationOnly);
        _library = new(() => new RunbookLibrary(_runbookFolders.Value, _lintContext.Value), LazyThreadSafetyMode.PublicationOnly);
        _incidents = new(() => new IncidentService(ServicesOfIncidents(readOnly: false)), LazyThreadSafetyMode.PublicationOnly);
        _readingIncidents = new(() => new IncidentService(ServicesOfIncidents(readOnly: true)), LazyThreadSafetyMode.PublicationOnly);
    }

    /// <summary>Closes the connections of providers that nobody shares.</summary>
    public ValueTask DisposeAsync() => _options.Providers is null ? _shared.DisposeAsync() : ValueTask.CompletedTask;

    private string StateFolder => Locations.State(_options, _inventory.Value.Model?.StateFolder);

    // the findings themselves are told with the error, each once
    private static string Errors(IReadOnlyList<LintFinding> findings) => Counted.Of(findings.Count(f => f.Severity == LintSeverity.Error), "error");

    private InventoryModel? Model => _inventory.Value is { Path: not null, Model: null } invalid
        ? throw new DbRecoveryException(ErrorIds.InventoryInvalid, ErrorKind.InvalidInput, $"the inventory '{invalid.Path}' has {Errors(invalid.Findings)}",
            "Correct them; the findings say where.", invalid.Path) { Findings = invalid.Findings }
        : _inventory.Value.Model;

    private InventoryModel Inventory => Model ?? throw new DbRecoveryException(ErrorIds.InventoryNotFound, ErrorKind.NotFound, "no inventory was found",
        $"Give one, set DBRECOVERY_INVENTORY, or write {Locations.Resolve(_options, "dbrecovery.yml")}; a single file needs none: name its engine and path.");

    private (string?, InventoryModel?, IReadOnlyList<LintFinding>) ReadInventory()
    {
        if (Locations.Inventory(_options) is not { } path)
            return (null, null, []);
        var (model, findings) = InventoryReader.Read(path, File.ReadAllText(path), _providers.ToDictionary(p => p.Engine, p => new EngineTraits(p.Embedded, p.DefaultPort), StringComparer.Ordinal));
        // whoever comes to a cluster has read its inventory
        _shared.Withhold([PassphraseVariable, .. model?.SecretVariables ?? []]);
        return (path, model, findings);
    }

    private IDatabaseProvider Provider(string engine) => _shared.Find(engine, _secrets)
        ?? throw new DbRecoveryException(ErrorIds.EngineNotSupported, ErrorKind.NotSupported, $"there is no engine '{engine}'",
            NearNames.Suggest(engine, [.. Engines]), engine);

    private string[] SecretVariables() => [PassphraseVariable, .. Model?.SecretVariables ?? []];

    private RepositoryDefinition? RepositoryOf(ClusterDefinition cluster) => cluster.Backups is { } backups ? GetRepository(backups.Repository) : null;

    private IReadOnlyList<string> RunbookFolders() =>
        [.. new[] { Locations.ShippedRunbooks() }.OfType<string>(), .. Model?.RunbookFolders ?? [], .. _options.RunbookFolders.Select(f => Locations.Resolve(_options, f))];

    private LintContext MakeLintContext() => new()
    {
        Actions = _actions.Descriptors,
        Facts = [.. FactDefinition.Of(typeof(CommonFacts)), .. FactDefinition.Of(typeof(ReplicationFacts)), .. _providers.SelectMany(p => p.Facts)],
        Faults = FaultCatalogue.With(Model?.Clusters ?? []),
        HasCapability = (engine, type) => _providers.FirstOrDefault(p => p.Engine == engine) is { } provider && Has(provider, type),
        Engines = Engines,
        DamagesOf = GetDamages,
        PowerShell = _options.PowerShell is not null,
    };

    private static bool Has(IDatabaseProvider provider, Type capability)
    {
        object?[] arguments = [null];
        return (bool)typeof(IDatabaseProvider).GetMethod(nameof(IDatabaseProvider.TryGet))!.MakeGenericMethod(capability).Invoke(provider, arguments)!;
    }

    // one for all calls: it remembers what has come to its end, and a graver fault makes what runs give way
    private IncidentService Incidents(bool readOnly = false) => (readOnly ? _readingIncidents : _incidents).Value;

    private IncidentServices ServicesOfIncidents(bool readOnly) => new()
    {
        StateFolder = StateFolder,
        Provider = Provider,
        Backups = _backups.Value,
        Repository = RepositoryOf,
        Routes = new ClusterRoutes(Provider, _options.Clock, SecretVariables()),
        Health = readOnly ? _health.Value.AsReadOnly() : _health.Value,
        Runbooks = _library.Value,
        ReadRunbook = ReadRunbook,
        Actions = _actions,
        Secrets = _secrets,
        SecretVariables = SecretVariables(),
        Notifications = Model?.Notifications ?? new Dictionary<string, NotificationChannel>(),
        PowerShell = _options.PowerShell,
        Clock = _options.Clock,
    };

    private RecoverRequest Request(Fault fault, string? runbook, IReadOnlyDictionary<string, string>? parameters, long? allowDataLossBytes) => new()
    {
        Cluster = fault.Definition ?? GetCluster(fault.Cluster), Fault = fault, Runbook = runbook is null ? null : FindRunbook(runbook),
        Parameters = parameters ?? new Dictionary<string, string>(), AllowDataLossBytes = allowDataLossBytes,
        Level = FaultClassifier.IsSeenAtOnce(fault.Id) ? ObservationLevel.Quick : ObservationLevel.Standard,
    };

    private Runbook FindRunbook(string nameOrFile)
    {
        var isFile = nameOrFile.Contains(Path.DirectorySeparatorChar) || nameOrFile.Contains('/') || Path.GetExtension(nameOrFile) is ".yml" or ".yaml";
        if (!isFile)
            return _library.Value.Get(nameOrFile);
        var path = Locations.Resolve(_options, nameOrFile);
        if (!File.Exists(path))
            throw new DbRecoveryException(ErrorIds.RunbookNotFound, ErrorKind.NotFound, $"there is no runbook file '{path}'", "Give the name of a runbook, or the path of a file.", path);
        return ReadRunbook(path);
    }

    private Runbook ReadRunbook(string path)
    {
        var (runbook, lint) = RunbookLinter.Lint(path, File.ReadAllText(path), _lintContext.Value);
        return runbook ?? throw new DbRecoveryException(ErrorIds.RunbookInvalid, ErrorKind.InvalidInput, $"the runbook '{path}' has {Errors(lint.Findings)}",
            "Correct them; the findings say where.", path) { Findings = lint.Findings };
    }

    private LintResult LintFile(string path) => RunbookLinter.Lint(path, File.ReadAllText(path), _lintContext.Value).Result;

    private RunbookInfo Describe(Runbook runbook) => new()
    {
        Name = runbook.Name, Version = runbook.Version, Description = runbook.Description, Engines = runbook.Match.Engines, Faults = runbook.Match.Faults,
        Steps = runbook.Steps.Select(s => $"{s.Id}: {s.Action}").ToArray(), Path = runbook.Path,
        Destructive = runbook.Steps.Any(s => _actions.Descriptors.Any(a => a.Name == s.Action && a.Destructive)),
    };
}
