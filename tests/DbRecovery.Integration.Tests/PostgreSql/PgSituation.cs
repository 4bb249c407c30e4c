using System.Diagnostics;
using System.Text;
using System.Text.Json;
using DbRecovery.PostgresLab;
using DbRecovery.Runtime;

namespace DbRecovery.Integration.Tests.PostgreSql;

/// <summary>A real cluster with an inventory; the executable runs as a process of its own.</summary>
internal sealed class PgSituation : IAsyncDisposable
{
    /// <summary>An entry of <c>policy</c> where nothing hangs: time enough for the looks of a busy machine.</summary>
    public const string Patient = "detectWithin: 60s";

    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(3);
    private readonly List<Process> _started = [];

    private PgSituation(PgCluster cluster) => Cluster = cluster;

    public PgCluster Cluster { get; }
    public string Name => Cluster.Options.Name;
    public string Inventory => Path.Combine(Cluster.Folder, "dbrecovery.yml");
    public string State => Path.Combine(Cluster.Folder, "state");

    /// <summary>The same operations in this process, over the same state.</summary>
    public RecoveryRuntime Runtime => new(new RuntimeOptions { InventoryPath = Inventory, WorkingFolder = Cluster.Folder, StateFolder = State });

    /// <summary>What every process of this situation finds in its environment.</summary>
    public Dictionary<string, string> Variables { get; } = [];

    /// <summary>Starts a cluster and writes its inventory.</summary>
    /// <param name="options">The cluster.</param>
    /// <param name="policy">The entries of <c>policy</c>.</param>
    /// <param name="more">Further lines of the cluster's entry, four spaces before each.</param>
    public static async Task<PgSituation> StartAsync(PgClusterOptions? options = null, string policy = "autoRecover: true, maxDataLoss: 16MB", string more = "")
    {
        var situation = new PgSituation(await PgCluster.StartAsync(options));
        situation.Write(policy, more);
        return situation;
    }

    /// <summary>Writes the inventory.</summary>
    public void Write(string policy, string more = "", Func<string, string>? change = null)
    {
        var text = Cluster.Definition($"    policy: {{ {policy} }}\n{more}") + $"\nstate: {State}\n";
        File.WriteAllText(Inventory, change?.Invoke(text) ?? text);
    }

    /// <summary>Runs the executable and demands an exit code.</summary>
    public async Task<Lab.Run> DbRecoveryAsync(int expected, params string[] arguments)
    {
        var run = await TryAsync(arguments);
        Assert.True(run.ExitCode == expected, $"dbrecovery {string.Join(' ', arguments)}: {run}");
        return run;
    }

    /// <summary>Runs the executable, whatever comes of it.</summary>
    public Task<Lab.Run> TryAsync(params string[] arguments) => TryAsync(arguments, null);

    /// <summary>The same with further variables of the environment, and killed (SIGKILL) as soon as something is so.</summary>
    public async Task<Lab.Run> TryAsync(string[] arguments, IReadOnlyDictionary<string, string>? environment, Func<Task<bool>>? kill = null)
    {
        var process = Start(arguments, environment);
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        using var limit = new CancellationTokenSource(Limit);
        try
        {
            while (kill is not null && !process.HasExited && !await kill())
                await Task.Delay(1, limit.Token);
            if (kill is not null && !process.HasExited)
                process.Kill();
            await process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"dbrecovery {string.Join(' ', arguments)} did not end: {await output}{await error}");
        }
        return new Lab.Run(process.ExitCode, (await output).Trim(), (await error).Trim());
    }

    /// <summary>Starts the watch and waits until it has said how the cluster is.</summary>
    public async Task<WatchProcess> WatchAsync(params string[] arguments) => await WatchAsync(arguments, null);

    /// <summary>The same with further variables of the environment, such as a startup hook.</summary>
    public async Task<WatchProcess> WatchAsync(string[] arguments, IReadOnlyDictionary<string, string>? environment)
    {
        if (arguments.Contains("--recover"))
            await LookTwiceAsync(Runtime, Runtime.GetCluster(Name));
        var watch = new WatchProcess(Start(["watch", .. arguments, "--output", "json"], environment));
        await watch.UntilAsync(e => e is { Node: null, Kind: "Started" or "StateChanged", To: "Healthy" or "Degraded" or "Failed" }, "the state of the cluster");
        return watch;
    }

    /// <summary>How fast a primary writes takes two looks to know, and what it lost cannot be told without: a situation may come before the watch has had them.</summary>
    public static async Task LookTwiceAsync(RecoveryRuntime runtime, ClusterDefinition cluster)
    {
        for (var look = 0; look < 2; look++)
            await runtime.TestHealthAsync(cluster with { Policy = cluster.Policy with { DetectWithin = Wait.Limit } }, ObservationLevel.Quick, null, default);
    }

    public Task<Writer> WriterAsync(TimeSpan pause = default) => Writer.StartAsync(Cluster, pause: pause == default ? TimeSpan.FromMilliseconds(2) : pause);

    public Task<WritableSampler> SamplerAsync() => WritableSampler.StartAsync(Cluster, WriteProbe.Acknowledged);

    /// <summary>The newest incident.</summary>
    public async Task<JsonElement> IncidentAsync() => (await DbRecoveryAsync(0, "incident", "show", "latest", "--output", "json")).Object;

    /// <summary>The incidents of the cluster.</summary>
    public async Task<IReadOnlyList<JsonElement>> IncidentsAsync() => (await DbRecoveryAsync(0, "incident", "list", "--output", "json")).Objects;

    /// <summary>The ids of the faults that a look at the cluster finds.</summary>
    public async Task<IReadOnlyList<string>> FaultsAsync(string level = "quick") =>
        [.. (await TryAsync("health", Name, "--level", level, "--output", "json")).Object.GetProperty("faults").EnumerateArray().Select(f => f.GetProperty("id").GetString()!)];

    /// <summary>Demands that no more is missing than the incidents say was lost.</summary>
    public async Task AtMostThePreviewAsync(IReadOnlyList<long> missing)
    {
        if (missing.Count == 0)
            return;
        // the incident that made the new primary tells of the loss; later ones may be about the old primary
        var incidents = await IncidentsAsync();
        var told = incidents.Sum(i => i.TryGetProperty("loss", out var loss) ? loss.GetProperty("bytes").GetInt64() : 0);
        // a row of the writer takes more than 50 bytes of log
        Assert.True(missing.Count * 50L <= told, $"{missing.Count} acknowledged writes are missing and the incidents tell of {told} bytes: {string.Join('\n', incidents)}");
    }

    /// <summary>The nodes that take writes now, as they say themselves.</summary>
    public async Task<IReadOnlyList<string>> PrimariesAsync()
    {
        var primaries = new List<string>();
        foreach (var node in Cluster.Nodes.Where(n => n.ProcessId is not null))
        {
            try
            {
                if (!await Cluster.ScalarAsync<bool>(node, "select pg_is_in_recovery()"))
                    primaries.Add(node.Name);
            }
            catch (Exception e) when (e is Npgsql.NpgsqlException or TimeoutException)
            {
                // it takes nothing
            }
        }
        return primaries;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var process in _started)
        {
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync();
            process.Dispose();
        }
        await Cluster.DisposeAsync();
    }

    private Process Start(IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment)
    {
        // a hook of the runtime needs the executable that runs on it
        var command = Lab.Executable(arguments, hooked: environment is not null);
        var start = new ProcessStartInfo(command[0], command[1..]) { WorkingDirectory = Cluster.Folder, RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment.Remove("DBRECOVERY_STATE");
        start.Environment["DBRECOVERY_INVENTORY"] = Inventory;
        foreach (var (name, value) in Variables.Concat(environment ?? new Dictionary<string, string>()))
            start.Environment[name] = value;
        var process = Process.Start(start)!;
        process.StandardInput.Close();
        _started.Add(process);
        return process;
    }
}

/// <summary>One event as the watch prints it.</summary>
internal sealed record PrintedEvent(string Kind, string? Node, string Summary, string? From, string? To, string? Fault, string? Severity, string? Incident)
{
    public static PrintedEvent Read(string line)
    {
        var e = JsonDocument.Parse(line).RootElement;
        string? Text(string name) => e.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        return new PrintedEvent(Text("kind")!, Text("node"), Text("summary")!, Text("from"), Text("to"),
            OfFault("id"), OfFault("severity"), Text("incident"));
        string? OfFault(string name) => e.TryGetProperty("fault", out var fault) && fault.ValueKind == JsonValueKind.Object ? fault.GetProperty(name).GetString() : null;
    }
}

/// <summary>A running watch and all that it has said.</summary>
internal sealed class WatchProcess
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(3);
    private readonly List<PrintedEvent> _events = [];
    private readonly StringBuilder _errors = new();

    public WatchProcess(Process process)
    {
        Process = process;
        process.OutputDataReceived += (_, e) =>
        {
            if (string.IsNullOrWhiteSpace(e.Data))
                return;
            lock (_events)
                _events.Add(PrintedEvent.Read(e.Data));
        };
        process.ErrorDataReceived += (_, e) =>
        {
            lock (_errors)
                _errors.AppendLine(e.Data);
        };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    public Process Process { get; }

    public IReadOnlyList<PrintedEvent> Events
    {
        get
        {
            lock (_events)
                return [.. _events];
        }
    }

    /// <summary>Waits until an event that fits was said.</summary>
    public async Task<PrintedEvent> UntilAsync(Func<PrintedEvent, bool> fits, string what)
    {
        var clock = Stopwatch.StartNew();
        while (true)
        {
            if (Events.FirstOrDefault(fits) is { } found)
                return found;
            Assert.False(Process.HasExited, $"the watch ended with {(Process.HasExited ? Process.ExitCode : 0)} before {what}: {this}");
            Assert.True(clock.Elapsed < Limit, $"waited in vain for {what}: {this}");
            await Task.Delay(10);
        }
    }

    /// <summary>Waits until an outage's incident of the watch came to its end, and gives the last thing that was said of it. Lesser ones, which a busy machine may have, are only told to people.</summary>
    public Task<PrintedEvent> UntilRecoveredAsync() => UntilAsync(IsEnd, "the end of an incident");

    /// <summary>The same of a watch that may be killed before that; null where it was.</summary>
    public async Task<PrintedEvent?> UntilEndOrRecoveredAsync()
    {
        var clock = Stopwatch.StartNew();
        while (!Process.HasExited && !Events.Any(IsEnd))
        {
            Assert.True(clock.Elapsed < Limit, $"waited in vain for the end of an incident or of the watch: {this}");
            await Task.Delay(10);
        }
        if (Events.FirstOrDefault(IsEnd) is { } end)
            return end;
        Assert.True(Process.ExitCode == 137, $"the watch ended with {Process.ExitCode}: {this}");
        return null;
    }

    // one that a later look ends (Cancelled) was of a moment: what it was taken for comes after it
    private static bool IsEnd(PrintedEvent e) => e is { Kind: "Incident", Severity: "DataAtRisk" or "Outage" } && e.To is "Probation" or "Resolved" or "Failed" or "AmbiguousHalt" or "AwaitingApproval" or "Suppressed";

    /// <summary>Ends it as a service manager does, and demands that it ends well.</summary>
    public async Task StopAsync()
    {
        using (var kill = Process.Start("kill", ["-s", "TERM", $"{Process.Id}"]))
            await kill.WaitForExitAsync();
        using var limit = new CancellationTokenSource(Limit);
        await Process.WaitForExitAsync(limit.Token);
        Assert.True(Process.ExitCode == 0, $"the watch ended with {Process.ExitCode}: {this}");
    }

    public override string ToString()
    {
        lock (_errors)
            return string.Join('\n', Events.Select(e => e.ToString())) + "\n" + _errors;
    }
}
