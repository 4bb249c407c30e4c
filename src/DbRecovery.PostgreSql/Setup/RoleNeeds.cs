namespace DbRecovery.PostgreSql.Setup;

/// <summary>A right that the role of DbRecovery needs.</summary>
/// <param name="Name">The item's stable name.</param>
/// <param name="What">What it is for.</param>
/// <param name="Has">An SQL expression that says whether the role <c>$1</c> has it.</param>
/// <param name="Grant">The statement that gives it; <c>{role}</c> stands for the quoted role.</param>
/// <param name="Since">The first version that has such a right.</param>
/// <param name="Until">The last version that has it.</param>
/// <param name="Recommended">Whether all works without, less well.</param>
internal sealed record RoleNeed(string Name, string What, string Has, string Grant, int Since = 13, int Until = int.MaxValue, bool Recommended = false)
{
    private const string Checkpoint = "a checkpoint after a promotion and before a switchover";

    /// <summary>The rights, in the order in which they are granted.</summary>
    internal static IReadOnlyList<RoleNeed> All { get; } =
    [
        new("role.replication", "makes and drops replication slots", "(SELECT rolreplication FROM pg_roles WHERE rolname = $1)", "ALTER ROLE {role} REPLICATION"),
        Member("pg_monitor", "sees the state of replication, sessions, settings and the log's folder"),
        Member("pg_signal_backend", "ends sessions of applications"),
        Member("pg_checkpoint", Checkpoint, since: 15),
        Member("pg_use_reserved_connections", "still gets in when applications have taken every connection (with reserved_connections above 0)", since: 16, recommended: true),
        Execute("pg_start_backup(text, boolean, boolean)", Checkpoint, until: 14),
        Execute("pg_stop_backup(boolean, boolean)", Checkpoint, until: 14),
        Execute("pg_promote(boolean, integer)", "promotes a standby"),
        Execute("pg_reload_conf()", "makes changed settings hold"),
        Execute("pg_wal_replay_resume()", "resumes a paused replay"),
        Execute("pg_switch_wal()", "ends a segment of the log so that it is archived"),
        // what pg_rewind reads of the primary (its manual page, Notes)
        Execute("pg_ls_dir(text, boolean, boolean)", "lets pg_rewind read the primary"),
        Execute("pg_stat_file(text, boolean)", "lets pg_rewind read the primary"),
        Execute("pg_read_binary_file(text)", "lets pg_rewind read the primary, and tells where histories part"),
        Execute("pg_read_binary_file(text, bigint, bigint, boolean)", "lets pg_rewind read the primary"),
        Setting("primary_conninfo", "leads a standby to another primary"),
        Setting("primary_slot_name", "leads a standby to another primary"),
        Setting("synchronous_standby_names", "sets which standbys are waited for"),
        Setting("default_transaction_read_only", "refuses writes on a former primary"),
    ];

    private static RoleNeed Member(string role, string what, int since = 13, bool recommended = false) =>
        new($"grant.{role}", what, $"pg_has_role($1, '{role}', 'USAGE')", $"GRANT {role} TO {{role}}", since, Recommended: recommended);

    private static RoleNeed Execute(string function, string what, int until = int.MaxValue) =>
        new($"execute.{function[..function.IndexOf('(', StringComparison.Ordinal)]}{(function.Contains("bigint", StringComparison.Ordinal) ? ".range" : "")}", what,
            $"has_function_privilege($1, 'pg_catalog.{function}', 'EXECUTE')", $"GRANT EXECUTE ON FUNCTION pg_catalog.{function} TO {{role}}", Until: until);

    private static RoleNeed Setting(string setting, string what) =>
        new($"alter.{setting}", what, $"has_parameter_privilege($1, '{setting}', 'ALTER SYSTEM')", $"GRANT ALTER SYSTEM ON PARAMETER {setting} TO {{role}}", Since: 15);
}
