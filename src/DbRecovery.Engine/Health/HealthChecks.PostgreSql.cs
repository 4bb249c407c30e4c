namespace DbRecovery.Engine.Health;

internal static partial class HealthChecks
{
    private static void PostgreSql(NodeChecks of, ClusterView view)
    {
        var node = of.Node;
        var timeline = node.Facts.Int(PostgreSqlFacts.Timeline);
        of.Add("role", CheckCategory.Availability, node.Role == NodeRole.Unknown ? CheckVerdict.Unknown : CheckVerdict.Pass, node.Role.ToString(), null, null,
            node.Role == NodeRole.Replica ? $"a replica of {view.Replication.UpstreamOf(node) ?? node.Upstream?.Address ?? "nobody"}, on timeline {timeline}" : $"on timeline {timeline}");
        if (node.Facts.Bool(PostgreSqlFacts.CanMonitor) == false)
            of.Add("rights", CheckCategory.Availability, CheckVerdict.Fail, false, null, "true", Lacking(node));
        if (node.Role == NodeRole.Replica)
            Replica(of, view);
        else
            Primary(of);
        if (node.Slots.Count > 0)
        {
            var bad = node.Slots.Where(s => s.WalStatus == "lost" || Thresholds.IsBloated(s)).ToList();
            of.Add("slots", CheckCategory.Replication, bad.Count == 0 ? CheckVerdict.Pass : CheckVerdict.Warn, (long)bad.Count, null, "0",
                bad.Count == 0 ? $"{Counted.Of(node.Slots.Count, "slot")}, each with its log" : string.Join(", ", bad.Select(s => $"{s.Name}: {s.WalStatus ?? "reserved"}")));
        }
        if (node.Facts.Text(PostgreSqlFacts.ArchiveMode) is "on" or "always")
            of.Fact("archive", CheckCategory.Backup, PostgreSqlFacts.ArchiveFailing, "false", v => Verdict(!v.AsBool()));
        var room = node.Facts.Int(PostgreSqlFacts.MaxConnections) - (node.Facts.Int(PostgreSqlFacts.ReservedConnections) ?? 0);
        of.Fact("connections", CheckCategory.Capacity, PostgreSqlFacts.ConnectionsUsed, room is { } most ? $"at most {most * 9 / 10}" : null,
            v => v.AsInt() * 10 > room * 9 ? CheckVerdict.Warn : CheckVerdict.Pass);
        of.Fact("xid-age", CheckCategory.Capacity, PostgreSqlFacts.XidAge, $"at most {Thresholds.MostXidAge}",
            v => v.AsInt() > Thresholds.MostXidAge ? CheckVerdict.Fail : v.AsInt() > Thresholds.MostXidAge / 3 * 2 ? CheckVerdict.Warn : CheckVerdict.Pass);
        of.Fact("checksums", CheckCategory.Integrity, PostgreSqlFacts.ChecksumFailures, "0", v => Verdict(v.AsInt() == 0));
        of.Fact("objects", CheckCategory.Integrity, PostgreSqlFacts.CorruptObjects, "none damaged", v => Verdict(v.AsList().Count == 0));
        of.Fact("indexes", CheckCategory.Consistency, PostgreSqlFacts.InvalidIndexes, "none invalid", v => v.AsList().Count == 0 ? CheckVerdict.Pass : CheckVerdict.Warn);
        of.Fact("constraints", CheckCategory.Consistency, PostgreSqlFacts.InvalidConstraints, "none invalid", v => v.AsList().Count == 0 ? CheckVerdict.Pass : CheckVerdict.Warn);
        of.Fact("sequences", CheckCategory.Consistency, PostgreSqlFacts.SequencesBehind, "none behind", v => v.AsList().Count == 0 ? CheckVerdict.Pass : CheckVerdict.Warn);
    }

    // what could not be asked says which GRANT it wants
    private static string Lacking(NodeObservation node) =>
        new[] { PostgreSqlFacts.ReceiverStatus, PostgreSqlFacts.SyncWaiters, PostgreSqlFacts.Blocked }.Select(f => node.Facts.Find(f.Name)?.UnknownBecause)
            .FirstOrDefault(b => b?.Contains("GRANT ", StringComparison.Ordinal) == true) ?? "the user lacks what pg_monitor gives: GRANT pg_monitor TO it";

    private static void Replica(NodeChecks of, ClusterView view)
    {
        var node = of.Node;
        var streaming = node.Upstream is { Streaming: true };
        of.Add("streaming", CheckCategory.Replication, Verdict(streaming), streaming, null, "true",
            streaming ? $"it receives from {node.Upstream!.Address}" : $"it receives nothing; it is set to follow {(node.Upstream?.Address is { Length: > 0 } at ? at : "nobody")}");
        of.Fact("lag", CheckCategory.Replication, ReplicationFacts.LagBytes, $"at most {Thresholds.MostLag(view.Cluster)}", v => v.AsInt() > Thresholds.MostLag(view.Cluster) ? CheckVerdict.Warn : CheckVerdict.Pass);
        of.Fact("replay", CheckCategory.Replication, PostgreSqlFacts.ReplayPaused, "false", v => v.AsBool() ? CheckVerdict.Warn : CheckVerdict.Pass);
    }

    private static void Primary(NodeChecks of)
    {
        if (of.Node.Facts.Int(PostgreSqlFacts.SyncRequired) is > 0 and var required)
            of.Fact("synchronous", CheckCategory.Replication, PostgreSqlFacts.SyncPresent, $"at least {required}", v => Verdict(v.AsInt() >= required));
        of.Fact("prepared", CheckCategory.Consistency, PostgreSqlFacts.PreparedOldest, FormattableString.Invariant($"at most {Thresholds.MostPrepared.TotalSeconds}"), v => v.AsNumber() > Thresholds.MostPrepared.TotalSeconds ? CheckVerdict.Warn : CheckVerdict.Pass);
        of.Fact("blocked", CheckCategory.Performance, PostgreSqlFacts.Blocked, null, _ => CheckVerdict.Pass);
    }

    // who is primary is no one node's matter
    private static IEnumerable<HealthCheck> OfReplication(ClusterView view)
    {
        if (view.Cluster.Engine != "postgresql")
            yield break;
        var writable = view.Replication.Writable;
        yield return new HealthCheck
        {
            Cluster = view.Cluster.Name, Name = "primary", Category = CheckCategory.Availability, Value = string.Join(", ", writable.Select(n => n.Node)), Threshold = "one node",
            Verdict = writable.Count == 1 ? CheckVerdict.Pass : writable.Count > 1 || view.Replication.Members.All(n => n.Reachability == Reachability.Reachable) ? CheckVerdict.Fail : CheckVerdict.Unknown,
            Evidence = writable.Count switch
            {
                1 => $"{writable[0].Node} is the primary",
                0 => view.Replication.Primary is { } last ? $"no node that answers is primary; {last} was" : "no node that answers is primary",
                _ => "more than one node takes writes",
            },
        };
        foreach (var route in view.Routes)
        {
            var right = route.UnknownBecause is null && writable.Count == 1 ? route.LeadsTo == writable[0].Node : (bool?)null;
            yield return new HealthCheck
            {
                Cluster = view.Cluster.Name, Name = "route", Category = CheckCategory.Availability, Value = route.LeadsTo ?? string.Join(", ", route.Targets), Threshold = "the primary",
                Verdict = right is { } known ? known || route.Paused ? CheckVerdict.Pass : CheckVerdict.Fail : CheckVerdict.Unknown,
                Evidence = route.UnknownBecause is { } why ? $"{route.Route}: {why}" : $"{route.Route} leads to {(route.Targets.Count == 0 ? "nothing" : string.Join(", ", route.Targets))}{(route.Paused ? ", and is paused" : "")}",
            };
        }
    }
}
