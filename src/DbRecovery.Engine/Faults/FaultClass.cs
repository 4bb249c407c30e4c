namespace DbRecovery.Engine.Faults;

/// <summary>A class of faults: what a runbook may name in its <c>match</c>, and which details it may ask for.</summary>
/// <param name="Id">The stable dotted id.</param>
/// <param name="Severity">The severity.</param>
/// <param name="Engines">The engines that it occurs in; empty for all.</param>
/// <param name="Description">What it means.</param>
/// <param name="Details">What <c>fault.NAME</c> gives; the definition's name is NAME alone.</param>
public sealed record FaultClass(string Id, FaultSeverity Severity, IReadOnlyList<string> Engines, string Description, IReadOnlyList<FactDefinition> Details);
