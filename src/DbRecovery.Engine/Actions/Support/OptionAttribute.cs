using System.Runtime.CompilerServices;

namespace DbRecovery.Engine.Actions;

/// <summary>Marks a property of an options record as an option that a runbook may set.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class OptionAttribute(string description, [CallerLineNumber] int line = 0) : Attribute
{
    /// <summary>What the option is for.</summary>
    public string Description { get; } = description;

    /// <summary>Where it stands in the record: reflection promises no order.</summary>
    public int Line { get; } = line;
}
