using System.Management.Automation;
using System.Management.Automation.Runspaces;
using DbRecovery.Engine.Actions;

namespace DbRecovery.PowerShell.Hosting;

/// <summary>Runs a runbook's PowerShell in a runspace of its own, so that it neither sees nor changes the caller's session.</summary>
internal sealed class PowerShellHost : IPowerShellHost
{
    /// <inheritdoc/>
    public async Task<IReadOnlyList<string>> InvokeAsync(string script, IReadOnlyDictionary<string, string> arguments, TimeSpan timeout, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(timeout);
        using var runspace = RunspaceFactory.CreateRunspace(InitialSessionState.CreateDefault2());
        runspace.Open();
        using var shell = System.Management.Automation.PowerShell.Create();
        shell.Runspace = runspace;
        shell.AddScript(script);
        foreach (var (name, value) in arguments)
            shell.AddParameter(name, value);
        await using var stop = deadline.Token.Register(() => shell.BeginStop(null, null));
        PSDataCollection<PSObject> output;
        try
        {
            output = await Task.Factory.FromAsync(shell.BeginInvoke(), shell.EndInvoke);
        }
        catch (PipelineStoppedException) when (deadline.IsCancellationRequested)
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw new DbRecoveryException(ErrorIds.TimedOut, ErrorKind.Timeout, $"the script did not end within {timeout}", "Give the step more time, or let the script do less.");
        }
        catch (RuntimeException e)
        {
            throw new DbRecoveryException(ErrorIds.StepFailed, ErrorKind.Failed, $"the script failed: {e.Message}", inner: e);
        }
        if (shell.HadErrors && shell.Streams.Error.Count > 0)
            throw new DbRecoveryException(ErrorIds.StepFailed, ErrorKind.Failed, $"the script reported an error: {shell.Streams.Error[0]}");
        return [.. output.Where(o => o is not null).Select(o => o.ToString())];
    }
}
