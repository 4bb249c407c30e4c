using DbRecovery.Engine.Health;
using DbRecovery.Engine.Incidents;

namespace DbRecovery.Engine.Drills;

/// <summary>One damage, from an intact copy to the judged result. The loop is the one that a user runs: look, name, recover, verify.</summary>
internal sealed class DrillCase(DrillBench bench, DrillDamage damage, int round, string drillId)
{
    private const long SmallDiskRoom = 12 << 20;
    private readonly string _name = $"{damage.Name}-{round}";

    /// <summary>The result of a damage that was not inflicted.</summary>
    public static DrillResult Skipped(DrillRequest request, string node, string drillId, DrillDamage damage, int round, DateTimeOffset at, string why) => new()
    {
        DrillId = drillId, Cluster = request.Cluster.Name, Engine = request.Cluster.Engine, Node = node, Damage = damage.Name, Round = round, InflictedAt = at,
        ExpectedFault = damage.ExpectedFault, Score = 0, Passed = false, Skipped = why,
    };

    public async Task<DrillResult> RunAsync(CancellationToken cancellationToken)
    {
        var at = bench.Clock.GetUtcNow();
        try
        {
            if (!damage.SmallDisk)
                return await RunInAsync(bench.FileIn("data"), cancellationToken).ConfigureAwait(false);
            var size = new FileInfo(bench.Written.Path).Length;
            // the least free space that health wants, and room for the WAL
            var disk = await SmallDisk.MountAsync(bench.At("disk"), size + Math.Clamp(size / 20, 4 << 20, 1 << 30) + SmallDiskRoom, bench.Clock, cancellationToken).ConfigureAwait(false);
            await using (disk.ConfigureAwait(false))
                return await RunInAsync(bench.FileIn("disk"), cancellationToken).ConfigureAwait(false);
        }
        catch (DbRecoveryException e) when (e is { Id: ErrorIds.DrillFailed, Kind: ErrorKind.NotSupported })
        {
            return Skipped(bench.Request, bench.Node, drillId, damage, round, at, e.Message);
        }
    }

    private async Task<DrillResult> RunInAsync(string path, CancellationToken cancellationToken)
    {
        var intact = damage.Unwritten ? bench.Quiet : bench.Written;
        Place(intact.Path, path);
        var cluster = bench.ClusterAt(path);
        var node = cluster.Nodes[0];
        var repository = bench.Repository;
        var backupAsOf = bench.BackupAsOf;
        var application = damage.Unwritten ? await bench.Injector.UseAsync(node, cancellationToken).ConfigureAwait(false) : null;
        try
        {
            if (damage.Unwritten)
            {
                repository = bench.MakeRepository("repository-" + _name);
                backupAsOf = await bench.ProveBackupAsync(cluster, repository, cancellationToken).ConfigureAwait(false);
            }
            var inflicted = await bench.Injector.InflictAsync(damage, cluster, node, round - 1, cancellationToken).ConfigureAwait(false);
            await using (inflicted.ConfigureAwait(false))
            {
                var course = await RecoverAsync(cluster, repository, inflicted, cancellationToken).ConfigureAwait(false);
                await inflicted.DisposeAsync().ConfigureAwait(false);
                if (application is not null)
                    await application.DisposeAsync().ConfigureAwait(false);
                var rows = await CountAsync(node, intact, cancellationToken).ConfigureAwait(false);
                return Judge(course, inflicted, intact, rows, backupAsOf);
            }
        }
        finally
        {
            if (application is not null)
                await application.DisposeAsync().ConfigureAwait(false);
        }
    }

    private async Task<Course> RecoverAsync(ClusterDefinition cluster, RepositoryDefinition repository, IInflictedDamage inflicted, CancellationToken cancellationToken)
    {
        var course = new Course(bench.Clock.GetUtcNow());
        var started = bench.Clock.GetTimestamp();
        var (health, incidents) = bench.ServicesFor(Path.Combine(bench.At("state"), _name), repository);
        var report = await LookAsync(health, cluster, cancellationToken).ConfigureAwait(false);
        course.Found = [.. report.Faults.Select(f => f.Id)];
        if (course.Found.Contains(damage.ExpectedFault))
            course.DetectionTime = bench.Clock.GetElapsedTime(started);
        // as the recover command does: the gravest first
        if (report.Faults.Count == 0)
        {
            course.Outcome = "no fault was found";
            return course;
        }
        try
        {
            course.Incident = await AnswerAsync(incidents, cluster, report.Faults[0], inflicted, course, cancellationToken).ConfigureAwait(false);
            cancellationToken.ThrowIfCancellationRequested();
        }
        catch (DbRecoveryException e)
        {
            cancellationToken.ThrowIfCancellationRequested();
            course.Outcome = e.Message;
            return course;
        }
        var took = bench.Clock.GetElapsedTime(started);
        course.Outcome = $"{course.Incident.State}: {course.Incident.Summary}";
        if (course.Incident.State is not (IncidentState.Probation or IncidentState.Resolved))
            return course;
        course.Recovered = await IsWellAsync(health, cluster, report.Level, course, cancellationToken).ConfigureAwait(false);
        course.RecoveryTime = course.Recovered ? took : null;
        return course;
    }

    private async Task<HealthReport> LookAsync(HealthService health, ClusterDefinition cluster, CancellationToken cancellationToken)
    {
        var report = await health.ExamineAsync(cluster, ObservationLevel.Standard, null, cancellationToken).ConfigureAwait(false);
        return report.Faults.Any(f => f.Id == damage.ExpectedFault)
            ? report
            : await health.ExamineAsync(cluster, ObservationLevel.Deep, null, cancellationToken).ConfigureAwait(false);
    }

    private static async Task<IncidentReport> AnswerAsync(IncidentService incidents, ClusterDefinition cluster, Fault fault, IInflictedDamage inflicted, Course course, CancellationToken cancellationToken)
    {
        // in the sandbox nothing is lost that anybody needs
        var request = new RecoverRequest { Cluster = cluster, Fault = fault, AllowDataLossBytes = long.MaxValue, RequestedBy = "drill" };
        var steps = new RelentAtFirstStep(inflicted);
        var incident = await incidents.RecoverAsync(request, steps, null, cancellationToken).ConfigureAwait(false);
        if (incident.State != IncidentState.AwaitingApproval)
            return incident;
        // the drill is the person who is asked, and agrees
        course.Asked = true;
        await incidents.ApproveAsync(incident.Id, incident.PlanHash, "drill", cancellationToken).ConfigureAwait(false);
        return await incidents.ResumeAsync(incident.Id, cluster, steps, null, cancellationToken).ConfigureAwait(false);
    }

    // what was seen only by a deep look is gone only when a deep look does not see it; rows are counted besides
    private async Task<bool> IsWellAsync(HealthService health, ClusterDefinition cluster, ObservationLevel level, Course course, CancellationToken cancellationToken)
    {
        var after = await health.ExamineAsync(cluster, level, null, cancellationToken).ConfigureAwait(false);
        if (after.Faults.FirstOrDefault(f => f.Id == damage.ExpectedFault || f.Severity <= FaultSeverity.Outage) is not { } left)
            return true;
        course.Outcome = $"{course.Outcome} But a look afterwards finds {left.Id}: {left.Summary}";
        return false;
    }

    private async Task<RowAccount?> CountAsync(NodeDefinition node, IntactData intact, CancellationToken cancellationToken)
    {
        if (!File.Exists(node.Path))
            return null;
        try
        {
            return await bench.Ledger.CompareAsync(node, intact.Path, cancellationToken).ConfigureAwait(false);
        }
        catch (DbRecoveryException)
        {
            return null; // still damaged: what could not be counted is not called kept
        }
    }

    private DrillResult Judge(Course course, IInflictedDamage inflicted, IntactData intact, RowAccount? rows, DateTimeOffset backupAsOf)
    {
        var promised = bench.Runbook(course.Incident?.Runbook)?.Drill is { } drill && drill.Inject.Contains(damage.Name) ? drill : null;
        string[] right = damage.ExpectedRunbook is null ? [] : [damage.ExpectedRunbook, .. bench.AnsweringRunbooks(damage).Select(r => r.Name)];
        var done = (course.Incident?.Steps ?? []).Where(s => s.State is StepState.Applied or StepState.Confirmed).ToList();
        var score = DrillScore.Of(new DrillEvidence
        {
            Damage = damage, FoundFaults = course.Found, Runbook = course.Incident?.Runbook, RightRunbooks = [.. right.Distinct()],
            Actions = [.. done.Select(s => s.Action).Distinct()], Asked = course.Asked, Recovered = course.Recovered, RecoveryTime = course.RecoveryTime,
            TimeBound = promised?.Rto, Rows = rows, LostBound = promised?.Lost ?? intact.SinceBackup,
        });
        return new DrillResult
        {
            DrillId = drillId, Cluster = bench.Request.Cluster.Name, Engine = bench.Request.Cluster.Engine, Node = bench.Node, Damage = damage.Name, Round = round,
            InflictedAt = course.InflictedAt, Inflicted = inflicted.Description, ExpectedFault = damage.ExpectedFault, FoundFaults = course.Found,
            DetectionTime = course.DetectionTime, Runbook = course.Incident?.Runbook, RecoveryTime = course.RecoveryTime, LostRows = rows?.Lost, WrongRows = rows?.Wrong,
            SalvagedRows = Salvaged(done), LossWindow = Window(intact, rows, backupAsOf), MissingActions = score.MissingActions, WrongActions = score.WrongActions,
            Score = score.Score, Passed = score.Passed, Shortcomings = score.Shortcomings, Outcome = course.Outcome, Withheld = WithheldAction.Among(done),
        };
    }

    // a step that read rows out of the damaged file says how many
    private static long? Salvaged(IEnumerable<IncidentStep> done)
    {
        var counts = done.Where(s => s.Action.StartsWith("salvage", StringComparison.Ordinal)).Select(s => s.Outputs.TryGetValue("rows", out var rows) && rows.Type == FactType.Int ? rows.AsInt() : (long?)null).OfType<long>().ToList();
        return counts.Count == 0 ? null : counts.Sum();
    }

    private static TimeSpan? Window(IntactData intact, RowAccount? rows, DateTimeOffset backupAsOf)
    {
        if (rows is null)
            return null;
        if (rows.Lost == 0)
            return TimeSpan.Zero;
        var survived = intact.Rows.Where(r => rows.Surviving.Contains(r.Id)).Select(r => r.AcknowledgedAt).DefaultIfEmpty(backupAsOf).Max();
        return intact.Rows[^1].AcknowledgedAt > survived ? intact.Rows[^1].AcknowledgedAt - survived : TimeSpan.Zero;
    }

    // what an earlier damage left (kept files, journals) goes
    private static void Place(string intact, string path)
    {
        var folder = Path.GetDirectoryName(path)!;
        Directory.CreateDirectory(folder);
        foreach (var entry in Directory.EnumerateFileSystemEntries(folder))
        {
            if (Directory.Exists(entry))
                Directory.Delete(entry, recursive: true);
            else
                File.Delete(entry);
        }
        File.Copy(intact, path);
    }

    /// <summary>What happened.</summary>
    private sealed class Course(DateTimeOffset inflictedAt)
    {
        public DateTimeOffset InflictedAt { get; } = inflictedAt;
        public IReadOnlyList<string> Found { get; set; } = [];
        public TimeSpan? DetectionTime { get; set; }
        public IncidentReport? Incident { get; set; }
        public bool Asked { get; set; }
        public bool Recovered { get; set; }
        public TimeSpan? RecoveryTime { get; set; }
        public string? Outcome { get; set; }
    }

    /// <summary>Lets a damage end that ends by itself in life, once the recovery has begun.</summary>
    private sealed class RelentAtFirstStep(IInflictedDamage inflicted) : IProgress<TimelineEntry>
    {
        public void Report(TimelineEntry value)
        {
            if (value.State is IncidentState.Executing)
                inflicted.Relent();
        }
    }
}
