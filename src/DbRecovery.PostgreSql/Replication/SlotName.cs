namespace DbRecovery.PostgreSql.Replication;

/// <summary>The replication slot of a replica.</summary>
internal static class SlotName
{
    // NAMEDATALEN - 1
    private const int Longest = 63;

    /// <summary>The slot's name: the node's, in the letters that a slot may have (lower case, digits, underscore).</summary>
    internal static string Of(NodeDefinition node) => new([.. node.Name.ToLowerInvariant().Select(c => char.IsAsciiLetterOrDigit(c) ? c : '_').Take(Longest)]);

    /// <summary>The statement that makes a slot, holding the log from now on.</summary>
    internal static string Create(string slot) =>
        $"SELECT pg_create_physical_replication_slot({SqlText.Literal(slot)}, true) WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = {SqlText.Literal(slot)})";

    /// <summary>The statement that drops a slot.</summary>
    internal static string Drop(string slot) => $"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = {SqlText.Literal(slot)}";
}
