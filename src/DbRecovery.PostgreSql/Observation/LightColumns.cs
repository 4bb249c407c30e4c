using static DbRecovery.PostgreSql.Observation.LightColumn;

namespace DbRecovery.PostgreSql.Observation;

/// <summary>The values of the light query. What a version or a role lacks is not asked for.</summary>
internal static class LightColumns
{
    // what replication and failover depend on; one that a version lacks is left out by the server
    private static readonly string[] Settings =
    [
        "archive_mode", "data_checksums", "full_page_writes", "hot_standby", "hot_standby_feedback", "max_connections", "max_locks_per_transaction",
        "max_prepared_transactions", "max_replication_slots", "max_slot_wal_keep_size", "max_standby_streaming_delay", "max_wal_senders", "max_worker_processes",
        "port", "recovery_min_apply_delay", "recovery_target_timeline", "restart_after_crash", "synchronous_commit", "wal_keep_size", "wal_level", "wal_log_hints",
        "wal_receiver_timeout", "wal_retrieve_retry_interval", "wal_sender_timeout", "wal_segment_size",
    ];

    private static readonly string[] HiddenSettings = ["config_file", "data_directory", "hba_file"];

    /// <summary>The values for a server and a role. The role and the positions come first: the rows that follow are read with them.</summary>
    internal static IReadOnlyList<LightColumn> For(ServerProfile profile)
    {
        List<LightColumn> columns =
        [
            Bool("the role", "r.rec", (o, v) => o.InRecovery = v),
            Int("the end of the log", "case when not r.rec then (pg_current_wal_flush_lsn() - '0/0')::int8 end", (o, v) => o.Flushed = v),
            Int("the received log", "case when r.rec then (pg_last_wal_receive_lsn() - '0/0')::int8 end", (o, v) => o.Received = v),
            Int("the applied log", "case when r.rec then (pg_last_wal_replay_lsn() - '0/0')::int8 end", (o, v) => o.Replayed = v),
            Number("the last applied transaction", "case when r.rec then extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp())::float8 end", (o, v) => o.ReplayAge = v),
            Int("the timeline", Timeline(profile), (o, v) => o.Timeline = v),
            Bool("the pause of replay", profile.Major >= 14 ? "case when r.rec then pg_get_wal_replay_pause_state() <> 'not paused' else false end" : "case when r.rec then pg_is_wal_replay_paused() else false end", (o, v) => o.Paused = v),
            Text("the synchronous names", "current_setting('synchronous_standby_names')", (o, v) => o.SyncNames = v),
            Text("the default of synchronous_commit", "current_setting('synchronous_commit')", (o, v) => o.SyncCommit = v),
            Text("the settings", SettingsText(profile), (o, v) => o.Settings = v),
            Fact(PostgreSqlFacts.DefaultReadOnly, "current_setting('default_transaction_read_only')::bool"),
            Fact(PostgreSqlFacts.WalLogHints, "current_setting('wal_log_hints')::bool"),
            Fact(PostgreSqlFacts.Checksums, "current_setting('data_checksums')::bool"),
            Fact(PostgreSqlFacts.Rewindable, "(current_setting('data_checksums')::bool or current_setting('wal_log_hints')::bool) and current_setting('full_page_writes')::bool"),
            Fact(PostgreSqlFacts.MaxConnections, "current_setting('max_connections')::int8"),
            Fact(PostgreSqlFacts.ReservedConnections, "current_setting('superuser_reserved_connections')::int8"),
            Fact(PostgreSqlFacts.ConfiguredSlot, "current_setting('primary_slot_name')"),
            Fact(PostgreSqlFacts.PreparedCount, "p.n"),
            Fact(PostgreSqlFacts.PreparedOldest, "coalesce(p.oldest, 0)::float8"),
            Fact(PostgreSqlFacts.ChecksumFailures, "d.failures::int8", "data checksums are off"),
            Fact(PostgreSqlFacts.ConflictsCancelled, "d.conflicts::int8"),
            Fact(PostgreSqlFacts.ArchiveMode, "current_setting('archive_mode')"),
            Fact(PostgreSqlFacts.ArchiveFailing, "current_setting('archive_mode') <> 'off' and coalesce(v.last_failed_time > coalesce(v.last_archived_time, '-infinity'), false)"),
            Fact(PostgreSqlFacts.ArchiveFailedCount, "v.failed_count"),
            Fact(PostgreSqlFacts.ArchiveLastFailed, "coalesce(v.last_failed_wal, '')"),
            Fact(PostgreSqlFacts.XidAge, "x.age::int8"),
            Fact(PostgreSqlFacts.XidAgeDatabase, "x.datname::text"),
            Bool("the receiver", "w.pid is not null", (o, v) => o.HasReceiver = v),
        ];
        columns.AddRange(profile.Stats ? Sessions() : [Fact(PostgreSqlFacts.ConnectionsUsed, "d.backends::int8")]);
        if (profile.Stats)
            columns.AddRange(Receiver());
        if (profile.Settings)
            columns.Add(Text("the way to the upstream", "current_setting('primary_conninfo')", (o, v) => o.PrimaryConnInfo = v));
        return columns;
    }

    private static IEnumerable<LightColumn> Sessions() =>
    [
        Fact(PostgreSqlFacts.ConnectionsUsed, "a.used"),
        Fact(PostgreSqlFacts.LongestTransaction, "coalesce(a.longest, 0)::float8"),
        Fact(PostgreSqlFacts.IdleInTransaction, "coalesce(a.idle, 0)::float8"),
        Fact(PostgreSqlFacts.IdleInTransactionCount, "a.idlers"),
        Fact(PostgreSqlFacts.SyncWaiters, "a.syncwait"),
        Fact(PostgreSqlFacts.SyncWaitLongest, "coalesce(a.synclongest, 0)::float8"),
        Fact(PostgreSqlFacts.LogWaitLongest, "coalesce(a.logwait, 0)::float8"),
        Fact(PostgreSqlFacts.Blocked, "a.blocked"),
        Fact(PostgreSqlFacts.BlockedLongest, "coalesce(a.blockedlongest, 0)::float8"),
    ];

    private static IEnumerable<LightColumn> Receiver() =>
    [
        Text("the receiver's state", "w.status", (o, v) => o.ReceiverStatus = v),
        Text("the receiver's upstream", "w.sender_host", (o, v) => o.SenderHost = v),
        Int("the receiver's port", "w.sender_port::int8", (o, v) => o.SenderPort = v),
        Int("the end of the upstream's log", "(w.latest_end_lsn - '0/0')::int8", (o, v) => o.UpstreamEnd = v),
        Number("the last message", "extract(epoch from w.last_msg_receipt_time)::float8", (o, v) => o.LastMessageAt = v),
        Number("the age of the last message", "extract(epoch from clock_timestamp() - w.last_msg_receipt_time)::float8", (o, v) => o.ReceiptAge = v),
    ];

    // On a standby no function gives the timeline that it replays. The control file has the one of the last restartpoint or of the last page
    // written, which may be the one before; the receiver and the files that it wrote know better.
    private static string Timeline(ServerProfile profile)
    {
        const string Control = "(select timeline_id from pg_control_checkpoint()), (select min_recovery_end_timeline from pg_control_recovery())";
        const string Files = "(select max(('x' || left(name, 8))::bit(32)::int) from pg_ls_waldir() where name ~ '^[0-9A-F]{24}$')";
        var standby = (profile.Stats, profile.WalFolder) switch
        {
            (true, true) => $"greatest(w.received_tli, {Control}, case when w.received_tli is null then {Files} end)",
            (true, false) => $"greatest(w.received_tli, {Control})",
            (false, true) => $"greatest({Control}, {Files})",
            _ => $"greatest({Control})",
        };
        return $"case when r.rec then {standby} else ('x' || left(pg_walfile_name(pg_current_wal_flush_lsn()), 8))::bit(32)::int end::int8";
    }

    private static string SettingsText(ServerProfile profile) =>
        $"concat_ws(E'\\n', {string.Join(", ", Settings.Concat(profile.Settings ? HiddenSettings : []).Order(StringComparer.Ordinal).Select(name => $"'{name}=' || current_setting('{name}', true)"))})";
}
