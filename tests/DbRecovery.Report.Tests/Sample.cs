namespace DbRecovery.Report.Tests;

/// <summary>Models to write pages of: a rich one like those of real use, and parts of it.</summary>
internal static class Sample
{
    public static readonly DateTimeOffset Now = new(2026, 11, 21, 13, 0, 0, TimeSpan.Zero);

    /// <summary>Texts that would break a page which did not encode them.</summary>
    public static readonly string[] Hostile =
        ["<script>fetch('http://evil.example/')</script>", "\"><img src=x onerror=alert(1)>", "' onmouseover='x", "</style><b>", "a&amp;b & c", "שלום עולם", "abc\u202Edcba\u2066", "👩‍💻 🇩🇪 ünï", "nul\0bell\a", "\ud800 half", "]]>--><!--", new string('x', 5000)];

    public static ClusterDefinition Cluster(string name, TimeSpan? maxAge = null, TimeSpan? maxProofAge = null) => new()
    {
        Name = name, Engine = "sqlite", Nodes = [new NodeDefinition { Name = name + "-db", Path = $"/srv/{name}/{name}.db" }],
        Backups = new BackupSettings { Repository = "main", MaxAge = maxAge ?? TimeSpan.FromDays(1), MaxProofAge = maxProofAge ?? TimeSpan.FromDays(7) },
    };

    public static BackupInfo Backup(string cluster, DateTimeOffset at, BackupKind kind = BackupKind.Full, bool? proved = null, string? parent = null, BackupStatus status = BackupStatus.Complete) => new()
    {
        Id = $"{at.UtcDateTime:yyyyMMddTHHmmssZ}-{Math.Abs(at.Ticks / 10_000_000 % 0xffffff):x6}", Cluster = cluster, Node = cluster + "-db", Engine = "sqlite", EngineVersion = "3.40.1", SystemId = "fe:00:5326086",
        Kind = kind, Status = status, StartedAt = at.AddSeconds(-3), FinishedAt = at, SizeBytes = 53_211_136, StoredBytes = kind == BackupKind.Full ? 19_284_390 : 812_345, Parent = parent,
        ChangedBytes = kind == BackupKind.Full ? null : 3_145_728, DataAsOf = at.AddSeconds(-3), Repository = "main",
        Proof = proved is not { } passed ? null : new BackupProof
        {
            BackupId = "of " + cluster, TestedAt = at.AddMinutes(5), Passed = passed, RestoreDuration = TimeSpan.FromSeconds(0.52), CheckDuration = TimeSpan.FromSeconds(0.88),
            Checks =
            [
                new ProofCheck("restore", true, "53211136 bytes in 1 path"), new ProofCheck("digest", true, "1 file is byte for byte what was backed up"),
                new ProofCheck("integrity_check", passed, passed ? "integrity_check says ok" : "row 12 missing from index orders_by_day"), new ProofCheck("row-counts", true, "4 tables have the rows of the backup"),
            ],
        },
    };

    public static Fault Fault(string cluster, DateTimeOffset at, string id = "sqlite.corrupt", string? summary = null) => new()
    {
        Id = id, Severity = FaultSeverity.DataAtRisk, Confidence = FaultConfidence.Certain, Cluster = cluster, Engine = "sqlite", Node = cluster + "-db",
        Summary = summary ?? "the structure of the database is damaged: table customers, table orders", DetectedAt = at,
        Evidence =
        [
            new Evidence { Fact = "sqlite.structureErrors", Value = FactValue.OfList([.. Enumerable.Range(0, 20).Select(i => $"Page {6500 + i}: btreeInitPage() returns error code 11")]), Threshold = "none", Node = cluster + "-db", At = at.AddMilliseconds(310), Shows = "what the structure check found" },
            new Evidence { Fact = "sqlite.damagedObjects", Value = FactValue.OfList(["table customers: page 6501 (reached from page 6595) is not a well-formed table page"]), Threshold = "none", Node = cluster + "-db", At = at.AddMilliseconds(310), Shows = "what the damaged pages belong to" },
            new Evidence { Fact = "node.latencySeconds", Value = 0.0123, Threshold = "at most 0.05", Node = cluster + "-db", At = at.AddMilliseconds(320), Shows = "how long a light read takes" },
        ],
        RuledOut = ["index damage alone: a line of the check is about more than an index's entries", "sqlite.recovery-needed: no journal waits to be played back"],
        Details = new Dictionary<string, FactValue> { ["damage"] = "data", ["objects"] = FactValue.OfList(["customers", "orders"]) },
    };

    /// <summary>A recovery with a retried step, a wait for an approval, a loss and salvaged rows.</summary>
    public static IncidentReport Incident(string cluster, DateTimeOffset at, IncidentState state = IncidentState.Resolved, bool approval = false, bool loss = true, string? id = null, Fault? fault = null)
    {
        var timeline = new List<TimelineEntry>();
        var clock = at.AddMilliseconds(500);
        void Say(double seconds, IncidentState s, string? step, string what) => timeline.Add(new TimelineEntry(clock = clock.AddSeconds(seconds), s, step, what));
        Say(0, IncidentState.Suspected, null, "watch asked to recover: the structure of the database is damaged");
        Say(0.26, IncidentState.Confirmed, null, "Seen again: the structure of the database is damaged");
        Say(0.05, IncidentState.Planned, null, "Planned with runbook sqlite-corrupt-data 1.0.0: evidence, restore, salvage, swap.");
        if (approval)
            Say(0.02, IncidentState.AwaitingApproval, null, "An approval is needed: data of unknown size would be lost.");
        var waiting = state == IncidentState.AwaitingApproval;
        var steps = new List<IncidentStep>();
        if (!waiting)
        {
            if (approval)
                Say(742, IncidentState.AwaitingApproval, null, "dba agreed to plan 616a08b9dc3dcfe9.");
            Say(0.02, IncidentState.Executing, null, "Guards hold, nothing stands against it: carrying out sqlite-corrupt-data under epoch 1.");
            Step("evidence", "snapshot-evidence", 0.3, 1, "3 files, 57450024 bytes, kept in '/var/lib/dbrecovery/evidence'.");
            Step("restore", "restore", 1.93, 3, "Backup 20261121T124828Z-d43dfd restored and checked: 3 tables, 414053 rows.");
            Step("salvage", "salvage-rows", 0.7, 1, "1,204 rows that are newer than the backup were read out of the damaged file and added.", new() { ["rows"] = 1204L, ["tables"] = FactValue.OfList(["orders", "items"]), ["rowList"] = "/var/lib/dbrecovery/salvaged.jsonl" });
            Step("swap", "swap-file", 0.2, 1, state == IncidentState.Failed ? "The file is held by another process." : "'/srv/shop.db' is replaced; the old file is kept.");
        }
        var recovered = state is IncidentState.Resolved or IncidentState.Probation;
        if (recovered)
        {
            Say(0.004, IncidentState.Verifying, null, "Every step is done; the result is being checked.");
            Say(0.48, IncidentState.Probation, null, "Recovered: every check holds (readable, fault-gone, expectations).");
        }
        var ended = clock;
        if (state == IncidentState.Resolved)
            Say(600, IncidentState.Resolved, null, "The recovery held for its probation.");
        if (state == IncidentState.Failed)
            Say(0.1, IncidentState.Failed, null, "Step swap failed: the file is held by another process.");
        return new IncidentReport
        {
            Id = id ?? $"{at.UtcDateTime:yyyyMMddTHHmmssZ}-{cluster.Sum(c => c):x6}", Cluster = cluster, Engine = "sqlite", Node = cluster + "-db", State = state, Fault = fault ?? Fault(cluster, at), Runbook = "sqlite-corrupt-data", RunbookVersion = "1.0.0", Epoch = 1,
            StartedAt = at.AddMilliseconds(500), EndedAt = waiting ? null : ended, RecoveryTime = recovered ? ended - at : null, Steps = steps,
            Verification = recovered ? [new ProofCheck("readable", true, "'shop-db' answers a read"), new ProofCheck("fault-gone", true, "sqlite.corrupt is not seen at level Standard"), new ProofCheck("expectations", true, "3 declared table(s) are there with their rows")] : [],
            Loss = recovered && loss ? new DataLoss
            {
                Since = at.AddSeconds(-6.7), Statement = "Changes committed after 2026-11-21 12:48:28 UTC are lost; how many bytes that is cannot be known.",
                Tables = [new TableLoss { Table = "customers", RowsReadable = 65929, RowsAfter = 66000, Note = "only a part could be read before: page 6501 is not a well-formed table page" }, new TableLoss { Table = "items", RowsReadable = 249721, RowsAfter = 248555, Complete = true }, new TableLoss { Table = "orders" }],
            } : null,
            Summary = timeline[^1].Event, ApprovalReasons = waiting ? ["data of unknown size would be lost; the policy allows 0 B"] : [], PlanHash = "616a08b9dc3dcfe98760647c41b5be6c52e1186654a81d53ccc1873942e04150",
            NextReviewAt = state switch { IncidentState.Probation => ended.AddMinutes(10), IncidentState.AwaitingApproval => at.AddMinutes(15), _ => null },
            EvidencePath = "/var/lib/dbrecovery/state/evidence", JournalPath = "/var/lib/dbrecovery/state/journal.jsonl", Timeline = timeline,
        };

        void Step(string step, string action, double seconds, int attempts, string result, Dictionary<string, FactValue>? outputs = null)
        {
            Say(0.02, IncidentState.Executing, step, $"{action}: begins");
            var began = clock;
            for (var i = 1; i < attempts; i++)
                Say(seconds / attempts, IncidentState.Executing, step, $"Attempt {i} failed; again.");
            Say(seconds / attempts, IncidentState.Executing, step, result);
            var failed = state == IncidentState.Failed && step == "swap";
            steps.Add(new IncidentStep { Id = step, Action = action, State = failed ? StepState.Failed : StepState.Applied, StartedAt = began, EndedAt = clock, Attempts = attempts, Result = result, Outputs = outputs ?? [] });
        }
    }

    public static DrillResult Drill(string cluster, string damage, DateTimeOffset at, double? rto, int score = 100, bool passed = true, string? regression = null, string? skipped = null) => new()
    {
        DrillId = $"{at.UtcDateTime:yyyyMMdd}", Cluster = cluster, Engine = "sqlite", Damage = damage, InflictedAt = at, ExpectedFault = "sqlite.corrupt", FoundFaults = skipped is null ? ["sqlite.corrupt"] : [],
        DetectionTime = rto is null ? null : TimeSpan.FromSeconds(0.4), Runbook = "sqlite-corrupt-data", RecoveryTime = rto is { } s ? TimeSpan.FromSeconds(s) : null, LostRows = skipped is null ? 0 : null, WrongRows = skipped is null ? 0 : null,
        SalvagedRows = damage == "data-page" ? 12 : null, LossWindow = rto is null ? null : TimeSpan.Zero, Score = score, Passed = passed, Regression = regression, Skipped = skipped, Outcome = passed ? "Resolved: every check holds." : "Failed: the restored data is older than expected.",
    };

    /// <summary>A primary, a synchronous and a cascading replica, one that lost its stream and one that is silent.</summary>
    public static ClusterTopology Topology(string cluster, string text = "") => new()
    {
        Cluster = cluster, Engine = "postgresql", ObservedAt = Now, Primary = "p1" + text,
        Nodes =
        [
            TopologyOf(cluster, "p1" + text, NodeRole.Primary, null) with { Position = "0/5000148", Timeline = "3" },
            TopologyOf(cluster, "r1" + text, NodeRole.Replica, "p1" + text) with { State = "streaming", SyncState = "sync", LagBytes = 0, LagTime = TimeSpan.Zero, Position = "0/5000148", Timeline = "3", Slot = "r1" + text, SlotStatus = "reserved" },
            TopologyOf(cluster, "r2-cascading" + text, NodeRole.Replica, "r1" + text) with { State = "streaming", SyncState = "async", LagBytes = 812_000, LagTime = TimeSpan.FromMilliseconds(340), Position = "0/4F39F48", Timeline = "3" },
            TopologyOf(cluster, "r3" + text, NodeRole.Replica, "p1" + text) with { State = "not streaming" + text, LagBytes = 90_000_000, Position = "0/100", Timeline = "2", Paused = true },
            TopologyOf(cluster, "r4" + text, NodeRole.Unknown, null) with { Reachability = Reachability.TimedOut },
        ],
    };

    private static TopologyNode TopologyOf(string cluster, string node, NodeRole role, string? upstream) => new()
    {
        Cluster = cluster, Node = node, Address = $"10.0.0.{node.Length}:5432", Role = role, Reachability = Reachability.Reachable, Upstream = upstream,
    };

    public static HealthReport Health(string cluster, HealthStatus status) => new()
    {
        Cluster = cluster, Engine = "sqlite", ObservedAt = Now.AddSeconds(-1), Duration = TimeSpan.FromMilliseconds(41), Level = ObservationLevel.Quick, Status = status, Nodes = [], Observations = [], Definition = Cluster(cluster),
        Faults = status == HealthStatus.Healthy ? [] : [Fault(cluster, Now.AddSeconds(-1), "backup.stale", "the newest backup is older than it may be")],
        Checks =
        [
            new HealthCheck { Cluster = cluster, Node = cluster + "-db", Name = "readable", Category = CheckCategory.Availability, Value = true, Verdict = CheckVerdict.Pass, Evidence = "a read is answered" },
            new HealthCheck { Cluster = cluster, Node = cluster + "-db", Name = "latency", Category = CheckCategory.Performance, Value = 12L, Unit = "ms", Threshold = "at most 50", Verdict = CheckVerdict.Pass, Evidence = "a light read took 12 ms" },
            new HealthCheck { Cluster = cluster, Name = "backup-age", Category = CheckCategory.Backup, Value = 44.5, Unit = "h", Threshold = "at most 24", Verdict = status == HealthStatus.Healthy ? CheckVerdict.Pass : CheckVerdict.Warn, Evidence = "the newest backup is 44.5 h old" },
        ],
    };

    /// <summary>Several clusters, good and bad.</summary>
    public static ReportModel Rich()
    {
        var backups = new List<BackupInfo>();
        for (var day = 0; day < 84; day++)
            if (day is not (17 or 18 or 19 or 40))
                backups.Add(Backup("shop", Now.AddDays(-day).AddHours(-5), day % 7 == 0 ? BackupKind.Full : BackupKind.Incremental, day % 7 == 0 ? day != 28 : day % 3 == 0 ? true : null, day % 7 == 0 ? null : "20261120T080000Z-5f3a77", day == 23 ? BackupStatus.Suspect : BackupStatus.Complete));
        backups.AddRange(Enumerable.Range(2, 12).Select(day => Backup("billing", Now.AddDays(-day), proved: day == 9 ? true : day == 2 ? false : null)));
        var drills = new List<DrillResult>();
        foreach (var (damage, k) in new[] { ("data-page", 1.0), ("header", 0.7), ("truncate", 1.4), ("missing-file", 0.5), ("silent-bit", 2.2), ("empty-file", 0.6) })
            for (var week = 11; week >= 0; week--)
                drills.Add(Drill("shop", damage, Now.AddDays(-7 * week).AddHours(-2), damage == "truncate" && week == 4 ? null : k * (3 + week % 3 * 0.4) * (damage == "silent-bit" && week == 0 ? 2.6 : 1),
                    damage == "truncate" && week == 4 ? 40 : 100, !(damage == "truncate" && week == 4), damage == "silent-bit" && week == 0 ? "the recovery took 17.2 s; the median of the last five is 7.1 s" : null));
        drills.Add(Drill("shop", "readonly-mount", Now.AddHours(-2), null, 0, false, skipped: "needs root"));
        return new ReportModel
        {
            MadeAt = Now, Version = "0.1.0", Clusters = [Cluster("shop"), Cluster("billing"), Cluster("archive") with { Backups = null }],
            Incidents = [Incident("shop", Now.AddHours(-3), IncidentState.Probation, approval: true), Incident("billing", Now.AddMinutes(-4), IncidentState.AwaitingApproval, approval: true), Incident("shop", Now.AddDays(-9), loss: false), Incident("billing", Now.AddDays(-20), IncidentState.Failed, fault: Fault("billing", Now.AddDays(-20), "sqlite.locked", "another process holds a lock for 40 s"))],
            Backups = backups, Drills = drills, Health = [Health("shop", HealthStatus.Healthy), Health("billing", HealthStatus.Degraded)], Topologies = [Topology("billing")], Problems = ["the repository 'offsite' cannot be read: there is no folder '/mnt/offsite'"],
            Repositories =
            [
                new RepositoryReport { Repository = "main", Location = "/backup/dbrecovery", TestedAt = Now.AddDays(-1), Duration = TimeSpan.FromSeconds(8.4), Full = true, ObjectsChecked = 412, BytesChecked = 1_934_000_000, Backups = 90, StoredBytes = 1_934_000_000, UnreferencedBytes = 12_000_000, Encrypted = true },
                new RepositoryReport
                {
                    Repository = "copy", Location = "/mnt/copy/dbrecovery", TestedAt = Now.AddDays(-2), Duration = TimeSpan.FromSeconds(3.1), Full = false, ObjectsChecked = 40, BytesChecked = 734_000_000, PacksTrusted = 380, Backups = 88, StoredBytes = 1_900_000_000,
                    Damage = [new RepositoryDamage { Key = "packs/ab/ab12cd.pack", Kind = RepositoryObjectKind.Pack, Problem = "its bytes are not what its name says", Backups = ["20261101T080000Z-5f3a77"], Objects = ["20261101T080000Z-5f3a77/table orders"], Remedy = "copy the pack from 'main': Copy-DbBackup" }],
                },
            ],
        };
    }

    /// <summary>Texts that try to be more than text, in every place that a text from outside can reach.</summary>
    public static ReportModel Adverse()
    {
        var model = Rich();
        var all = string.Join(' ', Hostile);
        var name = all[..200];
        var incident = Incident("shop", Now.AddHours(-1), IncidentState.Probation, approval: true);
        return model with
        {
            Version = all, Problems = [all], Clusters = [Cluster(name) with { Engine = all }],
            Incidents =
            [
                incident with
                {
                    Id = name, Cluster = name, Node = all, Runbook = all, RunbookVersion = all, Summary = all, EvidencePath = all, JournalPath = all, PlanHash = all, ApprovalReasons = [all],
                    Fault = incident.Fault with { Id = all, Summary = all, Node = all, RuledOut = [all], Evidence = [new Evidence { Fact = all, Value = all, Threshold = all, Node = all, At = Now, Shows = all }, new Evidence { Fact = all, Value = FactValue.OfList(Hostile), Node = all, At = Now, Shows = all }], Details = new Dictionary<string, FactValue> { [all] = all } },
                    Steps = [.. incident.Steps.Select(s => s with { Id = all, Action = all, Result = all, Outputs = new Dictionary<string, FactValue> { [all] = all } }), incident.Steps[0] with { Action = "salvage-rows", Outputs = new Dictionary<string, FactValue> { [all] = all } }],
                    Verification = [new ProofCheck(all, false, all)], Loss = new DataLoss { Statement = all, Tables = [new TableLoss { Table = all, Note = all }] }, Timeline = [.. incident.Timeline.Select(t => t with { Event = all, Step = all })],
                },
            ],
            Backups = [Backup(name, Now.AddDays(-1), proved: false) with { Id = all, Parent = all, Repository = all, Node = all, Proof = new BackupProof { BackupId = all, TestedAt = Now, Passed = false, RestoreDuration = TimeSpan.Zero, CheckDuration = TimeSpan.Zero, Checks = [new ProofCheck(all, false, all)] } }],
            Drills = [Drill(name, all, Now.AddDays(-1), 2, 10, false, all) with { FoundFaults = [all], MissingActions = [all], WrongActions = [all], Outcome = all }],
            Topologies = [Topology(name, all)],
            Health = [Health(name, HealthStatus.Failed) with { Faults = [Fault(name, Now) with { Id = all, Node = all, Summary = all }], Checks = [new HealthCheck { Cluster = name, Node = all, Name = all, Category = CheckCategory.Custom, Value = all, Unit = all, Threshold = all, Verdict = CheckVerdict.Fail, Evidence = all }] }],
            Repositories = [new RepositoryReport { Repository = all, Location = all, TestedAt = Now, Duration = TimeSpan.Zero, Full = false, ObjectsChecked = 0, BytesChecked = 0, Damage = [new RepositoryDamage { Key = all, Kind = RepositoryObjectKind.Other, Problem = all, Backups = [all], Objects = [all], Remedy = all }] }],
        };
    }

    /// <summary>More than a page can hold.</summary>
    public static ReportModel Huge() => Rich() with
    {
        Clusters = [.. Enumerable.Range(0, 20).Select(i => Cluster($"db{i:00}"))],
        Incidents = [.. Enumerable.Range(0, 700).Select(i => Incident($"db{i % 20:00}", Now.AddHours(-7 * i), id: $"incident-{i:0000}"))],
        Backups = [.. Enumerable.Range(0, 10_000).Select(i => Backup($"db{i % 20:00}", Now.AddMinutes(-73 * i), proved: i % 5 == 0))],
    };
}
