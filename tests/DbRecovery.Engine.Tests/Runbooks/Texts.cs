using System.Reflection;
using DbRecovery.Engine.Actions;
using DbRecovery.Engine.Faults;
using DbRecovery.Engine.Runbooks;

namespace DbRecovery.Engine.Tests.Runbooks;

/// <summary>Valid files to break, the real catalogues to judge them by, and places marked with « in a text.</summary>
internal static class Texts
{
    public const string Runbook = """
        runbook: base
        description: A base.
        version: 1.0.0
        match: { engines: [sqlite], faults: [sqlite.corrupt] }
        guards:
          - { fact: backup.provedCount, atLeast: 1 }
        limits: { cooldown: 1h, perDay: 3, maxDataLoss: 0B, totalTimeout: 1h }
        approval: { when: { fact: plan.lossBytes, above: 0B }, expires: 15m }
        parameters:
          patience: { type: duration, default: 10s }
        steps:
          - id: evidence
            action: snapshot-evidence
            when: { fact: fault.damage, is: data }
          - id: restore
            action: restore
          - id: swap
            action: swap-file
            with: { newFile: "${steps.restore.path}", lockTimeout: "${parameters.patience}" }
            timeout: 2m
            onFailure: stop
            retry: { attempts: 3, delay: 1s, backoff: none }
        verify:
          - { check: fault-gone, level: quick, within: 10s, holds: 1s }
          - { check: fact, condition: { fact: disk.free, above: 1GB } }
        escalate:
          - { action: notify, with: { message: "${node.path}" } }
        """;

    public static IReadOnlyList<FactDefinition> Facts { get; } =
        [.. new[] { typeof(CommonFacts), typeof(ReplicationFacts), typeof(SqliteFacts), typeof(PostgreSqlFacts) }
            .SelectMany(t => t.GetFields(BindingFlags.Public | BindingFlags.Static)).Select(f => f.GetValue(null)).OfType<FactDefinition>()];

    public static LintContext Context { get; } = new()
    {
        Actions = ActionCatalogue.Standard().Descriptors,
        Facts = Facts,
        Faults = FaultCatalogue.Classes,
        Engines = ["sqlite", "postgresql"],
        HasCapability = (_, _) => true,
    };

    public static string Root { get; } = FindRoot();

    public static IReadOnlyList<string> Shipped { get; } = RunbookLibrary.Files(Path.Combine(Root, "runbooks"));

    /// <summary>Replaces one piece of a text; it must be there exactly once.</summary>
    public static string Edit(string text, string old, string with)
    {
        Assert.Equal(2, text.Split(old).Length);
        return text.Replace(old, with, StringComparison.Ordinal);
    }

    /// <summary>Takes the mark out of a text and says where it was.</summary>
    public static (string Text, int Line, int Column) Marked(string text)
    {
        var at = text.IndexOf('«');
        Assert.True(at >= 0, "the row has no mark");
        return (text.Remove(at, 1), text[..at].Count(c => c == '\n') + 1, at - text.LastIndexOf('\n', at));
    }

    public static (string Rule, int Line, int Column)[] Places(IEnumerable<LintFinding> findings) => [.. findings.Select(f => (f.Rule, f.Line, f.Column))];

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "DbRecovery.sln")))
                return folder.FullName;
        }
        throw new InvalidOperationException("the tests must run inside the checkout");
    }
}
