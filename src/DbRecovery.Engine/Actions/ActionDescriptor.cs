using DbRecovery.Engine.Runbooks;

namespace DbRecovery.Engine.Actions;

/// <summary>An option of an action, as a linter and a schema see it.</summary>
/// <param name="Name">The key in YAML, camelCase.</param>
/// <param name="Type">The type.</param>
/// <param name="Required">Whether it must be given.</param>
/// <param name="Default">The default as it would be written; null for none.</param>
/// <param name="Values">The words of an enum.</param>
/// <param name="Description">What it is for.</param>
public sealed record OptionDescriptor(string Name, OptionType Type, bool Required, string? Default, IReadOnlyList<string> Values, string Description);

/// <summary>What a linter and a schema know of an action.</summary>
public sealed record ActionDescriptor
{
    /// <summary>The name in YAML, kebab-case.</summary>
    public required string Name { get; init; }
    /// <summary>What it does.</summary>
    public required string Description { get; init; }
    /// <summary>Whether it takes something away: a runbook with such a step needs a guard and a limit.</summary>
    public required bool Destructive { get; init; }
    /// <summary>Its options.</summary>
    public required IReadOnlyList<OptionDescriptor> Options { get; init; }
    /// <summary>What later steps may look up as <c>steps.ID.NAME</c>; the definition's name is NAME alone.</summary>
    public required IReadOnlyList<FactDefinition> Outputs { get; init; }
    /// <summary>The capability interface that the engine must have; null for none.</summary>
    public Type? Capability { get; init; }
    /// <summary>Whether it works only inside PowerShell.</summary>
    public bool NeedsPowerShell { get; init; }
    /// <summary>The deadline of a step that names none.</summary>
    public TimeSpan DefaultTimeout { get; init; } = TimeSpan.FromMinutes(1);
}
