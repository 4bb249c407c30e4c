using System.CommandLine;
using System.Globalization;
using DbRecovery.Cli.Output;
using DbRecovery.Runtime;
using DbRecovery.Shells;

namespace DbRecovery.Cli.Commands;

/// <summary>failover, switchover, rejoin and replica: who is primary, and who follows.</summary>
internal static class ReplicationCommands
{
    private const string Loss = "How much committed data may be lost, such as 0B or 10MB, or any. Else: what the cluster's policy allows.";

    public static void Add(RootCommand root, Binder bind)
    {
        root.Add(Failover(bind));
        root.Add(Switchover(bind));
        root.Add(Rejoin(bind));
        var replica = new Verb("replica", "Makes replicas.", "dbrecovery replica new orders orders-3");
        replica.Add(NewReplica(bind));
        root.Add(replica);
    }

    private static Verb Failover(Binder bind)
    {
        var verb = new Verb("failover", "Makes a replica the primary, whatever the present one's state: fences it, picks the fittest replica, promotes, repoints the others. Exit code 4 where it is refused.",
            "dbrecovery failover orders --plan", "dbrecovery failover orders --yes", "dbrecovery failover orders --to orders-2 --allow-data-loss 16MB");
        var to = Binder.Text("--to", "node", "The replica that takes over. Else: the fittest.");
        verb.Add(to);
        return Bind(bind, verb, ReplicationOperation.Failover, allowsLoss: true, node: parsed => parsed.GetValue(to));
    }

    private static Verb Switchover(Binder bind)
    {
        var verb = new Verb("switchover", "Hands the primary's part over to a replica without losing anything; the old primary follows. Exit code 4 where it is refused.",
            "dbrecovery switchover orders --plan", "dbrecovery switchover orders --to orders-2 --yes");
        var to = Binder.Text("--to", "node", "The replica that becomes primary. Else: the fittest.");
        var window = Binder.Text("--window", "duration", "How long writes may stop before the old primary is opened again, such as 15s. Else: what the runbook says.");
        verb.Add(to);
        verb.Add(window);
        return Bind(bind, verb, ReplicationOperation.Switchover, allowsLoss: false, node: parsed => parsed.GetValue(to),
            parameters: parsed => [("window", Session.Duration(parsed.GetValue(window), "--window") is { } time ? string.Create(CultureInfo.InvariantCulture, $"{time.TotalMilliseconds:0}ms") : null)]);
    }

    private static Verb Rejoin(Binder bind)
    {
        var verb = new Verb("rejoin", "Brings a former primary, or a broken replica, back as a replica. What it alone has is kept beside and listed.",
            "dbrecovery rejoin orders orders-1 --plan", "dbrecovery rejoin orders orders-1 --yes", "dbrecovery rejoin orders orders-1 --rebuild always --yes");
        var rebuild = new Option<string?>("--rebuild") { HelpName = "never|when-needed|always", Description = "Whether it is copied anew from the primary (default: when-needed, where it cannot be rewound). Its data folder is kept under another name." };
        rebuild.AcceptOnlyFromAmong("never", "when-needed", "always");
        verb.Add(rebuild);
        return Bind(bind, verb, ReplicationOperation.Rejoin, allowsLoss: true, parameters: parsed => [("rebuild", parsed.GetValue(rebuild))]);
    }

    private static Verb NewReplica(Binder bind)
    {
        var verb = new Verb("new", "Makes a node of the inventory, which has no data yet, a replica of its cluster.", "dbrecovery replica new orders orders-3 --plan", "dbrecovery replica new orders orders-3 --from orders-2 --yes");
        var from = Binder.Text("--from", "node", "The node that is copied. Else: the primary.");
        verb.Add(from);
        return Bind(bind, verb, ReplicationOperation.NewReplica, allowsLoss: false, parameters: parsed => [("source", parsed.GetValue(from))]);
    }

    private static Verb Bind(
        Binder bind, Verb verb, ReplicationOperation operation, bool allowsLoss, Func<ParseResult, string?>? node = null, Func<ParseResult, (string Name, string? Value)[]>? parameters = null)
    {
        var cluster = Binder.One("cluster", "The cluster.");
        verb.Add(cluster);
        Argument<string>? named = null;
        if (node is null)
            verb.Add(named = Binder.One("node", "The node of the cluster."));
        var plan = Binder.Flag("--plan", "Shows every statement and command, and what would be lost, and changes nothing.");
        var yes = Binder.Flag("--yes", "Carries the plan out without asking. Needed where nobody can be asked.", "-y");
        var loss = Binder.Text("--allow-data-loss", "size|any", Loss);
        verb.Add(plan);
        verb.Add(yes);
        if (allowsLoss)
            verb.Add(loss);
        verb.IsRecovery = true;
        bind.To(verb, async (session, parsed, token) =>
        {
            if (parsed.GetValue(plan) && parsed.GetValue(yes))
                throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, "--plan and --yes were given", "Give one of them.");
            var values = (parameters?.Invoke(parsed) ?? []).Where(p => p.Value is not null).ToDictionary(p => p.Name, p => p.Value!);
            var allowed = allowsLoss ? Session.Size(parsed.GetValue(loss), "--allow-data-loss") : null;
            var request = new ReplicationRequest
            {
                Cluster = session.Runtime.GetCluster(parsed.GetValue(cluster)!),
                Operation = operation,
                Node = named is null ? node!(parsed) : parsed.GetValue(named),
                Parameters = values,
                AllowDataLossBytes = allowed,
            };
            return await RunAsync(session, request, parsed.GetValue(plan), parsed.GetValue(yes), token);
        });
        return verb;
    }

    private static async Task<int> RunAsync(Session session, ReplicationRequest request, bool planOnly, bool yes, CancellationToken token)
    {
        if (planOnly || !yes)
        {
            var plan = await session.Runtime.PlanReplicationAsync(request, session.Progress, token);
            session.Progress.Clear();
            if (planOnly)
            {
                session.Output.WriteOne(plan, PlanText.Describe);
                return plan.Blocked.Count > 0 || plan.ApprovalReasons.Count > 0 ? ExitCodes.Refused : ExitCodes.Done;
            }
            if (!await session.AgreedAsync(yes, PlanText.Describe(plan, session.Output.Width), token))
            {
                session.Say("not agreed; nothing was changed");
                return ExitCodes.Refused;
            }
        }
        var incident = await session.Runtime.ReplicateAsync(request, session.Timeline, session.Progress, token);
        session.Progress.Clear();
        session.Output.WriteOne(incident, Texts.Of);
        return token.IsCancellationRequested && incident.State is (IncidentState.Cancelled or IncidentState.Executing or IncidentState.Verifying) ? ExitCodes.Cancelled : ExitCodes.Of(incident.State);
    }
}
