using System.Security.Cryptography;
using System.Text.Json;
using DbRecovery.Engine.Files;

namespace DbRecovery.Engine.Actions;

/// <summary>No options.</summary>
internal sealed record SnapshotEvidenceOptions;

/// <summary>What will be copied where.</summary>
internal sealed record SnapshotEvidenceState(string Folder, IReadOnlyList<string> Files);

/// <summary>A file of the evidence, as its manifest lists it.</summary>
internal sealed record EvidenceFile(string Name, string Source, long Size, string Sha256);

/// <summary>Keeps the damaged files as they are before anything is done to them.</summary>
internal sealed class SnapshotEvidenceAction : RecoveryAction<SnapshotEvidenceOptions, SnapshotEvidenceState>
{
    private const string Manifest = "manifest.json";
    private const long Reserve = 1024 * 1024;

    /// <inheritdoc/>
    public override ActionDescriptor Descriptor { get; } = Describe(
        "snapshot-evidence", "Copies the database's files as they are into the incident's folder, read-only, with a check sum each.",
        capability: typeof(IFileSwap), timeout: TimeSpan.FromMinutes(30), outputs:
        [
            new("path", FactType.Text, null, "the folder of the copies"),
            new("bytes", FactType.Int, "B", "the size of what was copied"),
        ]);

    protected override Task<Planned<SnapshotEvidenceState>> PlanCoreAsync(ActionContext context, SnapshotEvidenceOptions options, CancellationToken cancellationToken)
    {
        var files = context.Provider.Require<IFileSwap>(Descriptor.Name).DatabaseFiles(context.TargetNode()).Where(File.Exists).ToList();
        var folder = Path.Combine(context.IncidentFolder, "evidence");
        IReadOnlyList<PlannedAct> acts = files.Count == 0
            ? [new PlannedAct(ActKind.Read, context.TargetNode().Address, "no file is there, so there is nothing to keep")]
            : [.. files.Select(f => new PlannedAct(ActKind.Create, Path.Combine(folder, Path.GetFileName(f)), $"copy of '{f}', read-only, with its SHA-256 in {Manifest}"))];
        return Task.FromResult(new Planned<SnapshotEvidenceState>(new(folder, files), acts,
            Outputs: new Dictionary<string, FactValue> { ["path"] = folder }));
    }

    protected override async Task<ActionResult> ExecuteCoreAsync(ActionContext context, SnapshotEvidenceState state, CancellationToken cancellationToken)
    {
        // a half copy of an earlier attempt has this name and never the final one
        var partial = state.Folder + ".partial";
        RemoveFolder(partial);
        RequireSpace(context, state);
        Directory.CreateDirectory(partial);
        try
        {
            var copies = new List<EvidenceFile>();
            foreach (var file in state.Files.Where(File.Exists))
                copies.Add(await CopyAsync(context, file, partial, cancellationToken).ConfigureAwait(false));
            DurableFile.WriteAllText(Path.Combine(partial, Manifest), JsonSerializer.Serialize(copies, EngineJson.Indented));
            Directory.Move(partial, state.Folder);
            DurableFile.SyncFolder(Path.GetDirectoryName(state.Folder)!);
            return Result(state.Folder, copies);
        }
        catch (Exception e)
        {
            RemoveFolder(partial);
            if (e is UnauthorizedAccessException)
            {
                throw new DbRecoveryException(ErrorIds.AccessDenied, ErrorKind.PermissionDenied, $"evidence cannot be kept: {e.Message}",
                    "Give this user the right to read the database's files.", context.TargetNode().Address, e);
            }
            throw;
        }
    }

    protected override Task<Reconciliation> ReconcileCoreAsync(ActionContext context, SnapshotEvidenceState state, CancellationToken cancellationToken)
    {
        var manifest = Path.Combine(state.Folder, Manifest);
        if (!File.Exists(manifest))
            return Task.FromResult(new Reconciliation(ReconcileOutcome.NotDone, $"'{state.Folder}' is not there"));
        var copies = JsonSerializer.Deserialize<List<EvidenceFile>>(File.ReadAllText(manifest), EngineJson.Compact) ?? [];
        var wrong = copies.FirstOrDefault(c => new FileInfo(Path.Combine(state.Folder, c.Name)) is var f && (!f.Exists || f.Length != c.Size));
        return Task.FromResult(wrong is null
            ? new Reconciliation(ReconcileOutcome.Done, $"'{state.Folder}' holds every file of its manifest", Result(state.Folder, copies))
            : new Reconciliation(ReconcileOutcome.Unknown, $"'{wrong.Name}' in '{state.Folder}' is not what the manifest says: somebody changed the evidence"));
    }

    private static ActionResult Result(string folder, IReadOnlyList<EvidenceFile> copies)
    {
        var bytes = copies.Sum(c => c.Size);
        return new ActionResult
        {
            Summary = copies.Count == 0 ? "There was no file to keep." : $"{Counted.Of(copies.Count, "file")}, {Counted.Of(bytes, "byte")}, kept in '{folder}'.",
            Outputs = new Dictionary<string, FactValue> { ["path"] = folder, ["bytes"] = bytes },
        };
    }

    private static async Task<EvidenceFile> CopyAsync(ActionContext context, string source, string folder, CancellationToken cancellationToken)
    {
        var name = Path.GetFileName(source);
        var target = Path.Combine(folder, name);
        long size;
        string digest;
        using (var input = new FileStream(source, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 1, FileOptions.SequentialScan))
        using (var output = new FileStream(target, ForOwnerOnly()))
        {
            var cloned = DurableFile.TryClone(input.SafeFileHandle, output.SafeFileHandle);
            // what is hashed is what was kept: a clone is read back, a copy is hashed on its way
            (size, digest) = await PumpAsync(context, cloned ? output : input, cloned ? null : output, source, cancellationToken).ConfigureAwait(false);
            output.Flush(flushToDisk: true);
        }
        if (OperatingSystem.IsWindows())
            File.SetAttributes(target, FileAttributes.ReadOnly);
        else
            File.SetUnixFileMode(target, UnixFileMode.UserRead);
        return new EvidenceFile(name, source, size, digest);
    }

    // the copy holds what the database holds, and the database may be closed to others
    private static FileStreamOptions ForOwnerOnly()
    {
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.ReadWrite, Share = FileShare.None, BufferSize = 1 };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        return options;
    }

    private static async Task<(long Size, string Digest)> PumpAsync(ActionContext context, Stream input, Stream? output, string source, CancellationToken cancellationToken)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[1024 * 1024];
        long done = 0;
        while (await input.ReadAsync(buffer, cancellationToken).ConfigureAwait(false) is var read and > 0)
        {
            hash.AppendData(buffer, 0, read);
            if (output is not null)
                await output.WriteAsync(buffer.AsMemory(0, read), cancellationToken).ConfigureAwait(false);
            done += read;
            context.Progress?.Report(new OperationProgress("Keeping evidence", source, done, input.Length));
        }
        return (done, Convert.ToHexString(hash.GetHashAndReset()).ToLowerInvariant());
    }

    private static void RequireSpace(ActionContext context, SnapshotEvidenceState state)
    {
        var needed = state.Files.Where(File.Exists).Sum(f => new FileInfo(f).Length) + Reserve;
        var free = new DriveInfo(context.IncidentFolder).AvailableFreeSpace;
        if (free < needed)
        {
            throw new DbRecoveryException(ErrorIds.OutOfSpace, ErrorKind.OutOfSpace,
                $"keeping the evidence needs {needed} bytes in '{context.IncidentFolder}', and {free} are free",
                "Free space there, or move the state folder to another disk.", context.IncidentFolder);
        }
    }

    private static void RemoveFolder(string folder)
    {
        if (Directory.Exists(folder))
            Directory.Delete(folder, recursive: true);
    }
}
