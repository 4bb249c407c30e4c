using System.Text.Json;
using DbRecovery.Cli;
using DbRecovery.Cli.Output;
using DbRecovery.Shells;

namespace DbRecovery.Cli.Tests;

public sealed class OutputTests
{
    private static readonly DateTimeOffset At = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

    private static Fault SomeFault => new()
    {
        Id = "sqlite.corrupt", Severity = FaultSeverity.DataAtRisk, Confidence = FaultConfidence.Certain, Cluster = "a-cluster-with-a-long-name", Engine = "sqlite",
        Node = "node-1", Summary = string.Join(' ', Enumerable.Repeat("pages are damaged [in brackets]", 10)), DetectedAt = At,
        Evidence = [new Evidence { Fact = "sqlite.structureErrorCount", Value = 3, Node = "node-1", At = At, Shows = "three errors" }],
    };

    private static HealthReport Report(params Fault[] faults) => new()
    {
        Cluster = "app", Engine = "sqlite", ObservedAt = At, Duration = TimeSpan.FromMilliseconds(12), Level = ObservationLevel.Quick,
        Status = faults.Length > 0 ? HealthStatus.Failed : HealthStatus.Healthy,
        Nodes =
        [
            new NodeHealth { Node = "n1", Address = "/a", Status = HealthStatus.Healthy, Role = NodeRole.Primary, Checks = [] },
            new NodeHealth { Node = "n2", Address = "/b", Status = HealthStatus.Failed, Role = NodeRole.Replica, Checks = [] },
        ],
        Checks = [new HealthCheck { Cluster = "app", Node = "n2", Name = "integrity", Category = CheckCategory.Integrity, Verdict = CheckVerdict.Fail, Evidence = "bad" }],
        Faults = faults, Observations = [],
        Definition = new ClusterDefinition { Name = "app", Engine = "sqlite", Nodes = [] },
    };

    private static IncidentReport Incident => new()
    {
        Id = "20260102T030405-abcd", Cluster = "app", Engine = "sqlite", State = IncidentState.Resolved, Fault = SomeFault, Runbook = "r", RunbookVersion = "1.0.0", Epoch = 1,
        StartedAt = At, EndedAt = At.AddSeconds(3), RecoveryTime = TimeSpan.FromSeconds(3), Summary = "done", JournalPath = "/j",
        Steps = [new IncidentStep { Id = "restore", Action = "restore", State = StepState.Confirmed, Result = "restored" }],
        Verification = [new ProofCheck("healthy", true, "no fault")],
        Loss = new DataLoss { Statement = "one minute is gone", Tables = [new TableLoss { Table = "orders", RowsReadable = 10, RowsAfter = 8 }] },
        Timeline = [new TimelineEntry(At, IncidentState.Confirmed, null, "seen"), new TimelineEntry(At.AddSeconds(1), IncidentState.Executing, "restore", "began")],
    };

    private static (string Text, ObjectWriter Writer, StringWriter Out) Writer(OutputFormat format, bool terminal)
    {
        var output = new StringWriter();
        return ("", new ObjectWriter(new AppEnvironment { Out = output, Error = TextWriter.Null, OutIsTerminal = terminal }, format, color: false), output);
    }

    [Theory]
    [InlineData("auto", false, true)]
    [InlineData("auto", true, false)]
    [InlineData("json", true, true)]
    [InlineData("table", false, false)]
    public void Json_lines_into_a_pipe_and_a_table_on_a_terminal(string format, bool terminal, bool json)
    {
        var (_, writer, output) = Writer(Enum.Parse<OutputFormat>(format, ignoreCase: true), terminal);
        writer.WriteAll([SomeFault, SomeFault], "none");
        var lines = output.ToString().Split(Environment.NewLine, StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(json, lines.Length == 2 && lines.All(l => l.StartsWith('{')));
        if (!json)
            Assert.Contains("sqlite.corrupt", output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_drill_says_below_its_table_what_it_did_not_carry_out()
    {
        var drill = new DrillResult { DrillId = "d", Cluster = "app", Engine = "sqlite", Damage = "header", InflictedAt = At, ExpectedFault = "sqlite.corrupt", Score = 100, Passed = true };
        Assert.Empty(Texts.Of([drill], 100));
        var text = Texts.Of([drill with { Withheld = ["notify", "run-command"] }], 100);
        Assert.Contains("header: planned, and not carried out in a drill: notify, run-command", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1L, "1 row before")]
    [InlineData(2L, "2 rows before")]
    public void One_row_is_not_rows(long rows, string expected) =>
        Assert.Contains(PlanText.Loss(new DataLoss { Statement = "x", Tables = [new TableLoss { Table = "t", RowsReadable = rows, RowsAfter = 0, Complete = true }] }), l => l.Contains(expected, StringComparison.Ordinal));

    [Fact]
    public void Json_has_camel_case_names_and_enums_as_words()
    {
        var (_, writer, output) = Writer(OutputFormat.Json, false);
        writer.WriteAll([Report(SomeFault)], "none");
        using var json = JsonDocument.Parse(output.ToString());
        Assert.Equal("Failed", json.RootElement.GetProperty("status").GetString());
        Assert.Equal("DataAtRisk", json.RootElement.GetProperty("faults")[0].GetProperty("severity").GetString());
        Assert.Equal(3, json.RootElement.GetProperty("faults")[0].GetProperty("evidence")[0].GetProperty("value").GetInt32());
    }

    [Theory]
    [InlineData(60), InlineData(100)]
    public void Tables_are_no_wider_than_asked(int width)
    {
        var backup = new BackupInfo
        {
            Id = "20260102T030405-abcdef", Cluster = "app", Node = "n", Engine = "sqlite", EngineVersion = "3", SystemId = "s", Kind = BackupKind.Full, Status = BackupStatus.Complete,
            StartedAt = At, FinishedAt = At, SizeBytes = 1 << 30, StoredBytes = 1 << 20, Repository = "main",
        };
        var proof = new BackupProof { BackupId = backup.Id, TestedAt = At, Passed = false, RestoreDuration = TimeSpan.FromSeconds(2), CheckDuration = TimeSpan.FromSeconds(1), Checks = [new ProofCheck("integrity_check", false, "bad")] };
        var output = new StringWriter();
        Tables.Write([SomeFault], output, width, false);
        Tables.Write([Report(SomeFault)], output, width, false);
        Tables.Write([Incident], output, width, false);
        Tables.Write([backup], output, width, false);
        Tables.Write([new BackupTestResult { Backup = backup, Proof = proof }], output, width, false);
        Tables.Write([new RestoreResult { BackupId = backup.Id, Cluster = "app", Path = "/" + new string('x', 200), SizeBytes = 5, Duration = TimeSpan.Zero, DataAsOf = At }], output, width, false);
        Tables.Write([new RecoveryStatus { Cluster = "app", Paused = true, Reason = "why" }], output, width, false);
        Tables.Write([new LintResult { File = "/f.yml", Findings = [] }], output, width, false);
        Tables.Write([new RunbookInfo { Name = "r", Version = "1.0.0", Description = new string('d', 150), Engines = ["sqlite"], Faults = ["a", "b"], Steps = [], Destructive = true, Path = "/r" }], output, width, false);
        Assert.All(output.ToString().Split('\n'), line => Assert.True(line.TrimEnd('\r').Length <= width, line));
        Assert.DoesNotContain("\u001b", output.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void An_incident_as_text_tells_timeline_steps_checks_and_loss()
    {
        var text = Texts.Of(Incident);
        foreach (var part in new[] { Incident.Id, "Resolved", "sqlite.corrupt", "restore (restore): Confirmed", "healthy: passed", "one minute is gone", "orders: at least 10 rows before, 8 after", "restore: began" })
            Assert.Contains(part, text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_plan_as_text_tells_each_act_and_what_would_be_lost()
    {
        var plan = new RecoveryPlan
        {
            Fault = SomeFault, Cluster = "app", Runbook = "r", RunbookVersion = "1.0.0", CreatedAt = At, Hash = "h", Blocked = ["it is paused"],
            Steps =
            [
                new PlannedStep { Id = "swap", Action = "swap-file", Destructive = true, Timeout = TimeSpan.FromSeconds(1), Acts = [new PlannedAct(ActKind.Replace, "/srv/app.db", "rename /srv/new.db over it", true)] },
                new PlannedStep { Id = "tell", Action = "notify", Destructive = false, Timeout = TimeSpan.FromSeconds(1), Acts = [], SkippedBecause = "nobody to tell" },
            ],
        };
        var text = PlanText.Describe(plan);
        foreach (var part in new[] { "1. swap (swap-file) [destructive]", "replace /srv/app.db: rename /srv/new.db over it [destructive]", "skipped: nobody to tell", "loss: nothing", "blocked: it is paused" })
            Assert.Contains(part, text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_plan_as_text_has_every_command_whole()
    {
        var statement = "SELECT " + string.Join(", ", Enumerable.Range(0, 300).Select(i => $"column{i}"));
        const string Script = "sh -c 'first\n  second   third\nlast'";
        var plan = new RecoveryPlan
        {
            Fault = SomeFault, Cluster = "app", Runbook = "r", RunbookVersion = "1.0.0", CreatedAt = At, Hash = "h",
            Steps =
            [
                new PlannedStep
                {
                    Id = "stop", Action = "stop", Destructive = false, Timeout = TimeSpan.FromSeconds(1),
                    Acts = [new PlannedAct(ActKind.Sql, "n1", statement), new PlannedAct(ActKind.Command, "n1", Script) { Purpose = "stop it" }, new PlannedAct(ActKind.Command, "n2", "a\nb"), new PlannedAct(ActKind.Command, "n1", Script) { Purpose = "stop it" }],
                },
            ],
        };
        var text = PlanText.Describe(plan, 100);
        var onOneLine = string.Join(' ', text.Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries));
        Assert.Contains(statement, onOneLine, StringComparison.Ordinal);
        Assert.Equal(2, text.Split("command n1: stop it (script 1 below)").Length - 1);
        Assert.Contains("  script 1 on n1:\n    sh -c 'first\n      second   third\n    last'\n", text, StringComparison.Ordinal);
        Assert.Contains("command n2: a (script 2 below)", text, StringComparison.Ordinal);
        Assert.DoesNotContain("script 3", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "one two three four five six", 20, "one two three four\nfive six")]
    [InlineData("ab: ", "one two three four five six", 24, "ab: one two three four\n    five six")]
    [InlineData("- ", "see /a/path/that/is/longer/than/the/line for it", 22, "- see\n  /a/path/that/is/longer/than/the/line\n  for it")]
    public void Text_wraps_between_words_under_its_heading(string heading, string text, int width, string expected) =>
        Assert.Equal(expected, TextLayout.Hang(heading, text, width));

    [Fact]
    public void Lines_wrap_each_by_itself_and_keep_their_place() =>
        Assert.Equal("one two three four five\nsix\n  six seven eight nine\n  ten eleven", TextLayout.Wrap("one two three four five six\n  six seven eight nine ten eleven", 24));

    [Fact]
    public void A_decision_on_a_backup_shows_the_whole_id_in_100_columns()
    {
        const string id = "20261121T140742Z-6bf97c";
        var decision = new RetentionDecision
        {
            Backup = new BackupInfo
            {
                Id = id, Cluster = "orders", Node = "n", Engine = "sqlite", EngineVersion = "3", SystemId = "s", Kind = BackupKind.Incremental, Status = BackupStatus.Complete,
                StartedAt = At, FinishedAt = At, SizeBytes = 1, StoredBytes = 1, Repository = "main",
            },
            Keep = true, Reasons = ["last", "daily 2026-11-21", "weekly 2026-W47", "newest", "last proved", "newest proved"],
        };
        using var writer = new StringWriter();
        Tables.Write([decision], writer, 100, color: false);
        Assert.Contains(id, writer.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_fault_tells_fact_value_bound_node_and_what_was_ruled_out()
    {
        var fault = SomeFault with
        {
            Evidence = [SomeFault.Evidence[0] with { Threshold = "at most 0" }, SomeFault.Evidence[0] with { Fact = "unreadable", Value = null }],
            RuledOut = ["sqlite.busy: no lock"],
        };
        var text = Texts.Of([fault], 100);
        foreach (var part in new[] { "sqlite.structureErrorCount = 3 (must be: at most 0) on node-1: three errors", "unreadable = could not be read", "not  sqlite.busy: no lock" })
            Assert.Contains(part, text, StringComparison.Ordinal);
        Assert.All(text.Split('\n'), line => Assert.True(line.Length <= 100, line));
    }

    [Fact]
    public void A_waiting_incident_says_what_to_do_next_and_its_reason_once()
    {
        const string reason = "how much would be lost is not known";
        var waiting = Incident with
        {
            State = IncidentState.AwaitingApproval, Loss = null, ApprovalReasons = [reason], Summary = "A person must agree: " + reason,
            Timeline = [new TimelineEntry(At, IncidentState.AwaitingApproval, null, "A person must agree: " + reason)],
        };
        var text = Texts.Of(waiting);
        Assert.Contains($"incident approve {waiting.Id}", text, StringComparison.Ordinal);
        Assert.Equal(2, text.Split(reason).Length);
        Assert.DoesNotContain("Loss      nothing\n", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("0B", 0L)]
    [InlineData("0", 0L)]
    [InlineData("64KiB", 65536L)]
    [InlineData("10MB", 10_000_000L)]
    [InlineData("1.5GB", 1_500_000_000L)]
    [InlineData("Any", long.MaxValue)]
    [InlineData(" 64 kib ", 65536L)]
    [InlineData("10", null)]
    [InlineData("-1B", null)]
    [InlineData("MB", null)]
    [InlineData("99999999999999TB", null)]
    public void Sizes_are_read_as_written(string text, long? bytes)
    {
        Assert.Equal(bytes is not null, Quantities.TryTypedSize(text, out var read));
        if (bytes is not null)
            Assert.Equal(bytes.Value, read);
    }

    [Theory]
    [InlineData("250ms", 0.25)]
    [InlineData("30s", 30d)]
    [InlineData("15m", 900d)]
    [InlineData("2h", 7200d)]
    [InlineData("7d", 604800d)]
    [InlineData("00:05:00", 300d)]
    [InlineData(" 5 m ", 300d)]
    [InlineData("3650d", 3650 * 86400d)]
    [InlineData("3651d", null)]
    [InlineData("5M", null)]
    [InlineData("soon", null)]
    [InlineData("10", null)]
    [InlineData("-5s", null)]
    [InlineData("99999999999d", null)]
    public void Durations_are_read_as_written(string text, double? seconds)
    {
        Assert.Equal(seconds is not null, Quantities.TryTypedDuration(text, out var read));
        if (seconds is not null)
            Assert.Equal(seconds.Value, read.TotalSeconds);
    }

    [Theory]
    [InlineData("n1", HealthStatus.Healthy, 0)]
    [InlineData("n2", HealthStatus.Failed, 1)]
    public void A_nodes_part_of_a_report_has_that_nodes_state(string node, HealthStatus status, int checks)
    {
        var part = HealthView.ForNodes(Report(), [node]);
        Assert.Equal(status, part.Status);
        Assert.Equal(node, Assert.Single(part.Nodes).Node);
        Assert.Equal(checks, part.Checks.Count);
    }

    [Fact]
    public void One_row_is_not_called_rows()
    {
        var plan = new RowRestorePlan { BackupId = "1", Cluster = "app", Table = "t", Database = "a.db", Insert = 1, Update = 2, Delete = 0, Statements = [] };
        var summary = RowText.Summary(plan);
        Assert.Contains("1 row brought back, 2 rows given", summary, StringComparison.Ordinal);
        var loss = new DataLoss { Bytes = null, Statement = "", Tables = [new TableLoss { Table = "t", RowsReadable = 1, RowsAfter = 0, Complete = true }] };
        Assert.Contains("t: 1 row before, 0 after", PlanText.Loss(loss));
    }
}
