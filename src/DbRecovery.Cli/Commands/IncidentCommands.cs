using System.CommandLine;
using DbRecovery.Cli.Output;

namespace DbRecovery.Cli.Commands;

/// <summary>incident list, show, resume, approve, acknowledge; pause and resume.</summary>
internal static class IncidentCommands
{
    private static Argument<string> Id() => new("id") { Description = "The id, a beginning of it that only one incident has, or latest.", Arity = ArgumentArity.ExactlyOne };

    public static void Add(RootCommand root, Binder bind)
    {
        var group = new Verb("incident", "Lists, shows and goes on with incidents: the records of recoveries.", "dbrecovery incident list", "dbrecovery incident show latest");
        group.Add(List(bind));
        group.Add(Show(bind));
        group.Add(Resume(bind));
        group.Add(Approve(bind));
        group.Add(OfCluster(bind, new Verb("acknowledge", "A person has looked: the cooldowns of a cluster end; incidents that are halted or wait for a person are closed.", "dbrecovery incident acknowledge app"),
            (session, cluster, token) => session.Runtime.AcknowledgeAsync(cluster, token)));
        root.Add(group);
        root.Add(Pause(bind));
        root.Add(OfCluster(bind, new Verb("resume", "Ends a pause of recovery.", "dbrecovery resume app"), (session, cluster, token) => session.Runtime.ResumeRecoveryAsync(cluster, token)));
    }

    private static Verb List(Binder bind)
    {
        var verb = new Verb("list", "Lists incidents, newest first.", "dbrecovery incident list", "dbrecovery incident list app --output json");
        var cluster = new Argument<string?>("cluster") { Description = "The cluster. Without it: all.", Arity = ArgumentArity.ZeroOrOne };
        verb.Add(cluster);
        bind.To(verb, (session, parsed, _) =>
        {
            session.Output.WriteAll(session.Runtime.GetIncidents(parsed.GetValue(cluster)), "no incidents");
            return Task.FromResult(ExitCodes.Done);
        });
        return verb;
    }

    private static Verb Show(Binder bind)
    {
        var verb = new Verb("show", "Shows an incident: what was seen, decided, done, verified and lost.", "dbrecovery incident show latest", "dbrecovery incident show 20261121T1015 --output json");
        var id = Id();
        var cluster = Binder.Text("--cluster", "name", "The cluster, for latest.");
        verb.Add(id);
        verb.Add(cluster);
        bind.To(verb, (session, parsed, _) =>
        {
            session.Output.WriteOne(session.Runtime.GetIncident(parsed.GetValue(id)!, parsed.GetValue(cluster)), Texts.Of);
            return Task.FromResult(ExitCodes.Done);
        });
        return verb;
    }

    private static Verb Resume(Binder bind)
    {
        var verb = new Verb("resume", "Goes on with an incident whose process ended in the middle, or that was approved. Nothing is done twice.", "dbrecovery incident resume latest --yes") { IsRecovery = true };
        var id = Id();
        var yes = Binder.Flag("--yes", "Goes on without asking. Needed where nobody can be asked.", "-y");
        verb.Add(id);
        verb.Add(yes);
        bind.To(verb, async (session, parsed, token) =>
        {
            var incident = session.Runtime.GetIncident(parsed.GetValue(id)!);
            if (!await session.AgreedAsync(parsed.GetValue(yes), Texts.Of(incident, session.Output.Width), token))
                return ExitCodes.Refused;
            incident = await session.Runtime.ResumeIncidentAsync(incident.Id, session.Timeline, session.Progress, token);
            session.Progress.Clear();
            session.Output.WriteOne(incident, Texts.Of);
            return token.IsCancellationRequested && incident.State is (IncidentState.Cancelled or IncidentState.Executing or IncidentState.Verifying) ? ExitCodes.Cancelled : ExitCodes.Of(incident.State);
        });
        return verb;
    }

    private static Verb Approve(Binder bind)
    {
        var verb = new Verb("approve", "Agrees to the plan that an incident waits with; 'incident resume' then carries it out.", "dbrecovery incident approve latest --yes", "dbrecovery incident approve 20261121T1015 --plan-hash 6f1c... --yes");
        var id = Id();
        var hash = Binder.Text("--plan-hash", "hash", "The hash of the plan that was read: another plan is then not approved.");
        var yes = Binder.Flag("--yes", "Agrees without being asked. Needed where nobody can be asked.", "-y");
        verb.Add(id);
        verb.Add(hash);
        verb.Add(yes);
        bind.To(verb, async (session, parsed, token) =>
        {
            var incident = session.Runtime.GetIncident(parsed.GetValue(id)!);
            if (!await session.AgreedAsync(parsed.GetValue(yes), Texts.Of(incident, session.Output.Width), token))
                return ExitCodes.Refused;
            session.Output.WriteOne(await session.Runtime.ApproveIncidentAsync(incident.Id, parsed.GetValue(hash) ?? incident.PlanHash, token), Texts.Of);
            return ExitCodes.Done;
        });
        return verb;
    }

    private static Verb Pause(Binder bind)
    {
        var verb = new Verb("pause", "Pauses recovery of a cluster: no runbook is carried out for it, by nobody.", "dbrecovery pause app --reason 'schema change' --duration 2h");
        var cluster = Binder.One("cluster", "The cluster.");
        var reason = new Option<string>("--reason") { HelpName = "text", Description = "Why; it is shown to whoever meets the pause.", Required = true };
        var duration = Binder.Text("--duration", "time", "When the pause ends by itself, such as 30m or 2h. Else: never.");
        verb.Add(cluster);
        verb.Add(reason);
        verb.Add(duration);
        bind.To(verb, async (session, parsed, token) =>
        {
            var status = await session.Runtime.SuspendRecoveryAsync(session.Runtime.GetCluster(parsed.GetValue(cluster)!).Name, parsed.GetValue(reason)!,
                Session.Duration(parsed.GetValue(duration), "--duration"), token);
            session.Output.WriteAll([status], "");
            return ExitCodes.Done;
        });
        return verb;
    }

    private static Verb OfCluster(Binder bind, Verb verb, Func<Session, string, CancellationToken, Task<RecoveryStatus>> act)
    {
        var cluster = Binder.One("cluster", "The cluster.");
        verb.Add(cluster);
        bind.To(verb, async (session, parsed, token) =>
        {
            session.Output.WriteAll([await act(session, session.Runtime.GetCluster(parsed.GetValue(cluster)!).Name, token)], "");
            return ExitCodes.Done;
        });
        return verb;
    }
}
