using System.Management.Automation;
using DbRecovery.PowerShell.Completers;
using DbRecovery.Shells;

namespace DbRecovery.PowerShell.Commands;

/// <summary>Checks what a cluster needs so that it can be observed, failed over and brought back, and creates what is missing.</summary>
/// <remarks>Looks at the role with the least rights that DbRecovery needs, its schema, and the settings that make recovery possible, and creates what is missing, item by item, after asking. With -WhatIf it only looks, and shows the SQL. Each item is written with how it stands; its Statements are the SQL. What is only recommended is created with -Recommended. A password is in no statement.</remarks>
/// <example><code>Initialize-DbCluster -Cluster orders -WhatIf | Format-Table Node, Name, State, Found</code><para>Shows how everything stands, and the SQL for what is missing.</para></example>
/// <example><code>Initialize-DbCluster orders -Credential (Get-Credential postgres) -Recommended</code><para>Creates all of it as a superuser.</para></example>
[Cmdlet(VerbsData.Initialize, "DbCluster", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High)]
[OutputType(typeof(SetupItem))]
public sealed class InitializeDbClusterCommand : DbCmdlet
{
    // sessions are shared by login, and two credentials are two logins whatever their user names
    private readonly string _credentialName = $"-Credential {Guid.NewGuid()}";

    /// <summary>The cluster's name in the inventory.</summary>
    [Parameter(ParameterSetName = ReplicationCmdlet.ByCluster, Mandatory = true, Position = 0, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(ClusterCompleter))]
    [ValidateNotNullOrEmpty]
    public string? Cluster { get; set; }

    /// <summary>A cluster from Get-DbCluster.</summary>
    [Parameter(ParameterSetName = ReplicationCmdlet.ByObject, Mandatory = true, ValueFromPipeline = true)]
    [ValidateNotNull]
    public ClusterDefinition? InputObject { get; set; }

    /// <summary>The login that looks and creates: a superuser, or who may create roles. Without it: the cluster's own.</summary>
    [Parameter]
    [ValidateNotNull]
    [Credential]
    public PSCredential? Credential { get; set; }

    /// <summary>Creates what is only recommended, too.</summary>
    [Parameter]
    public SwitchParameter Recommended { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord() => Try(Cluster ?? InputObject?.Name, () =>
    {
        var items = Look();
        SetupItem[] open = [.. items.Where(i => i.Statements.Count > 0 && (i.State == SetupState.Missing || (Recommended && i.State == SetupState.Recommended)))];
        var name = Cluster ?? InputObject!.Name;
        var text = SetupText.Sql(open);
        if (open.Length > 0 && ShouldProcess(text, text + Environment.NewLine + "Run these statements?", $"Set up {name}"))
        {
            foreach (var item in open)
                WriteVerbose($"{item.Node}: {item.Name}: {Work($"Setting up {name}", (operation, token) => operation.Runtime.ApplySetupAsync(Target(operation), Login(operation), item, token)).Summary}");
            items = Look();
        }
        WriteObject(items, enumerateCollection: true);
    });

    private IReadOnlyList<SetupItem> Look() => Work("Looking at the set-up", (operation, token) => operation.Runtime.CheckSetupAsync(Target(operation), Login(operation), token));

    private ClusterDefinition Target(Operation operation) => InputObject ?? operation.Runtime.GetCluster(Cluster!);

    private SetupLogin? Login(Operation operation) => Credential is null ? null : new SetupLogin(Credential.UserName, operation.Keep(Credential, _credentialName));
}
