namespace DbRecovery.PostgreSql.Replication;

/// <summary>The statements that make and drop replication slots.</summary>
internal static class SlotStatements
{
    /// <summary>The statement that makes a slot, holding the log from now on.</summary>
    internal static string Create(string slot) =>
        $"SELECT pg_create_physical_replication_slot({SqlText.Literal(slot)}, true) WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = {SqlText.Literal(slot)})";

    /// <summary>The statement that drops a slot.</summary>
    internal static string Drop(string slot) => $"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = {SqlText.Literal(slot)}";
}
