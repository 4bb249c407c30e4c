using System.Globalization;
using DbRecovery.PostgreSql.Connections;
using DbRecovery.PostgreSql.Targets;

namespace DbRecovery.PostgreSql.Observation;

/// <summary>Makes facts of what the light query gave.</summary>
internal static class LightFacts
{
    /// <summary>Adds the facts that are made of more than one value, and those that the role may not know.</summary>
    internal static void Record(LightReading reading, ServerLogin login)
    {
        var facts = reading.Facts;
        var profile = reading.Profile;
        facts.Set(PostgreSqlFacts.ConnectError, "");
        facts.Set(PostgreSqlFacts.Version, (long)profile.Version);
        facts.Set(PostgreSqlFacts.StartedAt, profile.StartedAt);
        facts.Set(PostgreSqlFacts.CanMonitor, profile.Monitor);
        if (reading.InRecovery is { } standby)
            facts.Set(PostgreSqlFacts.InRecovery, standby);
        else
            facts.SetUnknown(PostgreSqlFacts.InRecovery, "the server did not say whether it replays a log");
        if (reading.Timeline is { } timeline)
            facts.Set(PostgreSqlFacts.Timeline, timeline);
        else
            facts.SetUnknown(PostgreSqlFacts.Timeline, "the server did not say its timeline");
        if (reading.Settings is { } settings)
            facts.Set(PostgreSqlFacts.Settings, FactValue.OfList(settings.Split('\n')));
        if (!profile.Stats)
        {
            foreach (var fact in NeedStats)
                facts.SetUnknown(fact, Lacks("pg_read_all_stats", login));
        }
        RecordReplay(reading, login);
        RecordSync(reading);
    }

    /// <summary>What a standby says of its upstream; null for a primary.</summary>
    internal static UpstreamObservation? Upstream(LightReading reading)
    {
        if (reading.InRecovery != true)
            return null;
        var configured = Configured(reading);
        return new UpstreamObservation
        {
            Address = reading.SenderHost is { Length: > 0 } host ? Address(host, reading.SenderPort) : configured is { } c ? Address(c.Host, c.Port) : "",
            // where the state may not be seen there is still a receiver: to take that for a stream is the mistake that promotes nobody
            Streaming = reading.HasReceiver == true && reading.ReceiverStatus is null or "streaming",
            LastMessageAt = reading.LastMessageAt is { } at ? DateTimeOffset.UnixEpoch.AddSeconds(at) : null,
            Received = reading.Position(reading.ReceivedOrReplayed),
            Applied = reading.Position(reading.Replayed),
            UpstreamEnd = reading.Position(reading.UpstreamEnd),
        };
    }

    private static readonly FactDefinition[] NeedStats =
    [
        PostgreSqlFacts.LongestTransaction, PostgreSqlFacts.IdleInTransaction, PostgreSqlFacts.IdleInTransactionCount, PostgreSqlFacts.SyncWaiters,
        PostgreSqlFacts.SyncWaitLongest, PostgreSqlFacts.LogWaitLongest, PostgreSqlFacts.Blocked, PostgreSqlFacts.BlockedLongest, PostgreSqlFacts.RootBlockers,
    ];

    /// <summary>Why a fact is unknown to a role, and what would be right.</summary>
    internal static string Lacks(string role, ServerLogin login) =>
        $"the user '{login.User}' lacks the role {role}: GRANT pg_monitor TO {SqlText.Identifier(login.User)};";

    private static void RecordReplay(LightReading reading, ServerLogin login)
    {
        var facts = reading.Facts;
        var standby = reading.InRecovery == true;
        if (reading.Paused is { } paused)
            facts.Set(PostgreSqlFacts.ReplayPaused, paused);
        else
            facts.SetUnknown(PostgreSqlFacts.ReplayPaused, "the server did not say");
        SetAge(PostgreSqlFacts.ReplayAge, reading.ReplayAge, "it has applied no transaction since it started");
        SetAge(PostgreSqlFacts.ReceiptAge, reading.ReceiptAge, reading.HasReceiver == true && !reading.Profile.Stats ? Lacks("pg_read_all_stats", login) : "there is no receiver");
        if (reading.Profile.Stats || reading.HasReceiver == false)
        {
            facts.Set(PostgreSqlFacts.ReceiverStatus, reading.ReceiverStatus ?? "");
            facts.Set(PostgreSqlFacts.SenderHost, reading.SenderHost ?? "");
        }
        else
        {
            facts.SetUnknown(PostgreSqlFacts.ReceiverStatus, Lacks("pg_read_all_stats", login));
            facts.SetUnknown(PostgreSqlFacts.SenderHost, Lacks("pg_read_all_stats", login));
        }
        if (reading.SenderPort is { } port)
            facts.Set(PostgreSqlFacts.SenderPort, port);
        else
            facts.SetUnknown(PostgreSqlFacts.SenderPort, "there is no receiver");
        if (!reading.Profile.Settings)
        {
            facts.SetUnknown(PostgreSqlFacts.ConfiguredHost, Lacks("pg_read_all_settings", login));
            facts.SetUnknown(PostgreSqlFacts.ConfiguredPort, Lacks("pg_read_all_settings", login));
        }
        else if (Configured(reading) is { } configured)
        {
            facts.Set(PostgreSqlFacts.ConfiguredHost, configured.Host);
            facts.Set(PostgreSqlFacts.ConfiguredPort, configured.Port);
        }
        else
        {
            facts.SetUnknown(PostgreSqlFacts.ConfiguredHost, "primary_conninfo cannot be understood");
            facts.SetUnknown(PostgreSqlFacts.ConfiguredPort, "primary_conninfo cannot be understood");
        }

        void SetAge(FactDefinition fact, double? age, string because)
        {
            if (!standby)
                facts.SetUnknown(fact, "the node is no standby");
            else if (age is { } seconds)
                facts.Set(fact, Math.Max(0, seconds)); // clocks of two machines
            else
                facts.SetUnknown(fact, because);
        }
    }

    private static void RecordSync(LightReading reading)
    {
        if (reading.SyncNames is not { } names)
            return;
        var facts = reading.Facts;
        facts.Set(PostgreSqlFacts.SyncNames, names);
        // a standby's own setting takes effect when it is promoted
        var waits = reading.InRecovery == false && reading.SyncCommit is not ("off" or "local");
        if (!waits)
            facts.Set(PostgreSqlFacts.SyncRequired, 0L);
        else if (SynchronousNames.Required(names) is { } required)
            facts.Set(PostgreSqlFacts.SyncRequired, (long)required);
        else
            facts.SetUnknown(PostgreSqlFacts.SyncRequired, "synchronous_standby_names cannot be understood");
        if (reading.Downstreams.Any(d => d.State == "unknown"))
            facts.SetUnknown(PostgreSqlFacts.SyncPresent, "the role may not see the state of the replicas");
        else
            facts.Set(PostgreSqlFacts.SyncPresent, (long)reading.Downstreams.Count(d => d is { State: "streaming", SyncState: "sync" or "quorum" }));
    }

    private static (string Host, long Port)? Configured(LightReading reading)
    {
        if (reading.PrimaryConnInfo is not { } text)
            return null;
        Dictionary<string, string> pairs;
        try
        {
            pairs = ConnectionText.Read(text);
        }
        catch (DbRecoveryException)
        {
            return null;
        }
        var host = pairs.GetValueOrDefault("host") ?? pairs.GetValueOrDefault("hostaddr") ?? "";
        // several hosts: the first is the one that it tries first
        var port = pairs.GetValueOrDefault("port")?.Split(',')[0];
        return (host.Split(',')[0], long.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : ServerLogin.DefaultPort);
    }

    private static string Address(string host, long? port) =>
        FormattableString.Invariant(host.Contains(':') ? (FormattableString)$"[{host}]:{port ?? ServerLogin.DefaultPort}" : $"{host}:{port ?? ServerLogin.DefaultPort}");
}
