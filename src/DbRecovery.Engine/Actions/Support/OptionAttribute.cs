namespace DbRecovery.Engine.Actions;

/// <summary>Marks a property of an options record as an option that a runbook may set.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class OptionAttribute(string description) : Attribute
{
    /// <summary>What the option is for.</summary>
    public string Description { get; } = description;
}
