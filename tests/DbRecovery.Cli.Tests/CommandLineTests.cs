using System.CommandLine;
using DbRecovery.Cli;
using DbRecovery.Cli.Commands;
using DbRecovery.Runtime;

namespace DbRecovery.Cli.Tests;

public sealed class CommandLineTests
{
    public static TheoryData<string> Verbs() => new(VerbPaths());

    private static IEnumerable<string> VerbPaths()
    {
        return Paths(CommandTree.Build(new AppEnvironment { Out = TextWriter.Null, Error = TextWriter.Null }), "");

        static IEnumerable<string> Paths(Command command, string prefix) => command.Subcommands.SelectMany(sub =>
        {
            var path = (prefix + " " + sub.Name).Trim();
            return Paths(sub, path).Prepend(path);
        });
    }

    [Theory]
    [InlineData("health"), InlineData("faults"), InlineData("recover"), InlineData("pause"), InlineData("resume"), InlineData("inventory lint")]
    [InlineData("runbook list"), InlineData("runbook show"), InlineData("runbook lint"), InlineData("runbook run")]
    [InlineData("incident list"), InlineData("incident show"), InlineData("incident resume"), InlineData("incident approve"), InlineData("incident acknowledge")]
    [InlineData("backup new"), InlineData("backup list"), InlineData("backup test"), InlineData("backup restore"), InlineData("backup copy"), InlineData("backup run"), InlineData("backup remove"), InlineData("report")]
    [InlineData("repository test"), InlineData("repository repair"), InlineData("repository prune"), InlineData("repository key list"), InlineData("repository key add"), InlineData("repository key remove"), InlineData("repository key rotate")]
    [InlineData("salvage"), InlineData("drill"), InlineData("drill history")]
    public void Every_operation_is_a_verb(string path) => Assert.Contains(path, VerbPaths());

    [Theory]
    [MemberData(nameof(Verbs))]
    public async Task Help_of_a_verb_is_whole_and_fits(string path)
    {
        var result = await CliRunner.RunAsync([.. path.Split(' '), "--help"]);
        Assert.Equal(ExitCodes.Done, result.Code);
        Assert.Empty(result.Error);
        var lines = result.Out.Split('\n');
        Assert.All(lines, line => Assert.True(line.Length <= 100, line));
        Assert.Contains($"Usage: dbrecovery {path}", result.Out, StringComparison.Ordinal);
        Assert.Contains("--output", result.Out, StringComparison.Ordinal);
        var root = CommandTree.Build(new AppEnvironment { Out = TextWriter.Null, Error = TextWriter.Null });
        var command = path.Split(' ').Aggregate((Command)root, (c, name) => c.Subcommands.Single(s => s.Name == name));
        Assert.All(command.Options.Concat<Symbol>(command.Arguments), s => Assert.False(string.IsNullOrWhiteSpace(s.Description), s.Name));
        Assert.Contains("Examples:", result.Out, StringComparison.Ordinal);
        Assert.All(command.Subcommands, sub => Assert.Contains($"\n  {sub.Name} ", result.Out, StringComparison.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Verbs))]
    public void Every_example_is_a_command_line_that_parses(string path)
    {
        var root = CommandTree.Build(new AppEnvironment { Out = TextWriter.Null, Error = TextWriter.Null });
        var command = path.Split(' ').Aggregate((Command)root, (c, name) => c.Subcommands.Single(s => s.Name == name));
        Assert.NotEmpty(Assert.IsType<Verb>(command).Examples);
        foreach (var example in command is Verb verb ? verb.Examples : [])
            Assert.Empty(root.Parse(System.CommandLine.Parsing.CommandLineParser.SplitCommandLine(example.Replace('\'', '"')).Skip(1).ToArray()).Errors);
    }

    [Theory]
    [InlineData("helth", "health")]
    [InlineData("fautls", "faults")]
    [InlineData("recvoer app", "recover")]
    [InlineData("backup nwe app", "new")]
    [InlineData("incident shwo latest", "show")]
    [InlineData("health --levle quick", "--level")]
    [InlineData("recover app --pln", "--plan")]
    [InlineData("recover app --inventroy x.yml", "--inventory")]
    public async Task A_wrong_word_suggests_the_near_one(string line, string near)
    {
        var result = await CliRunner.RunAsync(line.Split(' '));
        Assert.Equal(ExitCodes.Usage, result.Code);
        Assert.Empty(result.Out);
        Assert.Contains($"Did you mean '{near}'?", result.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("zzzzzz")]
    [InlineData("recover")]
    [InlineData("pause app")]
    [InlineData("health --level fast")]
    [InlineData("recover app --output xml")]
    [InlineData("backup restore")]
    [InlineData("incident show")]
    [InlineData("backup")]
    public async Task A_wrong_command_line_is_usage_and_reaches_nothing(string line)
    {
        var result = await CliRunner.RunAsync(line.Split(' '));
        Assert.Equal(ExitCodes.Usage, result.Code);
        Assert.NotEmpty(result.Error);
        Assert.Empty(result.Out);
    }

    [Theory]
    [InlineData("recover app --allow-data-loss lots")]
    [InlineData("recover app --set novalue")]
    [InlineData("recover app --set a=1 --set a=2")]
    [InlineData("recover app --plan --yes")]
    [InlineData("backup restore app --where id=1")]
    [InlineData("backup restore app --table orders --include-files")]
    [InlineData("backup restore app --table orders --files-to ./there")]
    [InlineData("failover orders --plan --yes")]
    [InlineData("failover orders --allow-data-loss lots")]
    [InlineData("rejoin orders orders-1 --allow-data-loss lots")]
    [InlineData("switchover orders --window soon")]
    [InlineData("health app --path app.db")]
    [InlineData("health app --connection host=a")]
    [InlineData("health --path app.db --connection host=a")]
    [InlineData("topology --engine sqlite")]
    [InlineData("init orders --password-env SECRET")]
    [InlineData("init orders --user me --password-env SECRET --password-file secret")]
    public async Task A_wrong_value_is_usage_and_reaches_nothing(string line)
    {
        var result = await CliRunner.RunAsync(line.Split(' '));
        Assert.Equal(ExitCodes.Usage, result.Code);
        Assert.Contains(ErrorIds.ParameterInvalid, result.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(ErrorIds.InventoryInvalid, ErrorKind.InvalidInput, 2)]
    [InlineData(ErrorIds.ClusterNotFound, ErrorKind.NotFound, 2)]
    [InlineData(ErrorIds.DatabaseNotFound, ErrorKind.NotFound, 3)]
    [InlineData(ErrorIds.RecoveryPaused, ErrorKind.Refused, 4)]
    [InlineData(ErrorIds.RecoverySuppressed, ErrorKind.Refused, 4)]
    [InlineData(ErrorIds.DatabaseBusy, ErrorKind.Busy, 3)]
    [InlineData(ErrorIds.TimedOut, ErrorKind.Timeout, 3)]
    [InlineData(ErrorIds.OutOfSpace, ErrorKind.OutOfSpace, 3)]
    [InlineData(ErrorIds.RepositoryCorrupt, ErrorKind.CorruptData, 3)]
    [InlineData(ErrorIds.EngineNotSupported, ErrorKind.NotSupported, 2)]
    [InlineData(ErrorIds.Cancelled, ErrorKind.Failed, 130)]
    public async Task An_error_gives_its_exit_code_its_text_and_what_to_do(string id, ErrorKind kind, int code)
    {
        var finding = new LintFinding { File = "a.yml", Line = 3, Column = 5, Rule = "unknown-key", Message = "no such key" };
        var result = await CliRunner.RunAsync(["health", "app"], _ => throw new DbRecoveryException(id, kind, "it is wrong", "Put it right.") { Findings = [finding] });
        Assert.Equal(code, result.Code);
        Assert.Equal([$"error {id}: it is wrong", $"  {finding}", "Put it right."], result.Error.TrimEnd().Split(Environment.NewLine));
        Assert.Empty(result.Out);
    }

    [Theory]
    [InlineData("health -- --levle")]
    public async Task After_two_dashes_a_word_is_a_name(string line)
    {
        var result = await CliRunner.RunAsync(line.Split(' '), _ => throw new DbRecoveryException(ErrorIds.ClusterNotFound, ErrorKind.NotFound, "reached"));
        Assert.Contains("reached", result.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("health", false)]
    [InlineData("backup new app", false)]
    [InlineData("drill app", false)]
    [InlineData("recover app", true)]
    [InlineData("runbook run mine app", true)]
    [InlineData("incident resume latest", true)]
    public async Task Cancelling_gives_130_and_a_recovery_says_where_to_look(string line, bool incident)
    {
        using var cancel = new CancellationTokenSource();
        await cancel.CancelAsync();
        var result = await CliRunner.RunAsync(line.Split(' '), _ => throw new OperationCanceledException(cancel.Token), cancel.Token);
        Assert.Equal(ExitCodes.Cancelled, result.Code);
        Assert.StartsWith("cancelled", result.Error, StringComparison.Ordinal);
        Assert.Equal(incident, result.Error.Contains("incident list", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_unforeseen_error_is_a_failure_and_says_that_it_is_a_defect()
    {
        var result = await CliRunner.RunAsync(["health"], _ => throw new InvalidOperationException("boom"));
        Assert.Equal(ExitCodes.Failed, result.Code);
        Assert.Contains("InvalidOperationException", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Options_reach_the_engine_as_whole_paths()
    {
        RuntimeOptions? seen = null;
        await CliRunner.RunAsync(["health", "--inventory", "a.yml", "--state", "s"], options =>
        {
            seen = options;
            throw new DbRecoveryException(ErrorIds.InventoryNotFound, ErrorKind.NotFound, "none");
        });
        Assert.Equal(Path.GetFullPath("a.yml"), seen?.InventoryPath);
        Assert.Equal(Path.GetFullPath("s"), seen?.StateFolder);
    }

    [Theory]
    [InlineData(IncidentState.Resolved, 0)]
    [InlineData(IncidentState.Probation, 0)]
    [InlineData(IncidentState.Suppressed, 4)]
    [InlineData(IncidentState.AwaitingApproval, 4)]
    [InlineData(IncidentState.AmbiguousHalt, 3)]
    [InlineData(IncidentState.Failed, 3)]
    [InlineData(IncidentState.Executing, 3)]
    public void An_incidents_state_gives_the_exit_code(IncidentState state, int code) => Assert.Equal(code, ExitCodes.Of(state));

    [Theory]
    [InlineData("health", "health", 0)]
    [InlineData("helth", "health", 1)]
    [InlineData("nwe", "new", 1)]
    [InlineData("", "abc", 3)]
    public void Distance_counts_letters(string a, string b, int distance) => Assert.Equal(distance, Usage.Distance(a, b));
}
