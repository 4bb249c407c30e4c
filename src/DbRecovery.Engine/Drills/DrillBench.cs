using DbRecovery.Engine.Backups;
using DbRecovery.Engine.Health;
using DbRecovery.Engine.Incidents;

namespace DbRecovery.Engine.Drills;

/// <summary>The intact data that a damage begins with.</summary>
/// <param name="Path">A copy that is never damaged.</param>
/// <param name="Rows">The drill's rows in it, in the order of their commits.</param>
/// <param name="SinceBackup">How many of them were committed after the backup.</param>
internal sealed record IntactData(string Path, IReadOnlyList<DrillRow> Rows, int SinceBackup);

/// <summary>
/// The sandbox of one drill: the copy of the database, its backups, and the services over them. The original is read once, as a
/// backup reads it, and nothing here knows its path afterwards.
/// </summary>
internal sealed class DrillBench
{
    private const int RowsEachSide = 30;
    private readonly DrillServices _services;
    private readonly DrillRequest _request;
    private readonly NodeDefinition _origin;
    private readonly string _sandbox;
    private readonly IBackupService _ownBackups;

    public DrillBench(DrillServices services, DrillRequest request, NodeDefinition origin, string sandbox)
    {
        (_services, _request, _origin, _sandbox) = (services, request, origin, sandbox);
        Provider = services.Incidents.Provider(request.Cluster.Engine);
        Injector = Provider.Require<IFaultInjector>("drill");
        Ledger = Provider.Require<IDrillLedger>("drill");
        Directory.CreateDirectory(At("scratch"));
        _ownBackups = services.MakeBackups(At("scratch"));
        Repository = MakeRepository("repository");
    }

    public IDatabaseProvider Provider { get; }
    public IFaultInjector Injector { get; }
    public IDrillLedger Ledger { get; }
    public TimeProvider Clock => _services.Incidents.Clock;
    public DrillRequest Request => _request;
    public string Node => _origin.Name;

    /// <summary>The repository that recoveries use, unless a damage needs a backup of its own.</summary>
    public RepositoryDefinition Repository { get; }

    /// <summary>Where the data is whose loss is the backup's age.</summary>
    public DateTimeOffset BackupAsOf { get; private set; }

    /// <summary>The data that was written to since the backup.</summary>
    public IntactData Written { get; private set; } = null!;

    /// <summary>The data as of the backup.</summary>
    public IntactData Quiet { get; private set; } = null!;

    /// <summary>A path in the sandbox.</summary>
    public string At(string name) => Path.Combine(_sandbox, name);

    /// <summary>The file's place in a folder of the sandbox.</summary>
    public string FileIn(string folder) => Path.Combine(At(folder), Path.GetFileName(_origin.Path!));

    /// <summary>The cluster as the sandbox has it: what is declared stays, where things are does not.</summary>
    public ClusterDefinition ClusterAt(string path) => _request.Cluster with
    {
        Nodes = [_origin with { Path = path }],
        // free space and the age of backups are the sandbox's own here, and say nothing of the original
        Expects = _request.Cluster.Expects with { MinFreeBytes = null },
        Backups = new BackupSettings { Repository = Repository.Name, MaxAge = TimeSpan.FromDays(3650), MaxProofAge = TimeSpan.FromDays(3650) },
    };

    /// <summary>A repository in the sandbox.</summary>
    public RepositoryDefinition MakeRepository(string name)
    {
        Directory.CreateDirectory(At(name));
        return new RepositoryDefinition { Name = name, Path = At(name) };
    }

    /// <summary>Copies the database, commits rows before and after a backup, and proves the backup.</summary>
    public async Task PrepareAsync(Action<string> tell, CancellationToken cancellationToken)
    {
        tell("copying the database");
        var cluster = ClusterAt(FileIn("data"));
        var node = cluster.Nodes[0];
        await CopyOriginalAsync(node.Path!, cancellationToken).ConfigureAwait(false);
        await Ledger.BeginAsync(node, cancellationToken).ConfigureAwait(false);
        var before = await Ledger.WriteAsync(node, 1, RowsEachSide, cancellationToken).ConfigureAwait(false);
        tell("looking at the copy");
        await DemandHealthyAsync(cluster, cancellationToken).ConfigureAwait(false);
        if (_request.FromBackup is { } given)
        {
            BackupAsOf = given.DataAsOf ?? given.StartedAt;
        }
        else
        {
            tell("backing up the copy");
            BackupAsOf = await ProveBackupAsync(cluster, Repository, cancellationToken).ConfigureAwait(false);
        }
        Quiet = new IntactData(Keep(node.Path!, "quiet"), before, 0);
        var after = await Ledger.WriteAsync(node, RowsEachSide + 1, RowsEachSide, cancellationToken).ConfigureAwait(false);
        Written = new IntactData(Keep(node.Path!, "written"), [.. before, .. after], RowsEachSide + (_request.FromBackup is null ? 0 : RowsEachSide));
    }

    /// <summary>Takes a backup of the copy and proves it; gives the moment whose data it holds.</summary>
    public async Task<DateTimeOffset> ProveBackupAsync(ClusterDefinition cluster, RepositoryDefinition repository, CancellationToken cancellationToken)
    {
        var backup = await _ownBackups.CreateAsync(new BackupRequest { Cluster = cluster, Repository = repository }, null, cancellationToken).ConfigureAwait(false);
        var test = await _ownBackups.TestAsync(backup with { RepositoryDefinition = repository, Definition = cluster }, null, cancellationToken).ConfigureAwait(false);
        return test.Passed ? backup.DataAsOf ?? backup.StartedAt : throw new DbRecoveryException(ErrorIds.DrillFailed, ErrorKind.Failed,
            $"a backup of the copy does not pass its test: {string.Join("; ", test.Proof.Checks.Where(c => !c.Passed).Select(c => c.Detail))}",
            "Look at the health of the database first.", _request.Cluster.Name);
    }

    /// <summary>The services over one case's state folder and repository: what is found there is what a user's recovery would find.</summary>
    public (HealthService Health, IncidentService Incidents) ServicesFor(string stateFolder, RepositoryDefinition repository)
    {
        var backups = new DrillBackups(_ownBackups, _services.Incidents.Backups, repository.Path == Repository.Path ? _request.FromBackup : null, _request.Cluster.Name);
        var health = new HealthService(new HealthServiceOptions
        {
            Providers = _services.Incidents.Provider, Backups = backups, RepositoryOf = _ => repository, StateFolder = stateFolder, Clock = Clock,
        });
        return (health, new IncidentService(_services.Incidents with
        {
            StateFolder = stateFolder, Backups = backups, Repository = _ => repository, Health = health,
            Actions = WithheldAction.InDrill(_services.Incidents.Actions), JournalObserver = null,
        }));
    }

    /// <summary>The runbooks that say of themselves that they answer a damage.</summary>
    public IEnumerable<Runbooks.Runbook> AnsweringRunbooks(DrillDamage damage) =>
        _services.Incidents.Runbooks.All.Where(r => r.Drill is { } drill && drill.Inject.Contains(damage.Name) && r.Match.Engines.Contains(_request.Cluster.Engine));

    /// <summary>The runbook of that name; null for none.</summary>
    public Runbooks.Runbook? Runbook(string? name) => _services.Incidents.Runbooks.All.FirstOrDefault(r => r.Name == name);

    private async Task CopyOriginalAsync(string destination, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(destination)!);
        if (_request.FromBackup is { } given)
        {
            await _services.Incidents.Backups.RestoreAsync(new RestoreRequest { Backup = given, Destination = destination }, null, cancellationToken).ConfigureAwait(false);
            return;
        }
        // read as a backup reads it: consistent, while it is in use
        var origin = MakeRepository("origin");
        var cluster = _request.Cluster with { Nodes = [_origin], Backups = null };
        var copy = await _ownBackups.CreateAsync(new BackupRequest { Cluster = cluster, Repository = origin }, null, cancellationToken).ConfigureAwait(false);
        if (copy.Status != BackupStatus.Complete)
        {
            throw new DbRecoveryException(ErrorIds.DrillFailed, ErrorKind.CorruptData, $"'{_origin.Path}' has damaged pages: that is no drill",
                "Look at its health and recover it, or drill with a backup (--from-backup, -FromBackup).", _request.Cluster.Name);
        }
        await _ownBackups.RestoreAsync(new RestoreRequest { Backup = copy with { RepositoryDefinition = origin }, Destination = destination }, null, cancellationToken).ConfigureAwait(false);
        Directory.Delete(origin.Path, recursive: true);
    }

    private async Task DemandHealthyAsync(ClusterDefinition cluster, CancellationToken cancellationToken)
    {
        var (health, _) = ServicesFor(At("looked"), Repository);
        var report = await health.ExamineAsync(cluster, ObservationLevel.Standard, null, cancellationToken).ConfigureAwait(false);
        if (report.Faults.FirstOrDefault(f => f.Severity <= FaultSeverity.Outage) is { } fault)
        {
            throw new DbRecoveryException(ErrorIds.DrillFailed, ErrorKind.Refused, $"the copy has the fault {fault.Id} before any damage: {fault.Summary}",
                "Recover from that first; a drill needs a database that is in order.", _request.Cluster.Name);
        }
    }

    private string Keep(string file, string name)
    {
        var kept = At(name);
        File.Copy(file, kept);
        return kept;
    }
}
