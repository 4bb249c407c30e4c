using DbRecovery.Engine.Actions;
using DbRecovery.Engine.Faults;
using DbRecovery.Engine.Replication;
using DbRecovery.Engine.Runbooks;

namespace DbRecovery.Engine.Incidents;

/// <summary>What stands against acting.</summary>
/// <param name="Reasons">Why not; empty for nothing.</param>
/// <param name="Until">When it is worth looking again.</param>
/// <param name="Recurs">The incident in probation whose fault has come back.</param>
internal sealed record PolicyDecision(IReadOnlyList<string> Reasons, DateTimeOffset? Until, IncidentHistory? Recurs = null);

/// <summary>Pause, other incidents, probation, cooldown, daily limit: what the past and people allow.</summary>
internal sealed class RecoveryPolicy(IncidentStore store, TimeProvider clock)
{
    private static readonly TimeSpan Review = TimeSpan.FromMinutes(15);
    private static readonly TimeSpan Day = TimeSpan.FromHours(24);

    /// <summary>
    /// Whether an open incident gives way to another fault: to a graver one what waits or was left behind, and to what a person asks for what waits for
    /// a person and has done nothing yet. What is halted because nobody knows what it did stays.
    /// </summary>
    public static bool GivesWay(IncidentHistory open, Fault fault) => open.State is not (IncidentState.AmbiguousHalt or IncidentState.Compensating)
        && (IncidentService.IsGraver(fault, open.Fault!)
            || (open is { State: IncidentState.AwaitingApproval, Executed: false } && PlannedOperations.IsPlanned(fault.Id) && !PlannedOperations.IsPlanned(open.Fault!.Id)));

    /// <summary>The cooldown of a runbook on a cluster.</summary>
    public static TimeSpan CooldownOf(ClusterDefinition cluster, Runbook runbook) =>
        cluster.Policy.Cooldown ?? runbook.Limits.Cooldown ?? TimeSpan.FromHours(1);

    /// <summary>How often the journals say that an instance was started or restarted in the last hour.</summary>
    public int StartsInLastHour(string cluster, string node)
    {
        var since = clock.GetUtcNow() - TimeSpan.FromHours(1);
        return store.Histories(cluster, strict: false).Where(h => h.LastAt > since).SelectMany(h => h.Steps)
            .Count(s => s.Action is "start" or "restart" && s.StartedAt > since
                && s.Plan?.State is { ValueKind: System.Text.Json.JsonValueKind.Object } state && state.TryGetProperty("node", out var of) && of.GetString() == node
                && !(state.TryGetProperty("notBecause", out var not) && not.ValueKind == System.Text.Json.JsonValueKind.String));
    }

    /// <summary>
    /// Promotions that other incidents asked for, and of which nobody knows what came. Each may still come to pass until a takeover was seen to, a person has
    /// looked and acknowledged it, or a day is over.
    /// </summary>
    public IReadOnlyList<AskedPromotion> AskedPromotions(string cluster, string ownId)
    {
        var since = clock.GetUtcNow() - Day;
        var acknowledged = store.Acknowledged(cluster);
        return [.. store.Histories(cluster, strict: false).Where(h => h.Id != ownId && h.LastAt > since)
            .TakeWhile(h => !h.Steps.Any(s => s is { Action: "failover" or "promote" or "switchover", State: StepState.Applied or StepState.Confirmed }))
            .Where(h => !acknowledged.Contains(h.Id))
            .SelectMany(h => h.Steps.Where(s => MayComeToPass(h, s)).Select(s => Asked(h.Id, s.Plan!.State)))];
    }

    private static AskedPromotion Asked(string incident, System.Text.Json.JsonElement state) => new(incident, state.GetProperty("candidate").GetString()!, state.GetProperty("timeline").GetInt64());

    // who asks says so on disk before
    private static bool MayComeToPass(IncidentHistory history, StepProgress step) =>
        step.Action is "failover" or "promote" or "switchover" && PromotionMark.IsSet(history.Folder)
        && step.Plan?.State is { ValueKind: System.Text.Json.JsonValueKind.Object } state
        && state.TryGetProperty("candidate", out var of) && of.GetString() is { Length: > 0 }
        && !(state.TryGetProperty("managed", out var managed) && managed.ValueKind == System.Text.Json.JsonValueKind.True);

    public PolicyDecision Decide(ClusterDefinition cluster, Fault fault, Runbook runbook, string ownId)
    {
        var now = clock.GetUtcNow();
        var reasons = new List<string>();
        var until = new List<DateTimeOffset>();
        var histories = store.Histories(cluster.Name, strict: true).Where(h => h.Id != ownId).ToList();
        var acknowledged = store.Acknowledged(cluster.Name);

        if (store.ReadPause(cluster.Name, now) is { } pause)
        {
            reasons.Add($"recovery of the cluster is paused by {pause.By} since {pause.Since:u}: {pause.Reason}");
            until.Add(pause.Until ?? now + TimeSpan.FromHours(1));
        }
        foreach (var open in histories.Where(h => h.IsOpenAt(now) && !GivesWay(h, fault)))
        {
            var how = open is { State: IncidentState.AwaitingApproval, Until: { } over } ? $", until somebody agrees to it and resumes it, or acknowledges it, or its time is over at {over:u}" : "";
            reasons.Add($"incident {open.Id} ({open.Fault!.Id}) is {open.State}: it comes first{how}");
            until.Add(now + Review);
        }
        // a person who asks for an operation has decided; only a pause and an incident under way stand against it
        if (PlannedOperations.IsPlanned(fault.Id))
            return new PolicyDecision(reasons, Latest(until));
        // what was mended on one node says nothing of another; a primary is one, whatever its name
        var same = histories.Where(h => h.Fault!.Id == fault.Id && (TakesOver(runbook) || h.Fault.Node == fault.Node)).ToList();
        var recurs = same.Find(h => h.StateAt(now) == IncidentState.Probation && !acknowledged.Contains(h.Id));
        if (recurs is not null)
            return new PolicyDecision(reasons, Latest(until), recurs);

        if (CooldownEnd(same, acknowledged, fault.Id, CooldownOf(cluster, runbook), now) is { } end)
        {
            reasons.Add($"{fault.Id} was recovered from a short time ago; its cooldown lasts until {end:u} or until somebody acknowledges");
            until.Add(end);
        }
        // whatever its name, a second takeover so soon after the first is flapping
        else if (TakesOver(runbook) && histories.Find(h => h.TookOver
            && !PlannedOperations.IsPlanned(h.Fault!.Id) && !acknowledged.Contains(h.Id)) is { } takeover
            && CooldownEnd([takeover], acknowledged, takeover.Fault!.Id, CooldownOf(cluster, runbook), now) is { } over)
        {
            reasons.Add($"the cluster failed over a short time ago ({takeover.Id}); no other takeover is begun before {over:u} or until somebody acknowledges");
            until.Add(over);
        }
        if (runbook.Limits.PerDay is { } perDay)
        {
            var today = histories.Where(h => h.Executed && h.Opened.Runbook == runbook.Name && h.LastAt > now - Day).ToList();
            if (today.Count >= perDay)
            {
                reasons.Add($"{runbook.Name} was carried out {Counted.Of(today.Count, "time")} in the last 24 hours, and its limit is {perDay}");
                until.Add(today.Min(h => h.LastAt) + Day);
            }
        }
        return new PolicyDecision(reasons, Latest(until));
    }

    /// <summary>The fault classes under cooldown, by what was in force when each was recovered from.</summary>
    public IReadOnlyDictionary<string, DateTimeOffset> Cooldowns(string cluster)
    {
        var histories = store.Histories(cluster, strict: false);
        var acknowledged = store.Acknowledged(cluster);
        var now = clock.GetUtcNow();
        return histories.Where(h => h.Executed).GroupBy(h => h.Fault!.Id)
            .Select(g => (g.Key, End: CooldownEnd([.. g], acknowledged, g.Key, g.First().Cooldown ?? TimeSpan.FromHours(1), now)))
            .Where(c => c.End is not null)
            .ToDictionary(c => c.Key, c => c.End!.Value, StringComparer.Ordinal);
    }

    private static bool TakesOver(Runbook runbook) => runbook.Steps.Any(s => s.Action is "failover" or "promote");

    // a clock that was set back must not make a cooldown longer than it is
    private static DateTimeOffset? CooldownEnd(IReadOnlyList<IncidentHistory> histories, IReadOnlySet<string> acknowledged, string faultId, TimeSpan cooldown, DateTimeOffset now)
    {
        // one that gave way to a graver fault, or whose fault went by itself, recovered from nothing; a takeover that it made is looked for by itself
        var last = histories.FirstOrDefault(h => h.Executed && (h.State is not (IncidentState.Superseded or IncidentState.Cancelled) || h.TookOver) && h.Fault!.Id == faultId && !acknowledged.Contains(h.Id));
        if (last is null)
            return null;
        var end = last.EndedAt ?? last.LastAt;
        var over = (end > now ? now : end) + cooldown;
        return over > now ? over : null;
    }

    private static DateTimeOffset? Latest(List<DateTimeOffset> moments) => moments.Count == 0 ? null : moments.Max();
}
