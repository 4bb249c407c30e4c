namespace DbRecovery.Engine.Inventory;

/// <summary>What an inventory's reader must know of an engine.</summary>
/// <param name="Embedded">Whether a node is a file rather than an address.</param>
/// <param name="DefaultPort">The port of a node that names none; null: there is no usual one.</param>
public sealed record EngineTraits(bool Embedded, int? DefaultPort = null);
