using System.CommandLine;
using DbRecovery.Cli.Output;
using DbRecovery.Shells;

namespace DbRecovery.Cli.Commands;

/// <summary>recover, and runbook run, which is the same with a runbook that is named.</summary>
internal static class RecoverCommand
{
    public static void Add(RootCommand root, Binder bind)
    {
        var verb = new Verb("recover", "Recovers a cluster from its gravest fault: finds the fault, picks the runbook, shows the plan, asks, carries it out, verifies and reports.",
            "dbrecovery recover app --plan", "dbrecovery recover app --yes", "dbrecovery recover app --runbook sqlite-corrupt-data --allow-data-loss 10MB", "dbrecovery recover app --fault sqlite.busy --set patience=30s");
        var cluster = Binder.One("cluster", "The cluster.");
        var runbook = Binder.Text("--runbook", "name|file", "The runbook. Else: the one that answers the fault best.");
        verb.Add(cluster);
        verb.Add(runbook);
        Bind(bind, verb, parsed => (parsed.GetValue(cluster)!, parsed.GetValue(runbook)));
        root.Add(verb);
    }

    /// <summary>Adds the options of a recovery to a verb and ties it.</summary>
    public static void Bind(Binder bind, Verb verb, Func<ParseResult, (string Cluster, string? Runbook)> target)
    {
        var plan = Binder.Flag("--plan", "Shows what would be done, and changes nothing.");
        var yes = Binder.Flag("--yes", "Carries the plan out without asking. Needed where nobody can be asked.", "-y");
        var set = new Option<string[]>("--set") { HelpName = "name=value", Description = "A value for a parameter of the runbook; may be given more than once." };
        var loss = Binder.Text("--allow-data-loss", "size|any", "How much committed data may be lost, such as 0B or 10MB, or any. Else: what the cluster's policy allows.");
        var fault = Binder.Text("--fault", "id", "The fault that is meant, where there are several. Else: the gravest.");
        var level = Binder.Level();
        foreach (var option in new Option[] { plan, yes, set, loss, fault, level })
            verb.Add(option);
        verb.IsRecovery = true;
        bind.To(verb, async (session, parsed, token) =>
        {
            var (cluster, runbook) = target(parsed);
            var request = new Request(cluster, runbook, Values(parsed.GetValue(set) ?? []), Session.Size(parsed.GetValue(loss), "--allow-data-loss"),
                parsed.GetValue(fault), parsed.GetValue(level));
            if (parsed.GetValue(plan) && parsed.GetValue(yes))
                throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, "--plan and --yes were given", "Give one of them.");
            return await RunAsync(session, request, parsed.GetValue(plan), parsed.GetValue(yes), token);
        });
    }

    private static async Task<int> RunAsync(Session session, Request request, bool planOnly, bool yes, CancellationToken token)
    {
        var definition = session.Runtime.GetCluster(request.Cluster);
        var report = await session.Runtime.TestHealthAsync(definition, request.Level, session.Progress, token);
        session.Progress.Clear();
        var fault = request.Fault is null ? report.Faults.FirstOrDefault() : report.Faults.FirstOrDefault(f => f.Id == request.Fault);
        if (fault is null)
        {
            session.Say(request.Fault is null ? $"{request.Cluster}: no fault; there is nothing to recover from" : $"{request.Cluster}: the fault {request.Fault} is not seen");
            return report.Status == HealthStatus.Healthy || request.Fault is not null ? ExitCodes.Done : ExitCodes.Of(report);
        }
        fault = fault.Definition is null ? fault with { Definition = definition } : fault;
        var plan = await session.Runtime.PlanAsync(fault, request.Runbook, request.Values, request.AllowedLoss, token);
        if (planOnly)
        {
            session.Output.WriteOne(plan, PlanText.Describe);
            return plan.Blocked.Count > 0 ? ExitCodes.Refused : ExitCodes.FaultFound;
        }
        if (!await session.AgreedAsync(yes, PlanText.Describe(plan, session.Output.Width), token))
        {
            session.Say("not agreed; nothing was changed");
            return ExitCodes.Refused;
        }
        var incident = await session.Runtime.RecoverAsync(fault, request.Runbook, request.Values, request.AllowedLoss, session.Timeline, session.Progress, token);
        session.Progress.Clear();
        session.Output.WriteOne(incident, Texts.Of);
        return token.IsCancellationRequested && incident.State is (IncidentState.Cancelled or IncidentState.Executing or IncidentState.Verifying) ? ExitCodes.Cancelled : ExitCodes.Of(incident.State);
    }

    private static Dictionary<string, string> Values(IReadOnlyList<string> settings)
    {
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var setting in settings)
        {
            var at = setting.IndexOf('=', StringComparison.Ordinal);
            if (at <= 0)
                throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"--set: '{setting}' is not name=value", "Write --set patience=30s.", setting);
            if (!values.TryAdd(setting[..at], setting[(at + 1)..]))
                throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"--set: '{setting[..at]}' is given twice", "Give it once.", setting[..at]);
        }
        return values;
    }

    private sealed record Request(string Cluster, string? Runbook, IReadOnlyDictionary<string, string> Values, long? AllowedLoss, string? Fault, ObservationLevel Level);
}
