using System.Management.Automation;

namespace DbRecovery.Benchmarks;

/// <summary>The least that a binary module can be: the peer of the import benchmark.</summary>
[Cmdlet(VerbsCommon.Get, "Nothing")]
public sealed class EmptyCommand : PSCmdlet
{
}
