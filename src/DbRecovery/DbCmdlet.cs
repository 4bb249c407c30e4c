using System.Management.Automation;
using DbRecovery.PowerShell.Completers;
using DbRecovery.PowerShell.Hosting;
using DbRecovery.Runtime;

namespace DbRecovery.PowerShell;

/// <summary>What every cmdlet of the module has: an inventory, a deadline, cancellation, and work beside the pipeline's thread.</summary>
public abstract class DbCmdlet : PSCmdlet, IDisposable
{
    private readonly CancellationTokenSource _cancel = new();
    private int _disposed;

    /// <summary>The inventory file. Without it: $env:DBRECOVERY_INVENTORY, ./dbrecovery.yml, then the user's configuration folder.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? Inventory { get; set; }

    /// <summary>The longest time that the command may take, such as 30s, 15m or 00:05:00. Without it there is no limit besides those of each operation.</summary>
    [Parameter]
    [DurationTransformation]
    public TimeSpan? Timeout { get; set; }

    /// <inheritdoc/>
    protected override void BeginProcessing()
    {
        if (Timeout is { } timeout)
            _cancel.CancelAfter(timeout);
    }

    /// <inheritdoc/>
    protected override void StopProcessing() => Cancel();

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        _cancel.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>A path of the session (drives, ~, relative to the location) as one of the file system; wildcards are characters like others.</summary>
    internal string ResolvePath(string path, string parameter)
    {
        var resolved = SessionState.Path.GetUnresolvedProviderPathFromPSPath(path, out var provider, out _);
        if (provider.Name != "FileSystem")
            throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput,
                $"-{parameter} '{path}' is in the provider {provider.Name}, not in the file system", "Give the path of a file or folder.", path);
        return resolved;
    }

    /// <summary>A repository: a name of the inventory stays as it is, a path is resolved.</summary>
    internal string ResolveRepository(string nameOrPath) =>
        nameOrPath.AsSpan().IndexOfAny('/', '\\', ':') >= 0 || nameOrPath is "." or ".." or "~" ? ResolvePath(nameOrPath, "Repository") : nameOrPath;

    /// <summary>Runs work with the engine beside the pipeline's thread and gives its value. Throws what the work throws.</summary>
    /// <param name="activity">What it is, for progress and errors.</param>
    /// <param name="work">The work.</param>
    /// <param name="unfinished">What to do where it was cancelled and does not end; null: nothing.</param>
    internal T Work<T>(string activity, Func<Operation, CancellationToken, Task<T>> work, string? unfinished = null)
    {
        using var pump = new PipelinePump(unfinished);
        var progress = new ProgressReporter(pump, WriteProgress, activity.GetHashCode(StringComparison.Ordinal) & 0x7fffffff);
        var operation = new Operation(this, pump, progress);
        try
        {
            return pump.Run(token => work(operation, token), _cancel.Token);
        }
        catch (OperationCanceledException) when (Stopping)
        {
            throw new PipelineStoppedException();
        }
        catch (OperationCanceledException e) when (_cancel.IsCancellationRequested)
        {
            throw new DbRecoveryException(ErrorIds.TimedOut, ErrorKind.Timeout, $"{activity}: not done within -Timeout {Timeout}", "Give it more time.", inner: e);
        }
        finally
        {
            if (!Stopping)
                progress.Complete();
        }
    }

    /// <summary>Runs a part of the command; an error of it is written and the next part goes on.</summary>
    internal void Try(object? target, Action part)
    {
        try
        {
            part();
        }
        catch (Exception e) when (e is not PipelineStoppedException and not System.Management.Automation.RuntimeException)
        {
            WriteError(ErrorRecords.Of(e, target));
        }
    }

    /// <summary>Runs what the whole command depends on; an error of it ends the command.</summary>
    internal T Need<T>(Func<T> part)
    {
        try
        {
            return part();
        }
        catch (Exception e) when (e is not PipelineStoppedException and not System.Management.Automation.RuntimeException)
        {
            ThrowTerminatingError(ErrorRecords.Of(e, null));
            throw;
        }
    }

    /// <summary>The clusters of these names; the command ends where the inventory cannot be read or a name is not in it.</summary>
    internal IReadOnlyList<ClusterDefinition> Clusters(IReadOnlyList<string>? names) =>
        Need(() => Work("Reading the inventory", (operation, _) =>
        {
            var found = operation.Runtime.GetClusters(names);
            operation.Verbose($"Inventory '{operation.Runtime.LintInventory().File}': {Counted.Of(found.Count, "cluster")} meant: {string.Join(", ", found.Select(c => c.Name))}.");
            return Task.FromResult(found);
        }));

    /// <summary>
    /// Asks before something whose weight depends on the target: less than the declared one is asked only where the caller wishes
    /// to be asked of it.
    /// </summary>
    internal bool ShouldProcessAt(ConfirmImpact impact, string description, string question)
    {
        if (!IsWhatIf && impact < ConfirmImpact.High && !MyInvocation.BoundParameters.ContainsKey("Confirm")
            && GetVariableValue("ConfirmPreference") is ConfirmImpact preference && preference > impact)
            return true;
        return ShouldProcess(description, question, "DbRecovery");
    }

    /// <summary>Whether only a plan is wanted.</summary>
    internal bool IsWhatIf => MyInvocation.BoundParameters.TryGetValue("WhatIf", out var given)
        ? given is SwitchParameter { IsPresent: true }
        : GetVariableValue("WhatIfPreference") is true or SwitchParameter { IsPresent: true };

    /// <summary>The path of the inventory in the file system, or null.</summary>
    internal string? InventoryPath => Inventory is null ? null : ResolvePath(Inventory, nameof(Inventory));

    internal string WorkingFolder => SessionState.Path.CurrentFileSystemLocation.ProviderPath;

    private void Cancel()
    {
        try
        {
            _cancel.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // the command ended while Ctrl+C was on its way
        }
    }
}

/// <summary>What the work of a cmdlet works with.</summary>
internal sealed class Operation
{
    private readonly DbCmdlet _cmdlet;
    private readonly PipelinePump _pump;
    private readonly string? _inventory;
    private readonly string _folder;
    private readonly object _gate = new();
    private PSCredential? _credential;
    private string? _credentialName;
    private object? _runtime;

    public Operation(DbCmdlet cmdlet, PipelinePump pump, ProgressReporter progress)
    {
        _cmdlet = cmdlet;
        _pump = pump;
        Progress = progress;
        _inventory = cmdlet.InventoryPath;
        _folder = cmdlet.WorkingFolder;
        Timeline = new DirectProgress<TimelineEntry>(entry => pump.Post(() =>
            cmdlet.WriteInformation(new InformationRecord(entry, cmdlet.MyInvocation.MyCommand.Name) { Tags = { "DbRecovery" } })));
    }

    /// <summary>Progress of long operations.</summary>
    public IProgress<OperationProgress> Progress { get; }

    /// <summary>Transitions of an incident: information records.</summary>
    public IProgress<TimelineEntry> Timeline { get; }

    /// <summary>The engine. A field of this type would make PowerShell load it when the module is imported.</summary>
    public RecoveryRuntime Runtime
    {
        get
        {
            lock (_gate)
                return (RecoveryRuntime)(_runtime ??= MakeRuntime());
        }
    }

    /// <summary>Writes an error from the work.</summary>
    public void Error(Exception error, object? target) => _pump.Post(() => _cmdlet.WriteError(ErrorRecords.Of(error, target)));

    /// <summary>Warns of what stands in the way of other work; a failure of this one is an error.</summary>
    public void Warn(string text) => _pump.Post(() => _cmdlet.WriteWarning(text));

    /// <summary>Says a decision from the work.</summary>
    public void Verbose(string text) => _pump.Post(() => _cmdlet.WriteVerbose(text));

    /// <summary>Has the pipeline's thread do something that writes.</summary>
    public void Do(Action action) => _pump.Post(action);

    /// <summary>Writes an object from the work.</summary>
    public void Write(object value) => _pump.Post(() => _cmdlet.WriteObject(value));

    /// <summary>A reference to a password that was given to the command; it is read from the command's parameter while the command runs, and kept nowhere else.</summary>
    /// <param name="credential">The parameter.</param>
    /// <param name="name">A name that no other credential has.</param>
    public SecretReference Keep(PSCredential credential, string name)
    {
        (_credential, _credentialName) = (credential, name);
        return new SecretReference(SecretSource.Secret, name);
    }

    /// <summary>Has a function carried out by the pipeline's thread, such as a question, and waits for its value.</summary>
    public Task<T> AskAsync<T>(Func<T> function, CancellationToken cancellationToken) => _pump.AskAsync(function, cancellationToken);

    private object MakeRuntime() => new RecoveryRuntime(new RuntimeOptions
    {
        InventoryPath = _inventory,
        WorkingFolder = _folder,
        SecretManagement = ReadSecretAsync,
        PowerShell = new PowerShellHost(),
        Providers = (ProviderSet)SharedProviders.Get(),
    });

    private async ValueTask<SecretValue> ReadSecretAsync(string name, CancellationToken cancellationToken) =>
        name == _credentialName && _credential is not null ? new SecretValue(_credential.GetNetworkCredential().Password) : await _pump.AskAsync(() => ReadSecret(name), cancellationToken);

    private SecretValue ReadSecret(string name)
    {
        if (_cmdlet.InvokeCommand.GetCommand("Get-Secret", CommandTypes.Cmdlet | CommandTypes.Function) is null)
            throw new DbRecoveryException(ErrorIds.SecretUnavailable, ErrorKind.MissingDependency,
                $"the secret '{name}' is kept in SecretManagement, and there is no Get-Secret here",
                "Install Microsoft.PowerShell.SecretManagement, or name an environment variable or a file.", name);
        try
        {
            var found = _cmdlet.InvokeCommand.InvokeScript("param($name) Get-Secret -Name $name -AsPlainText -ErrorAction Stop", name);
            if (found.Count == 1 && found[0]?.BaseObject is string text)
                return new SecretValue(text);
        }
        catch (RuntimeException e)
        {
            throw new DbRecoveryException(ErrorIds.SecretUnavailable, ErrorKind.NotFound, $"Get-Secret could not read the secret '{name}'",
                $"Try: Get-Secret -Name '{name}' ({e.GetType().Name}).", name);
        }
        throw new DbRecoveryException(ErrorIds.SecretUnavailable, ErrorKind.InvalidInput, $"the secret '{name}' is not one text", "Store it as a string.", name);
    }
}
