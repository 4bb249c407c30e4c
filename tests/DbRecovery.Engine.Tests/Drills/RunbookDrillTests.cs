using DbRecovery.Engine.Runbooks;
using DbRecovery.Engine.Tests.Runbooks;

namespace DbRecovery.Engine.Tests.Drills;

public sealed class RunbookDrillTests
{
    private static readonly LintContext Context = Texts.Context with
    {
        DamagesOf = _ => [new("data-page", "", "sqlite.corrupt", null), new("header", "", "sqlite.corrupt", null), new("locked", "", "sqlite.busy", null)],
    };

    [Fact]
    public void What_a_runbook_promises_is_read()
    {
        var one = Lint("drill: { inject: data-page, expect: { rto: 2s, lost: 0 } }").Runbook!.Drill!;
        Assert.Equal(["data-page"], one.Inject);
        Assert.Equal((TimeSpan.FromSeconds(2), 0L), (one.Rto, one.Lost));
        var more = Lint("drill: { inject: [data-page, header] }").Runbook!.Drill!;
        Assert.Equal(["data-page", "header"], more.Inject);
        Assert.Equal((null, null), (more.Rto, more.Lost));
        Assert.Null(Lint("").Runbook!.Drill);
    }

    [Theory]
    [InlineData("drill: { inject: «data-pages }", "unknown-damage")]
    [InlineData("drill: { inject: [data-page, «lock] }", "unknown-damage")]
    [InlineData("drill: { inject: «locked }", "unreachable")]
    [InlineData("drill: «{ expect: { lost: 0 } }", "missing-key")]
    [InlineData("drill: { «inject: [] }", "drill")]
    [InlineData("drill: { inject: «{ a: b } }", "wrong-type")]
    [InlineData("drill: { inject: header, «expects: { lost: 0 } }", "unknown-key")]
    [InlineData("drill: { inject: header, expect: { «rpo: 0s } }", "unknown-key")]
    [InlineData("drill: { inject: header, expect: { rto: «2 } }", "wrong-value")]
    [InlineData("drill: { inject: header, expect: { lost: «-1 } }", "wrong-value")]
    [InlineData("drill: «header", "wrong-type")]
    public void A_mistake_is_found_where_it_stands(string drill, string rule)
    {
        var (text, line, column) = Texts.Marked(Texts.Runbook + "\n" + drill);
        Assert.Equal([(rule, line, column)], Texts.Places(RunbookLinter.Lint("r.yml", text, Context).Result.Findings));
    }

    [Fact]
    public void Where_damages_are_not_known_their_names_are_not_judged() =>
        Assert.Empty(RunbookLinter.Lint("r.yml", Texts.Runbook + "\ndrill: { inject: anything }", Texts.Context).Result.Findings);

    private static (Runbook? Runbook, LintResult Result) Lint(string drill) => RunbookLinter.Lint("r.yml", Texts.Runbook + "\n" + drill, Context);
}
