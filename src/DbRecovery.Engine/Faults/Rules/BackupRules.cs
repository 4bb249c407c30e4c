using DbRecovery.Engine.Health;

namespace DbRecovery.Engine.Faults.Rules;

/// <summary>A rule about the cluster's backups. It says nothing where none are configured or the repository cannot be read.</summary>
internal abstract class BackupRule : FaultRule
{
    public sealed override IEnumerable<Fault> Judge(ClusterView view) =>
        view is { Cluster.Backups: { } settings, Backups: { Unreadable: null } known } && Judge(view, settings, known) is { } fault ? [fault] : [];

    protected abstract Fault? Judge(ClusterView view, BackupSettings settings, BackupKnowledge known);

    // a clock that was set back makes a backup lie in the future: it is as fresh as can be
    protected static TimeSpan Age(ClusterView view, DateTimeOffset at) => view.At > at ? view.At - at : TimeSpan.Zero;

    protected static Evidence Evidence(ClusterView view, FactDefinition fact, FactValue? value, string threshold, string shows, bool stable) => new()
    {
        Fact = fact.Name, Value = value, Threshold = threshold, Node = view.Cluster.Name, At = view.At, Shows = shows, Stable = stable,
    };
}

/// <summary>No backup, or none that is fresh enough.</summary>
internal sealed class BackupStaleRule : BackupRule
{
    public override FaultClass Class { get; } = new("backup.stale", FaultSeverity.Degraded, [], "the newest complete backup is older than the policy allows, or there is none",
        [new("age", FactType.Number, "s", "its age; unknown where there is none")]);

    protected override Fault? Judge(ClusterView view, BackupSettings settings, BackupKnowledge known)
    {
        if (known.MissingPath is { } path)
            return Make(view, null, FaultConfidence.Possible, $"the repository '{known.Repository}' does not exist at '{path}': its disk is not mounted, or no backup was ever taken",
                [Evidence(view, CommonFacts.BackupCount, null, "at least 1", "complete backups: unknown without the folder", true)]);
        if (known.Newest is not { } newest)
            return Make(view, null, FaultConfidence.Certain, $"the repository '{known.Repository}' has no complete backup of the cluster",
                [Evidence(view, CommonFacts.BackupCount, 0L, "at least 1", "complete backups", true)],
                [known.Damaged > 0 ? $"an empty repository: {Counted.Of(known.Damaged, "manifest")} in it cannot be read" : "an unreadable repository: it could be listed"]);
        var age = Age(view, newest.FinishedAt);
        return age <= settings.MaxAge ? null : Make(view, null, FaultConfidence.Certain, $"the newest backup is {age:d\\.hh\\:mm} old",
            [Evidence(view, CommonFacts.BackupAge, age, $"at most {settings.MaxAge}", $"the age of {newest.Id}", false),
                Evidence(view, CommonFacts.BackupId, newest.Id, "", "the newest complete backup", true)],
            ["an unreadable repository: it could be listed"], new Dictionary<string, FactValue> { ["age"] = age });
    }
}

/// <summary>No proof that a backup can be restored, or none that is fresh enough.</summary>
internal sealed class BackupUnverifiedRule : BackupRule
{
    public override FaultClass Class { get; } = new("backup.unverified", FaultSeverity.Degraded, [],
        "no backup has been proved by a restore for longer than the policy allows, or the newest failed its test",
        [new("proofAge", FactType.Number, "s", "the time since the last proof; unknown where there is none"), new("backup", FactType.Text, null, "the newest complete backup")]);

    protected override Fault? Judge(ClusterView view, BackupSettings settings, BackupKnowledge known)
    {
        // without any backup there is nothing to prove: backup.stale says so
        if (known.Newest is not { } newest)
            return null;
        var details = new Dictionary<string, FactValue> { ["backup"] = newest.Id };
        TimeSpan? age = known.LastProofAt is { } at ? Age(view, at) : null;
        if (age is { } known1)
            details["proofAge"] = known1;
        if (newest.Proof is { Passed: false } failed)
            return Make(view, null, FaultConfidence.Certain, $"the newest backup failed its test: {string.Join(", ", failed.Checks.Where(c => !c.Passed).Select(c => c.Name))}",
                [Evidence(view, CommonFacts.BackupId, newest.Id, "a passed test", "the newest complete backup", true)], details: details);
        if (age is { } proved && proved <= settings.MaxProofAge)
            return null;
        return Make(view, null, FaultConfidence.Certain, age is null ? "no backup was ever proved by a restore" : $"the last proof is {age:d\\.hh\\:mm} old",
            [age is null
                ? Evidence(view, CommonFacts.BackupProvedCount, 0L, "at least 1", "backups whose last test passed", true)
                : Evidence(view, CommonFacts.BackupProofAge, age.Value, $"at most {settings.MaxProofAge}", "the time since the last proof", false)],
            details: details);
    }
}

/// <summary>A file that belongs to the database is not in its backup.</summary>
internal sealed class BackupFilesMissingRule : BackupRule
{
    public override FaultClass Class { get; } = new("backup.files-missing", FaultSeverity.Notice, [],
        "the newest backup is without a file that the inventory names: it was missing or could not be read",
        [new("files", FactType.List, null, "the files"), new("backup", FactType.Text, null, "the newest complete backup")]);

    protected override Fault? Judge(ClusterView view, BackupSettings settings, BackupKnowledge known)
    {
        var files = known.MissingFiles(view.Cluster);
        if (files.Count == 0)
            return null;
        return Make(view, null, FaultConfidence.Certain, $"the newest backup is without {Counted.Of(files.Count, "file")} of the database: {string.Join(", ", files)}",
            [Evidence(view, CommonFacts.BackupMissingFiles, FactValue.OfList(files), "none", "files that were missing or could not be read when it was taken", true),
                Evidence(view, CommonFacts.BackupId, known.Newest!.Id, "", "the newest complete backup", true)],
            ["a damaged backup: the database itself is whole in it"], new Dictionary<string, FactValue> { ["files"] = FactValue.OfList(files), ["backup"] = known.Newest.Id });
    }
}
