using DbRecovery.Engine.Backups;
using DbRecovery.Engine.Files;
using DbRecovery.Engine.Incidents;
using DbRecovery.Engine.Yaml;

namespace DbRecovery.Engine.Drills;

/// <summary>What a drill works with.</summary>
public sealed record DrillServices
{
    /// <summary>What a recovery works with; its state folder keeps the drills' history.</summary>
    public required IncidentServices Incidents { get; init; }
    /// <summary>Makes a backup service whose scratch folder lies in the sandbox.</summary>
    public required Func<string, IBackupService> MakeBackups { get; init; }
}

/// <summary>Inflicts damage on sandbox copies of databases, recovers them as a user would, and measures and scores what comes of it.</summary>
public sealed class DrillService
{
    private const int MostRounds = 100;
    // the copy, two intact ones to compare with, the repository, the restored file, the kept one, evidence, and one in between
    private const int CopiesNeeded = 8;
    private const long Margin = 64 << 20;
    private readonly DrillServices _services;

    /// <summary>Makes a service; it touches no file until it is asked to.</summary>
    public DrillService(DrillServices services) => _services = services;

    private IncidentServices Incidents => _services.Incidents;

    /// <summary>Works out what a drill would do. Changes nothing.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.ParameterInvalid"/>: an unknown damage or a wrong number of rounds; <see cref="ErrorIds.CapabilityMissing"/>; <see cref="ErrorIds.DatabaseNotFound"/>; <see cref="ErrorIds.NodeNotFound"/>.</exception>
    public DrillPlan Plan(DrillRequest request)
    {
        var injector = Incidents.Provider(request.Cluster.Engine).Require<IFaultInjector>("drill");
        if (request.Rounds is < 1 or > MostRounds)
            throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"a drill has 1 to {MostRounds} rounds, not {request.Rounds}", "Give another number.");
        var node = NodeOf(request);
        var folder = request.SandboxFolder ?? DrillHistory.FolderOf(Incidents.StateFolder, request.Cluster.Name);
        return new DrillPlan
        {
            Cluster = request.Cluster.Name,
            Node = node.Name,
            SandboxFolder = folder,
            Source = request.FromBackup is { } backup ? $"backup {backup.Id}" : node.Address,
            NeededBytes = SizeOf(request, node) * CopiesNeeded + Margin,
            FreeBytes = FreeAt(folder),
            Damages = [.. Choose(injector, request).Select(d => new PlannedDamage(d, WhyNot(d, request.Cluster)))],
            Rounds = request.Rounds,
        };
    }

    /// <summary>Carries a drill out. Each result is given as it comes, and kept in the history.</summary>
    /// <param name="request">What to do.</param>
    /// <param name="each">Gets each result.</param>
    /// <param name="progress">Progress.</param>
    /// <param name="cancellationToken">Cancels; the sandbox is removed.</param>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.DrillFailed"/>: the database is not in order before any damage; <see cref="ErrorIds.OutOfSpace"/>; and those of <see cref="Plan"/>.</exception>
    public async Task<IReadOnlyList<DrillResult>> RunAsync(DrillRequest request, Action<DrillResult>? each, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var plan = Plan(request);
        if (plan.FreeBytes < plan.NeededBytes)
        {
            throw new DbRecoveryException(ErrorIds.OutOfSpace, ErrorKind.OutOfSpace, $"the drill may need {plan.NeededBytes} bytes in '{plan.SandboxFolder}', and {plan.FreeBytes} are free",
                "Free space there, or name another folder for the sandbox.", plan.SandboxFolder);
        }
        try
        {
            return await RunAsync(request, plan, each, progress, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw FileErrors.Translate(e, plan.SandboxFolder, ErrorIds.DrillFailed);
        }
    }

    /// <summary>Earlier results of a cluster, newest first.</summary>
    public IReadOnlyList<DrillResult> History(string cluster) => [.. HistoryOf(cluster).Read().Reverse()];

    private async Task<IReadOnlyList<DrillResult>> RunAsync(DrillRequest request, DrillPlan plan, Action<DrillResult>? each, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        var id = IncidentStore.NewId(Incidents.Clock.GetUtcNow());
        var history = HistoryOf(request.Cluster.Name);
        var earlier = history.Read().ToList();
        var results = new List<DrillResult>();
        DurableFile.CreateFolder(plan.SandboxFolder);
        await SmallDisk.UnmountAbandonedAsync(plan.SandboxFolder, Incidents.Clock, cancellationToken).ConfigureAwait(false);
        using var sandbox = OwnedFolder.Create(plan.SandboxFolder, DrillSandbox.Prefix);
        var bench = new DrillBench(_services, request, request.Cluster.Node(plan.Node), sandbox.Path);
        var activity = $"Drilling {request.Cluster.Name}";
        if (plan.Damages.Any(d => d.Skipped is null))
            await bench.PrepareAsync(status => progress?.Report(new OperationProgress(activity, status, 0, plan.Damages.Count * plan.Rounds, "damages")), cancellationToken).ConfigureAwait(false);
        for (var round = 1; round <= plan.Rounds; round++)
        {
            foreach (var (damage, skipped) in plan.Damages)
            {
                progress?.Report(new OperationProgress(activity, damage.Name, results.Count, plan.Damages.Count * plan.Rounds, "damages"));
                var result = skipped is not null
                    ? DrillCase.Skipped(request, plan.Node, id, damage, round, Incidents.Clock.GetUtcNow(), skipped)
                    : await new DrillCase(bench, damage, round, id).RunAsync(cancellationToken).ConfigureAwait(false);
                result = result with { Regression = DrillHistory.Compare(earlier, result), Sandbox = request.Keep ? sandbox.Path : null };
                await history.AppendAsync(result, cancellationToken).ConfigureAwait(false);
                earlier.Add(result);
                results.Add(result);
                each?.Invoke(result);
            }
        }
        if (request.Keep)
            sandbox.Keep();
        return results;
    }

    private DrillHistory HistoryOf(string cluster) => new(Incidents.StateFolder, cluster, Incidents.Clock);

    private static NodeDefinition NodeOf(DrillRequest request)
    {
        var node = request.Node is { } name ? request.Cluster.Node(name)
            : request.FromBackup is { } backup && request.Cluster.Nodes.FirstOrDefault(n => n.Name == backup.Node) is { } origin ? origin
            : request.Cluster.Nodes.MinBy(n => n.Priority)!;
        return node.Path is not null ? node : throw new DbRecoveryException(ErrorIds.CapabilityMissing, ErrorKind.NotSupported,
            $"the node '{node.Name}' is no file: a drill copies databases that are files", target: node.Name);
    }

    private long SizeOf(DrillRequest request, NodeDefinition node)
    {
        if (request.FromBackup is { } backup)
            return backup.SizeBytes;
        if (!File.Exists(node.Path))
        {
            throw new DbRecoveryException(ErrorIds.DatabaseNotFound, ErrorKind.NotFound, $"there is no database '{node.Path}' to copy",
                "Recover it first, or drill with a backup (--from-backup, -FromBackup).", node.Path);
        }
        var files = Incidents.Provider(request.Cluster.Engine).TryGet<IFileSwap>(out var swap) ? swap.DatabaseFiles(node) : [node.Path];
        return files.Where(File.Exists).Sum(f => new FileInfo(f).Length);
    }

    // the folder need not exist yet: the nearest one that does is on the same file system
    private static long FreeAt(string folder)
    {
        var existing = folder;
        while (!Directory.Exists(existing) && Path.GetDirectoryName(existing) is { } parent)
            existing = parent;
        return FileErrors.Guarded(folder, ErrorIds.DrillFailed, () => new DriveInfo(existing).AvailableFreeSpace);
    }

    private static IEnumerable<DrillDamage> Choose(IFaultInjector injector, DrillRequest request)
    {
        foreach (var name in request.Damages.Where(n => injector.Damages.All(d => d.Name != n)))
        {
            throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"there is no damage '{name}' for {request.Cluster.Engine}",
                NearNames.Suggest(name, [.. injector.Damages.Select(d => d.Name)]), name);
        }
        return request.Damages.Count == 0 ? injector.Damages : injector.Damages.Where(d => request.Damages.Contains(d.Name));
    }

    private static string? WhyNot(DrillDamage damage, ClusterDefinition cluster) =>
        damage.NeedsRoot && !(OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess) ? "needs root on Linux"
        : damage.NeedsDeclaredTable && cluster.Expects.Tables.Count == 0 ? "the inventory declares no table (expects: tables), so none would be missed"
        : null;
}
