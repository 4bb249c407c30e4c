using System.CommandLine;
using DbRecovery.Shells;

namespace DbRecovery.Cli.Commands;

/// <summary>watch: the loop.</summary>
internal static class WatchCommand
{
    public static void Add(RootCommand root, Binder bind)
    {
        var verb = new Verb("watch", "Watches databases until Ctrl+C and writes what changes: states, faults, incidents, and why nothing was done. With --recover faults are recovered from by their runbooks, where the cluster's policy has 'autoRecover: true'.",
            "dbrecovery watch", "dbrecovery watch orders --recover", "dbrecovery watch orders --listen 127.0.0.1:8009", "dbrecovery watch --every 250ms --for 8h --output json") { IsRecovery = true };
        var clusters = Binder.Many("cluster", "Names of clusters; * and ? are wildcards. Without one: all.");
        var recover = Binder.Flag("--recover", "Recover from faults, where the cluster's policy allows it.");
        var every = Binder.Text("--every", "duration", "The time between two rounds, at least 100ms. Else: each cluster's 'poll', or 1s. What happens in between is told by the open connections.");
        var listen = Binder.Text("--listen", "host:port", "Answers load balancers over HTTP: /primary, /replica?lag=1MB, /CLUSTER/NODE/primary, /healthz give 200 or 503.");
        var limit = Binder.Text("--for", "duration", "How long to go on. Else: until it is stopped.");
        verb.Add(clusters);
        foreach (var option in new Option[] { recover, every, listen, limit })
            verb.Add(option);
        bind.To(verb, async (session, parsed, token) =>
        {
            session.Output.Prepare<WatchEvent>();
            var names = parsed.GetValue(clusters) ?? [];
            var events = session.Runtime.WatchAsync(session.Runtime.GetClusters(names.Length == 0 ? null : names), Session.Duration(parsed.GetValue(every), "--every"), parsed.GetValue(recover),
                parsed.GetValue(listen), Session.Duration(parsed.GetValue(limit), "--for"), token);
            // a stop is how a watch ends: what is under way comes to a safe point, and what it still has to say is written
            await foreach (var told in events.WithCancellation(CancellationToken.None))
                session.Output.WriteNow(told, WatchText.Line);
            return ExitCodes.Done;
        });
        root.Add(verb);
    }
}
