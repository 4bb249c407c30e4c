using DbRecovery.Engine.Actions;
using DbRecovery.Engine.Faults;

namespace DbRecovery.Engine.Runbooks;

/// <summary>What a linter checks names against.</summary>
public sealed record LintContext
{
    /// <summary>The actions.</summary>
    public required IReadOnlyList<ActionDescriptor> Actions { get; init; }
    /// <summary>The facts: the common ones and those of every provider.</summary>
    public required IReadOnlyList<FactDefinition> Facts { get; init; }
    /// <summary>The fault classes.</summary>
    public required IReadOnlyList<FaultClass> Faults { get; init; }
    /// <summary>The engines.</summary>
    public required IReadOnlyList<string> Engines { get; init; }
    /// <summary>Whether an engine has a capability.</summary>
    public required Func<string, Type, bool> HasCapability { get; init; }
    /// <summary>The damages that drills of an engine can inflict; null where that is not known, and is not checked.</summary>
    public Func<string, IReadOnlyList<DrillDamage>>? DamagesOf { get; init; }
    /// <summary>Whether PowerShell is at hand.</summary>
    public bool PowerShell { get; init; }
}
