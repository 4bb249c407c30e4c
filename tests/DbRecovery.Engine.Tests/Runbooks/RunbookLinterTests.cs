using DbRecovery.Engine.Runbooks;

namespace DbRecovery.Engine.Tests.Runbooks;

/// <summary>One edit of a valid runbook, one finding, at the marked place.</summary>
public sealed class RunbookLinterTests
{
    [Fact]
    public void The_base_is_clean() => Assert.Empty(RunbookLinter.Lint("base.yml", Texts.Runbook, Texts.Context).Result.Findings);

    [Theory]
    [InlineData("description: A base.", "description: A base.\n«colour: red", "unknown-key")]
    [InlineData("runbook: base", "runbook: «Base Line", "name")]
    [InlineData("version: 1.0.0", "version: «1.0", "version")]
    [InlineData("version: 1.0.0", "«version:", "missing-value")]
    [InlineData("runbook: base\ndescription: A base.", "«runbook: base", "missing-key")]
    [InlineData("description: A base.", "description: «[a]", "wrong-type")]
    [InlineData("description: A base.", "description: A.\n«description: B.", "duplicate-key")]
    [InlineData("engines: [sqlite]", "engines: [sqlite, «sqlight]", "unknown-engine")]
    [InlineData("faults: [sqlite.corrupt]", "faults: [sqlite.corrupt, «sqlite.corupt]", "unknown-fault")]
    [InlineData("faults: [sqlite.corrupt]", "faults: [sqlite.corrupt, «sqlite.*]", "unknown-fault")]
    [InlineData("match: { engines: [sqlite]", "match: «{ engines: []", "match")]
    [InlineData("faults: [sqlite.corrupt]", "faults: «sqlite.corrupt", "wrong-type")]
    [InlineData("faults: [sqlite.corrupt]", "faults: [sqlite.corrupt, «[a]]", "wrong-type")]
    [InlineData("{ fact: backup.provedCount, atLeast: 1 }", "«{ fact: backup.proofCount, atLeast: 1 }", "unknown-fact")]
    [InlineData("{ fact: backup.provedCount, atLeast: 1 }", "«{ fact: backup.provedCount }", "condition")]
    [InlineData("{ fact: backup.provedCount, atLeast: 1 }", "«{ fact: backup.provedCount, atLeast: 1, below: 3 }", "condition")]
    [InlineData("{ fact: backup.provedCount, atLeast: 1 }", "{ fact: backup.provedCount, atLeast: «many }", "wrong-value")]
    [InlineData("{ fact: backup.provedCount, atLeast: 1 }", "«{ fact: backup.provedId, atLeast: 1 }", "wrong-type")]
    [InlineData("{ fact: backup.provedCount, atLeast: 1 }", "«{ fact: sqlite.lockHolders, is: x }", "wrong-type")]
    [InlineData("{ fact: backup.provedCount, atLeast: 1 }", "{ fact: backup.provedCount, in: «1 }", "wrong-type")]
    [InlineData("{ fact: backup.provedCount, atLeast: 1 }", "{ fact: backup.provedCount, in: «[] }", "unreachable")]
    [InlineData("{ fact: backup.provedCount, atLeast: 1 }", "{ fact: backup.provedCount, atLeast: «\"${limits.maxLoss}\" }", "unknown-look-up")]
    [InlineData("{ fact: backup.provedCount, atLeast: 1 }", "{ fact: backup.provedCount, atLeast: «\"${node.path}\" }", "wrong-type")]
    [InlineData("{ fact: backup.provedCount, atLeast: 1 }", "{ fact: backup.provedCount, atLeast: «[1] }", "wrong-type")]
    [InlineData("{ fact: backup.provedCount, atLeast: 1 }", "{ «any: [] }", "condition")]
    [InlineData("{ fact: backup.provedCount, atLeast: 1 }", "{ all: [{ «all: [] }] }", "condition")]
    [InlineData("{ fact: backup.provedCount, atLeast: 1 }", "«{ any: [{ fact: disk.free, above: 1 }], all: [{ fact: disk.free, above: 1 }] }", "condition")]
    [InlineData("{ fact: backup.provedCount, atLeast: 1 }", "«{ }", "condition")]
    [InlineData("{ fact: backup.provedCount, atLeast: 1 }", "{ not: «{ } }", "condition")]
    [InlineData("{ fact: backup.provedCount, atLeast: 1 }", "«disk.free", "wrong-type")]
    [InlineData("cooldown: 1h", "cooldown: «1 hour", "wrong-value")]
    [InlineData("perDay: 3", "perDay: «0", "wrong-value")]
    [InlineData("maxDataLoss: 0B", "maxDataLoss: «none", "wrong-value")]
    [InlineData("maxDataLoss: 0B", "maxDataLoss: «\"${cluster.policy.maxLoss}\"", "unknown-look-up")]
    [InlineData("maxDataLoss: 0B", "maxDataLoss: «\"${node.path}\"", "wrong-type")]
    [InlineData("message: \"${node.path}\"", "message: «\"${1 + 1}\"", "look-up")]
    [InlineData("guards:\n  - { fact: backup.provedCount, atLeast: 1 }\n", "guards: []\n", "destructive-without-guard", "  - id: swap", "  - «id: swap")]
    [InlineData("when: { fact: plan.lossBytes, above: 0B }", "when: «{ all: [{ fact: plan.lossBytes, above: 1MB }, { fact: plan.lossBytes, below: 1kB }] }", "unreachable")]
    [InlineData("expires: 15m", "expires: «soon", "wrong-value")]
    [InlineData("patience: { type: duration", "«2patience: { type: duration", "name", "\"${parameters.patience}\"", "1s")]
    [InlineData("type: duration, default: 10s", "type: «time, default: 10s", "wrong-value", "\"${parameters.patience}\"", "1s")]
    [InlineData("patience: { type: duration, default: 10s }", "«patience: { type: duration, default: often }", "wrong-value")]
    [InlineData("patience: { type: duration, default: 10s }", "patience: «{ type: enum }", "missing-key", "\"${parameters.patience}\"", "1s")]
    [InlineData("patience: { type: duration, default: 10s }", "patience: { «type: , default: 10s }", "missing-value", "\"${parameters.patience}\"", "1s")]
    [InlineData("patience: { type: duration, default: 10s }", "patience: { type: «[a], default: 10s }", "wrong-type", "\"${parameters.patience}\"", "1s")]
    [InlineData("  - id: evidence\n    action: snapshot-evidence", "  - «id: evidence\n    action: snapshot", "unknown-action")]
    [InlineData("  - id: evidence\n    action", "  - «action", "missing-key")]
    [InlineData("- id: evidence", "- id: «1", "name")]
    [InlineData("- id: evidence\n    action: snapshot-evidence\n    when: { fact: fault.damage, is: data }\n  - id: restore", "- id: restore\n    action: snapshot-evidence\n  - id: «restore", "duplicate-step")]
    [InlineData("is: data }", "is: data }\n    «colour: red", "unknown-key")]
    [InlineData("newFile: \"${steps.restore.path}\"", "newFile: «\"${steps.swap.keptPath}\"", "unknown-look-up")]
    [InlineData("newFile: \"${steps.restore.path}\"", "newFile: «\"${steps.restore.file}\"", "unknown-look-up")]
    [InlineData("newFile: \"${steps.restore.path}\"", "newFile: «[a]", "wrong-type")]
    [InlineData("newFile: \"${steps.restore.path}\"", "newFile: «", "missing-value")]
    [InlineData("newFile: \"${steps.restore.path}\"", "newFile: \"${steps.restore.path}\", oldFile: «x", "unknown-parameter")]
    [InlineData("  - id: swap\n    action: swap-file\n    with: { newFile: \"${steps.restore.path}\",", "  - «id: swap\n    action: swap-file\n    with: {", "missing-parameter")]
    [InlineData("lockTimeout: \"${parameters.patience}\"", "lockTimeout: «\"${parameters.patience} or so\"", "wrong-type")]
    [InlineData("lockTimeout: \"${parameters.patience}\"", "lockTimeout: «true", "wrong-value")]
    [InlineData("timeout: 2m", "timeout: «2 m", "wrong-value")]
    [InlineData("onFailure: stop", "onFailure: «halt", "wrong-value")]
    [InlineData("attempts: 3", "attempts: «21", "wrong-value")]
    [InlineData("backoff: none", "backoff: «linear", "wrong-value")]
    [InlineData("  - id: evidence\n    action: snapshot-evidence\n    when: { fact: fault.damage, is: data }", "  - «id: evidence\n    action: snapshot-evidence\n    when: { all: [{ fact: fault.damage, is: data }, { fact: fault.damage, is: index }] }", "unreachable")]
    [InlineData("  - id: evidence\n    action: snapshot-evidence\n    when: { fact: fault.damage, is: data }", "  - «id: evidence\n    action: snapshot-evidence\n    when: { fact: fault.id, is: sqlite.busy }", "unreachable")]
    [InlineData("{ check: fault-gone,", "«{ check: fault-away,", "unknown-check")]
    [InlineData("level: quick", "level: «fast", "wrong-value")]
    [InlineData("level: quick", "speed: «fast", "unknown-parameter")]
    [InlineData("{ check: fault-gone, level: quick, within: 10s", "«{ check: fault-gone, level: quick, within: 25h", "wrong-value")]
    [InlineData("{ check: fact, condition: { fact: disk.free, above: 1GB } }", "«{ check: fact }", "missing-parameter")]
    [InlineData("condition: { fact: disk.free, above: 1GB }", "condition: «{ fact: disk.fre, above: 1GB }", "unknown-fact")]
    [InlineData("condition: { fact: disk.free, above: 1GB }", "condition: «{ fact: disk.free }", "condition")]
    [InlineData("{ action: notify, with", "«{ action: shout, with", "unknown-action")]
    [InlineData("message: \"${node.path}\"", "message: «\"look at ${node.paths}\"", "unknown-look-up")]
    [InlineData("guards:\n  - { fact: backup.provedCount, atLeast: 1 }\n", "", "destructive-without-guard", "  - id: swap", "  - «id: swap")]
    [InlineData(", maxDataLoss: 0B", "", "destructive-without-limit", "  - id: swap", "  - «id: swap")]
    [InlineData("{ action: notify, with: { message: \"${node.path}\" } }", "«{ action: run-sql, with: { sql: \"drop table t\" } }", "destructive-escalation")]
    [InlineData("timeout: 2m", "timeout: «50d", "wrong-value")]
    [InlineData("totalTimeout: 1h", "totalTimeout: «50d", "wrong-value")]
    [InlineData("lockTimeout: \"${parameters.patience}\"", "lockTimeout: «1200h", "wrong-value")]
    [InlineData("is: data }", "is: data }\n  - { id: run, action: run-command, with: { command: [sh, -c, «\"echo ${HOME}\"] } }", "unknown-look-up")]
    [InlineData("is: data }", "is: data }\n  - { id: run, action: run-command, with: { command: [sh, -c, «\"echo ${HOME:-x}\"] } }", "look-up")]
    [InlineData("    action: restore\n", "    action: restore\n    when: { fact: fault.damage, is: data }\n", "conditional-output", "{ newFile: ", "{ newFile: «")]
    [InlineData("    action: restore\n", "    action: restore\n    when: { all: [{ fact: fault.damage, is: data }, { fact: disk.free, above: 1GB }] }\n", "conditional-output", "action: swap-file\n    with: { newFile: ", "action: swap-file\n    when: { fact: fault.damage, is: data }\n    with: { newFile: «")]
    [InlineData("message: \"${node.path}\"", "message: «\"look at ${steps.restore.path}\"", "conditional-output")]
    [InlineData("faults: [sqlite.corrupt] }", "faults: [sqlite.corrupt], when: «{ all: [{ fact: fault.damage, is: data }, { not: { fact: fault.damage, in: [data, index] } }] } }", "unreachable", "    when: { fact: fault.damage, is: data }\n", "")]
    [InlineData("{ fact: backup.provedCount, atLeast: 1 }", "{ fact: backup.provedCount, atLeast: 1 }\n  - «{ fact: backup.provedCount, below: 1 }", "unreachable")]
    [InlineData("{ fact: backup.provedCount, atLeast: 1 }", "{ fact: backup.provedCount, above: 1 }\n  - «{ fact: backup.provedCount, below: 2 }", "unreachable")]
    [InlineData("{ fact: backup.provedCount, atLeast: 1 }", "{ fact: backup.provedCount, atLeast: 3 }\n  - «{ fact: backup.provedCount, is: 2 }", "unreachable")]
    [InlineData("{ fact: backup.provedCount, atLeast: 1 }", "{ fact: backup.configured, is: true }\n  - «{ not: { fact: backup.configured, is: true } }", "unreachable")]
    [InlineData("{ fact: backup.provedCount, atLeast: 1 }", "{ fact: backup.provedCount, atLeast: 1 }\n  - «{ not: { any: [{ fact: backup.provedCount, above: 0 }, { fact: disk.free, above: 1GB }] } }", "unreachable")]
    [InlineData("{ fact: backup.provedCount, atLeast: 1 }", "«{ fact: fault.id, is: sqlite.busy }", "unreachable")]
    [InlineData("  - id: swap\n    action: swap-file\n", "  - «id: swap\n    action: swap-file\n    when: { fact: backup.provedCount, is: 0 }\n", "unreachable")]
    [InlineData("condition: { fact: disk.free, above: 1GB }", "condition: «{ all: [{ fact: disk.free, above: 1GB }, { fact: disk.free, below: 1MB }] }", "unreachable")]
    [InlineData("cooldown: 1h, perDay: 3, ", "", "no-limit", "runbook: base", "«runbook: base")]
    [InlineData("verify:\n  - { check: fault-gone, level: quick, within: 10s, holds: 1s }\n  - { check: fact, condition: { fact: disk.free, above: 1GB } }\n", "", "missing-verification", "runbook: base", "«runbook: base")]
    public void One_edit_one_finding(string old, string with, string rule, string? old2 = null, string? with2 = null)
    {
        var edited = Texts.Edit(Texts.Runbook, old, with);
        if (old2 is not null)
            edited = Texts.Edit(edited, old2, with2!);
        var (text, line, column) = Texts.Marked(edited);
        var (runbook, result) = RunbookLinter.Lint("base.yml", text, Texts.Context);
        Assert.Equal([(rule, line, column)], Texts.Places(result.Findings));
        Assert.Null(runbook);
        Assert.False(result.Valid);
    }

    [Theory]
    [InlineData("steps: []", "no-step")]
    [InlineData("steps:", "missing-value")]
    public void Steps_are_needed(string steps, string rule)
    {
        var text = Texts.Runbook[..Texts.Runbook.IndexOf("steps:", StringComparison.Ordinal)] + steps;
        var (runbook, result) = RunbookLinter.Lint("base.yml", text, Texts.Context);
        Assert.Null(runbook);
        Assert.Equal([(rule, 11, 1)], Texts.Places(result.Findings));
        Assert.Equal("base", result.Name);
    }

    [Theory]
    [InlineData("{ fact: backup.provedCount, atLeast: 1 }", "{ fact: disk.free, is: 1GB }\n  - { fact: disk.free, is: 1000000000 }")]
    [InlineData("{ fact: backup.provedCount, atLeast: 1 }", "{ fact: backup.provedCount, atLeast: 1 }\n  - { fact: backup.provedCount, below: 2 }")]
    [InlineData("{ fact: backup.provedCount, atLeast: 1 }", "{ fact: backup.age, is: 60s }\n  - { fact: backup.age, is: 1m }")]
    [InlineData("{ fact: backup.provedCount, atLeast: 1 }", "{ any: [{ fact: backup.configured, is: true }, { fact: backup.count, above: 0 }] }\n  - { fact: backup.configured, is: false }")]
    [InlineData("{ fact: backup.provedCount, atLeast: 1 }", "{ not: { all: [{ fact: backup.configured, is: true }, { fact: backup.count, above: 0 }] } }\n  - { fact: backup.configured, is: true }")]
    [InlineData("    action: restore\n", "    action: restore\n    when: { fact: disk.free, above: 1GB }\n", "    action: swap-file\n", "    action: swap-file\n    when: { all: [{ fact: backup.configured, is: true }, { fact: disk.free, above: 1GB }] }\n")]
    [InlineData("    action: restore\n", "    action: restore\n    when: { fact: disk.free, above: 1GB }\n", "    action: swap-file\n", "    action: swap-file\n    when: { not: { fact: steps.restore.path, is: x } }\n")]
    [InlineData("    action: restore\n", "    action: restore\n    when: { fact: disk.free, above: 1GB }\n", "    action: swap-file\n", "    action: swap-file\n    when: { fact: steps.restore.backupId, is: x }\n")]
    [InlineData("timeout: 2m", "timeout: 49d")]
    [InlineData("cooldown: 1h", "cooldown: 60d")]
    [InlineData("is: data }", "is: data }\n  - { id: run, action: run-command, with: { command: [sh, -c, \"echo $${HOME} $HOME ${node.path}\"] } }")]
    public void What_can_be_is_no_finding(string old, string with, string? old2 = null, string? with2 = null)
    {
        var edited = Texts.Edit(Texts.Runbook, old, with);
        if (old2 is not null)
            edited = Texts.Edit(edited, old2, with2!);
        Assert.Empty(RunbookLinter.Lint("base.yml", edited, Texts.Context).Result.Findings);
    }

    [Theory]
    [InlineData("sh -c $${HOME}", "sh -c ${HOME}")]
    [InlineData("$${a}$${b}", "${a}${b}")]
    [InlineData("$$", "$$")]
    [InlineData("$${HOME} of ${node.path}", null)]
    public void Two_dollars_are_the_text_itself(string written, string? literal)
    {
        var runbook = RunbookLinter.Lint("base.yml", Texts.Edit(Texts.Runbook, "message: \"${node.path}\"", $"message: \"{written}\""), Texts.Context).Runbook!;
        var value = runbook.Escalate[0].With["message"];
        if (literal is not null)
            Assert.Equal(literal, Assert.IsType<LiteralValue>(value).Text);
        else
            Assert.Equal(["${HOME} of ", "node.path"], Assert.IsType<TextValue>(value).Parts.Select(p => p is LookupValue look ? look.Path : ((LiteralValue)p).Text));
    }

    [Fact]
    public void A_fault_of_another_engine_is_unreachable()
    {
        var context = Texts.Context with { Engines = ["sqlite", "postgresql"] };
        var (text, line, column) = Texts.Marked(Texts.Edit(Texts.Runbook, "[sqlite], faults: [", "[postgresql], faults: [«"));
        Assert.Contains(("unreachable", line, column), Texts.Places(RunbookLinter.Lint("x.yml", text, context).Result.Findings));
    }

    [Fact]
    public void An_engine_without_the_capability_is_named_at_the_step()
    {
        var context = Texts.Context with { HasCapability = (_, _) => false };
        var result = RunbookLinter.Lint("x.yml", Texts.Runbook, context).Result;
        var swap = Array.FindIndex(Texts.Runbook.Split('\n'), l => l.Contains("id: swap", StringComparison.Ordinal)) + 1;
        Assert.Contains(("capability", swap, 5), Texts.Places(result.Findings));
        Assert.All(result.Findings, f => Assert.Equal("capability", f.Rule));
    }

    [Theory]
    [InlineData(false, 1)]
    [InlineData(true, 0)]
    public void PowerShell_is_a_warning_where_it_is_not(bool at, int findings)
    {
        var text = Texts.Edit(Texts.Runbook, "action: snapshot-evidence", "action: run-powershell\n    with: { script: Get-Date }");
        var (runbook, result) = RunbookLinter.Lint("x.yml", text, Texts.Context with { PowerShell = at });
        Assert.NotNull(runbook);
        Assert.Equal(findings, result.Findings.Count(f => f is { Rule: "powershell", Severity: LintSeverity.Warning }));
        Assert.Equal(findings, result.Findings.Count);
    }

    [Fact]
    public void Many_warnings_do_not_hide_an_error()
    {
        var step = string.Concat(Enumerable.Range(0, 150).Select(i => $"  - {{ id: p{i}, action: run-powershell, with: {{ script: x }} }}\n"));
        var text = Texts.Edit(Texts.Runbook, "verify:\n", step + "verify:\n  - { check: nonsense }\n");
        var (runbook, result) = RunbookLinter.Lint("x.yml", text, Texts.Context);
        Assert.Null(runbook);
        Assert.Contains(result.Findings, f => f.Rule == "unknown-check");
    }

    [Fact]
    public void Custom_faults_have_their_details_without_an_inventory()
    {
        var text = Texts.Edit(Texts.Edit(Texts.Runbook, "[sqlite.corrupt]", "[custom.*]"), "fault.damage", "fault.value");
        Assert.Empty(RunbookLinter.Lint("x.yml", text, Texts.Context).Result.Findings);
    }

    [Fact]
    public void Conditions_nest_sixteen_deep_and_no_deeper()
    {
        string At(int depth) => Texts.Edit(Texts.Runbook, "{ fact: backup.provedCount, atLeast: 1 }",
            string.Concat(Enumerable.Repeat("{ not: ", depth)) + "{ fact: backup.provedCount, atLeast: 1 }" + string.Concat(Enumerable.Repeat(" }", depth)));
        Assert.Empty(RunbookLinter.Lint("x.yml", At(16), Texts.Context).Result.Findings);
        Assert.Equal("too-deep", Assert.Single(RunbookLinter.Lint("x.yml", At(17), Texts.Context).Result.Findings).Rule);
    }
}
