using System.Net;
using System.Text.Json;
using DbRecovery.Engine.Actions;
using DbRecovery.Engine.Runbooks;
using DbRecovery.Engine.Tests.Incidents;

namespace DbRecovery.Engine.Tests.Actions;

public class ActionTests
{
    private static ActionContext Context(World world, params NotificationChannel[] channels) => new()
    {
        Cluster = world.Cluster,
        Provider = world,
        Backups = world,
        Repository = new RepositoryDefinition { Name = "main", Path = Directory.CreateDirectory(Path.Combine(world.Folder, "repository")).FullName },
        Health = world,
        Secrets = world,
        Notifications = channels.ToDictionary(c => c.Name),
        IncidentId = "i1",
        IncidentFolder = Directory.CreateDirectory(Path.Combine(world.State, "app", "incidents", "i1")).FullName,
        Timeout = Wait.Limit,
    };

    private static object Options(RecoveryAction action, params (string, object)[] values) =>
        ActionOptions.Create(action.OptionsType, values.ToDictionary(v => v.Item1, v => v.Item2));

    [Theory]
    [InlineData("snapshot-evidence", false, "", "path,bytes")]
    [InlineData("backup", false, "test:Bool=true", "backupId,proved")]
    [InlineData("restore", false, "backup:String=latest-proved", "path,backupId,dataAsOf")]
    [InlineData("salvage", false, "", "path,rows,complete")]
    [InlineData("salvage-rows", false, "into:String!", "rows,tables,rowList")]
    [InlineData("reindex", false, "", "")]
    [InlineData("checkpoint", false, "", "summary")]
    [InlineData("swap-file", true, "newFile:String!,lockTimeout:Duration=10s,catchUp:Bool=false", "keptPath")]
    [InlineData("wait", false, "for:Duration!", "")]
    [InlineData("notify", false, "channel:String,message:String!", "")]
    [InlineData("run-command", true, "command:List!,workingFolder:String,environment:Map,inherit:List,expectExit:Int=0", "")]
    [InlineData("run-sql", true, "sql:String!,readOnly:Bool=false", "value,rowsAffected")]
    [InlineData("run-powershell", true, "script:String!,arguments:Map", "")]
    public void The_catalogue_says_what_an_action_takes_and_gives(string name, bool destructive, string options, string outputs)
    {
        var d = ActionCatalogue.Standard().Get(name).Descriptor;
        Assert.Equal(destructive, d.Destructive);
        Assert.Equal(options, string.Join(',', d.Options.Select(o => $"{o.Name}:{o.Type}{(o.Required ? "!" : o.Default is null ? "" : "=" + o.Default)}")));
        Assert.Equal(outputs, string.Join(',', d.Outputs.Select(o => o.Name)));
        Assert.Equal(name == "run-powershell", d.NeedsPowerShell);
    }

    [Fact]
    public void The_catalogue_holds_these_and_no_other() => Assert.Equal(29, ActionCatalogue.Standard().Descriptors.Count);

    [Theory]
    [InlineData("newFile", 3L)]
    [InlineData("nope", "x")]
    [InlineData("lockTimeout", "x")]
    public void An_option_that_does_not_fit_is_refused(string option, object value)
    {
        var action = ActionCatalogue.Standard().Get("swap-file");
        Assert.Equal(ErrorIds.ParameterInvalid, Assert.Throws<DbRecoveryException>(() => Options(action, (option, value))).Id);
    }

    [Fact]
    public void A_required_option_must_be_given() =>
        Assert.Equal(ErrorIds.ParameterInvalid, Assert.Throws<DbRecoveryException>(() => Options(ActionCatalogue.Standard().Get("notify"))).Id);

    [Fact]
    public async Task Evidence_is_a_read_only_copy_with_check_sums_and_is_found_again()
    {
        using var world = new World();
        await File.WriteAllTextAsync(world.Database + "-wal", "wal");
        var action = ActionCatalogue.Standard().Get("snapshot-evidence");
        var plan = await action.PlanAsync(Context(world), Options(action), default);
        Assert.Equal(2, plan.Acts.Count);
        Assert.Equal(ReconcileOutcome.NotDone, (await action.ReconcileAsync(Context(world), plan, default)).Outcome);
        var result = await action.ExecuteAsync(Context(world), plan, default);
        var folder = result.Outputs["path"].AsText();
        Assert.Equal(new FileInfo(world.Database).Length + 3, result.Outputs["bytes"].AsInt());
        Assert.Equal(await File.ReadAllBytesAsync(world.Database), await File.ReadAllBytesAsync(Path.Combine(folder, "app.db")));
        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead, File.GetUnixFileMode(Path.Combine(folder, "app.db")));
        using var manifest = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(folder, "manifest.json")));
        var digest = Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(await File.ReadAllBytesAsync(world.Database))).ToLowerInvariant();
        Assert.Equal(digest, manifest.RootElement[0].GetProperty("sha256").GetString());
        Assert.Equal(ReconcileOutcome.Done, (await action.ReconcileAsync(Context(world), plan, default)).Outcome);
        File.Delete(Path.Combine(folder, "app.db-wal"));
        Assert.Equal(ReconcileOutcome.Unknown, (await action.ReconcileAsync(Context(world), plan, default)).Outcome);
    }

    [Fact]
    public async Task A_cancelled_copy_leaves_nothing()
    {
        using var world = new World();
        var action = ActionCatalogue.Standard().Get("snapshot-evidence");
        var context = Context(world);
        var plan = await action.PlanAsync(context, Options(action), default);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => action.ExecuteAsync(context, plan, new CancellationToken(canceled: true)));
        Assert.Empty(Directory.GetFileSystemEntries(context.IncidentFolder));
    }

    [Fact]
    public async Task A_backup_that_was_cut_off_before_its_test_is_tested_and_not_taken_again()
    {
        using var world = new World();
        var action = ActionCatalogue.Standard().Get("backup");
        var plan = await action.PlanAsync(Context(world), Options(action), default);
        world.AddBackup("x\n", proved: false);
        Assert.Equal(ReconcileOutcome.NotDone, (await action.ReconcileAsync(Context(world), plan, default)).Outcome);
        var result = await action.ExecuteAsync(Context(world), plan, default);
        Assert.True(result.Outputs["proved"].AsBool());
        Assert.Equal(["test"], world.Effects);
        Assert.Equal(ReconcileOutcome.Done, (await action.ReconcileAsync(Context(world), plan, default)).Outcome);
    }

    [Fact]
    public async Task A_repository_that_is_not_there_is_not_made_by_a_runbook()
    {
        using var world = new World();
        var context = Context(world);
        Directory.Delete(context.Repository!.Path);
        var action = ActionCatalogue.Standard().Get("backup");
        var error = await Assert.ThrowsAsync<DbRecoveryException>(() => action.PlanAsync(context, Options(action), default));
        Assert.Equal((ErrorIds.RepositoryInvalid, ErrorKind.Refused), (error.Id, error.Kind));
        Assert.Empty(world.Effects);
    }

    [Fact]
    public async Task Restore_takes_the_newest_proved_backup_and_stages_it_beside_the_database()
    {
        using var world = new World();
        world.AddBackup("newer\n", proved: false);
        var action = ActionCatalogue.Standard().Get("restore");
        var plan = await action.PlanAsync(Context(world), Options(action), default);
        var result = await action.ExecuteAsync(Context(world), plan, default);
        Assert.Equal("backup-1", result.Outputs["backupId"].AsText());
        Assert.Equal(plan.PlannedOutputs["path"], result.Outputs["path"]);
        Assert.Equal(Path.GetDirectoryName(world.Database), Path.GetDirectoryName(result.Outputs["path"].AsText()));
        Assert.Null(result.Loss!.Bytes);
        Assert.Equal(ReconcileOutcome.Done, (await action.ReconcileAsync(Context(world), plan, default)).Outcome);
        await File.WriteAllTextAsync(result.Outputs["path"].AsText(), "half");
        Assert.Equal(ReconcileOutcome.NotDone, (await action.ReconcileAsync(Context(world), plan, default)).Outcome);
    }

    [Fact]
    public async Task What_is_restored_must_keep_the_declared_row_counts()
    {
        using var world = new World();
        world.Cluster = world.Cluster with { Expects = new ExpectationSettings { Tables = new Dictionary<string, TableExpectation> { ["t"] = new(5) } } };
        var action = ActionCatalogue.Standard().Get("restore");
        var plan = await action.PlanAsync(Context(world), Options(action), default);
        Assert.Equal(ErrorIds.BackupVerifyFailed, (await Assert.ThrowsAsync<DbRecoveryException>(() => action.ExecuteAsync(Context(world), plan, default))).Id);
        Assert.False(File.Exists(plan.PlannedOutputs["path"].AsText()));
    }

    [Theory]
    [InlineData(true, false, true, ReconcileOutcome.Done)]
    [InlineData(false, true, true, ReconcileOutcome.NotDone)]
    [InlineData(false, false, true, ReconcileOutcome.Unknown)]
    public async Task A_swap_is_told_by_which_file_is_where(bool atPath, bool atNew, bool old, ReconcileOutcome expected)
    {
        using var world = new World();
        var fresh = Path.Combine(world.Folder, "data", "new.db");
        await File.WriteAllTextAsync(fresh, "a\n");
        var action = ActionCatalogue.Standard().Get("swap-file");
        var plan = await action.PlanAsync(Context(world), Options(action, ("newFile", fresh)), default);
        Assert.NotNull(plan.Loss);
        Assert.True(old);
        if (atPath)
            File.Move(fresh, world.Database, overwrite: true);
        else if (!atNew)
            File.Move(fresh, fresh + ".elsewhere");
        Assert.Equal(expected, (await action.ReconcileAsync(Context(world), plan, default)).Outcome);
    }

    [Fact]
    public async Task A_link_is_followed_so_that_the_new_file_is_on_the_file_system_of_the_old_one()
    {
        using var world = new World();
        var link = Path.Combine(world.Folder, "link.db");
        File.CreateSymbolicLink(link, world.Database);
        world.Cluster = world.Cluster with { Nodes = [new NodeDefinition { Name = "n1", Path = link }] };
        var plan = await ActionCatalogue.Standard().Get("restore").PlanAsync(Context(world), Options(ActionCatalogue.Standard().Get("restore")), default);
        Assert.Equal(Path.GetDirectoryName(world.Database), Path.GetDirectoryName(plan.PlannedOutputs["path"].AsText()));
    }

    [Theory]
    [InlineData("exit 0", 0, null)]
    [InlineData("exit 3", 3, null)]
    [InlineData("exit 3", 0, ErrorIds.StepFailed)]
    public async Task A_command_is_judged_by_its_exit_code(string script, int expected, string? error)
    {
        using var world = new World();
        var action = ActionCatalogue.Standard().Get("run-command");
        var plan = await action.PlanAsync(Context(world), Options(action, ("command", new[] { "sh", "-c", script }), ("expectExit", (long)expected)), default);
        if (error is null)
            Assert.NotNull(await action.ExecuteAsync(Context(world), plan, default));
        else
            Assert.Equal(error, (await Assert.ThrowsAsync<DbRecoveryException>(() => action.ExecuteAsync(Context(world), plan, default))).Id);
    }

    [Theory]
    [InlineData(false, false, "")]
    [InlineData(true, false, "secret")]
    [InlineData(false, true, "given")]
    public async Task A_program_gets_a_variable_with_a_secret_only_where_its_step_names_it(bool inherited, bool given, string expected)
    {
        using var world = new World();
        using var variable = new SecretVariable();
        var file = Path.Combine(world.Folder, "seen");
        var action = ActionCatalogue.Standard().Get("run-command");
        var context = Context(world) with { SecretVariables = [variable.Name] };
        var plan = await action.PlanAsync(context, Options(action, ("command", new[] { "sh", "-c", $"printf %s \"${variable.Name}\" > '{file}'" }),
            ("inherit", inherited ? [variable.Name] : Array.Empty<string>()),
            ("environment", given ? new Dictionary<string, string> { [variable.Name] = "given" } : new Dictionary<string, string>())), default);
        Assert.Equal(inherited, plan.Acts[0].Detail.EndsWith($" (with the secrets {variable.Name})", StringComparison.Ordinal));
        await action.ExecuteAsync(context, plan, default);
        Assert.Equal(expected, await File.ReadAllTextAsync(file));
    }

    [Fact]
    public async Task A_command_channel_gets_no_variable_with_a_secret()
    {
        using var world = new World();
        using var variable = new SecretVariable();
        var file = Path.Combine(world.Folder, "seen");
        var action = ActionCatalogue.Standard().Get("notify");
        var context = Context(world, new NotificationChannel { Name = "cmd", Command = ["sh", "-c", $"printf %s \"${variable.Name}\" > '{file}'"] }) with { SecretVariables = [variable.Name], Clock = new SetTime() };
        await action.ExecuteAsync(context, await action.PlanAsync(context, Options(action, ("message", "hi")), default), default);
        Assert.Equal("", await File.ReadAllTextAsync(file));
    }

    [Fact]
    public async Task A_program_past_its_deadline_is_killed_with_its_children()
    {
        using var world = new World();
        var pidFile = Path.Combine(world.Folder, "pid");
        var request = new ProcessRequest { Command = ["sh", "-c", $"sleep 600 & echo $! > {pidFile}.tmp; mv {pidFile}.tmp {pidFile}; wait"], Timeout = TimeSpan.FromMinutes(1) };
        var time = new SetTime();
        var run = ProcessRunner.RunAsync(request, time, default);
        await Wait.UntilAsync(() => File.Exists(pidFile), "the child");
        time.Advance(request.Timeout);
        Assert.Equal(ErrorIds.TimedOut, (await Assert.ThrowsAsync<DbRecoveryException>(() => run)).Id);
        var child = (await File.ReadAllTextAsync(pidFile)).Trim();
        await Wait.UntilAsync(() => !IsRunning(child), "the child's end");
    }

    [Fact]
    public async Task Output_is_bounded_and_input_that_nobody_reads_does_no_harm()
    {
        var outcome = await ProcessRunner.RunAsync(new ProcessRequest
        {
            Command = ["sh", "-c", "head -c 1000000 /dev/zero | tr '\\0' x"], Input = new string('y', 1_000_000), Timeout = Wait.Limit, OutputLimit = 1000,
        }, TimeProvider.System, default);
        Assert.Equal((0, 1000), (outcome.ExitCode, outcome.Output.Length));
    }

    [Fact]
    public async Task A_program_that_is_not_there_is_an_ordinary_error() =>
        Assert.Equal(ErrorIds.StepFailed, (await Assert.ThrowsAsync<DbRecoveryException>(() =>
            ProcessRunner.RunAsync(new ProcessRequest { Command = ["/no/such/program"], Timeout = TimeSpan.FromSeconds(1) }, TimeProvider.System, default))).Id);

    [Theory]
    [InlineData(HttpStatusCode.OK, true)]
    [InlineData(HttpStatusCode.Found, false)]
    [InlineData(HttpStatusCode.InternalServerError, false)]
    public async Task A_webhook_gets_json_with_secret_headers_that_no_text_repeats(HttpStatusCode status, bool told)
    {
        using var world = new World();
        using var handler = new Recorder(status);
        var action = ActionCatalogue.Standard(handler).Get("notify");
        var channel = new NotificationChannel
        {
            Name = "ops", Webhook = new Uri("https://hooks.example/secret-path"),
            Headers = new Dictionary<string, SecretReference> { ["X-Key"] = new(SecretSource.Env, "KEY") },
        };
        var context = Context(world, channel);
        var plan = await action.PlanAsync(context, Options(action, ("message", "hello")), default);
        string text;
        if (told)
        {
            text = (await action.ExecuteAsync(context, plan, default)).Summary;
        }
        else
        {
            var error = await Assert.ThrowsAsync<DbRecoveryException>(() => action.ExecuteAsync(context, plan, default));
            Assert.Equal(ErrorIds.StepFailed, error.Id);
            text = error.ToString();
        }
        Assert.Equal("canary-KEY", handler.Key);
        Assert.Equal("hello", JsonDocument.Parse(handler.Body!).RootElement.GetProperty("message").GetString());
        Assert.DoesNotContain("canary", text + plan.State, StringComparison.Ordinal);
        Assert.DoesNotContain("secret-path", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_command_channel_reads_the_message_from_its_input()
    {
        using var world = new World();
        var file = Path.Combine(world.Folder, "message");
        var action = ActionCatalogue.Standard().Get("notify");
        var context = Context(world, new NotificationChannel { Name = "cmd", Command = ["sh", "-c", $"cat > {file}"] }) with { Clock = new SetTime() };
        var plan = await action.PlanAsync(context, Options(action, ("channel", "cmd"), ("message", "hi")), default);
        await action.ExecuteAsync(context, plan, default);
        Assert.Contains("\"message\":\"hi\"", await File.ReadAllTextAsync(file), StringComparison.Ordinal);
    }

    [Fact]
    public async Task PowerShell_where_there_is_none_says_so()
    {
        using var world = new World();
        var action = ActionCatalogue.Standard().Get("run-powershell");
        Assert.Equal(ErrorIds.CapabilityMissing, (await Assert.ThrowsAsync<DbRecoveryException>(() => action.PlanAsync(Context(world), Options(action, ("script", "1")), default))).Id);
    }

    public static TheoryData<bool, bool, bool, long?, bool> Losses => new()
    {
        // proved, counted, complete -> bytes, whether a moment is named
        { true, true, true, 0, false },
        { false, true, true, null, true },
        { false, true, false, null, true },
        { false, false, false, null, true },
    };

    [Theory]
    [MemberData(nameof(Losses))]
    public void A_loss_is_zero_only_where_it_is_proved(bool proved, bool counted, bool complete, long? bytes, bool since)
    {
        var loss = LossCalculator.ForRestore(DateTimeOffset.UnixEpoch, proved, counted ? [new TableCount("t", 10, complete)] : null, new Dictionary<string, long> { ["t"] = 8 });
        Assert.Equal(bytes, loss.Bytes);
        Assert.Equal(since, loss.Since is not null);
        var table = Assert.Single(loss.Tables);
        Assert.Equal(counted ? 10 : null, table.RowsReadable);
        Assert.Equal(counted && complete, table.Note is null);
    }

    private static bool IsRunning(string pid)
    {
        try
        {
            return !File.ReadAllText($"/proc/{pid}/stat").Contains(") Z ", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            // it ended, even between the opening and the reading
            return false;
        }
    }

    /// <summary>A variable of this process that no other test knows.</summary>
    private sealed class SecretVariable : IDisposable
    {
        public SecretVariable() => Environment.SetEnvironmentVariable(Name, "secret");

        public string Name { get; } = $"DBRECOVERY_TEST_{Guid.NewGuid():N}";

        public void Dispose() => Environment.SetEnvironmentVariable(Name, null);
    }

    private sealed class Recorder(HttpStatusCode status) : HttpMessageHandler
    {
        public string? Body { get; private set; }
        public string? Key { get; private set; }

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Body = await request.Content!.ReadAsStringAsync(cancellationToken);
            Key = request.Headers.GetValues("X-Key").Single();
            return new HttpResponseMessage(status);
        }
    }
}
