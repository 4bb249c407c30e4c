using DbRecovery.Engine.Health;

namespace DbRecovery.Engine.Faults.Rules;

/// <summary>Every connection is taken.</summary>
internal sealed class ConnectionsExhaustedRule : ServerNodeRule
{
    public override FaultClass Class { get; } = new("node.conn-exhausted", FaultSeverity.Degraded, Servers,
        "every connection that applications may have is taken; the server is alive",
        [new("used", FactType.Int, null, "sessions of clients; unknown where not even we were let in"), new("max", FactType.Int, null, "max_connections")]);

    protected override Fault? Judge(ClusterView view, ReplicationView cluster, NodeObservation node)
    {
        var refused = PostgreSqlRefusal.Of(node) == PostgreSqlRefusal.Connections;
        var (used, max) = (node.Facts.Int(PostgreSqlFacts.ConnectionsUsed), node.Facts.Int(PostgreSqlFacts.MaxConnections));
        if (!refused && !(used >= max - (node.Facts.Int(PostgreSqlFacts.ReservedConnections) ?? 0)))
            return null;
        var details = new Dictionary<string, FactValue>();
        if (used is { } u)
            details["used"] = u;
        if (max is { } m)
            details["max"] = m;
        return Make(view, node.Node, FaultConfidence.Certain, $"every connection of '{node.Node}' is taken",
            refused ? [Answer(node)] : [node.Evidence(PostgreSqlFacts.ConnectionsUsed, "sessions of clients", $"under {max} without the reserved ones", stable: false)],
            ["pg.primary.dead: an error packet is a sign of life"], details);
    }
}

/// <summary>The server does not accept our login.</summary>
internal sealed class LoginRejectedRule : ServerNodeRule
{
    public override FaultClass Class { get; } = new("node.auth-rejected", FaultSeverity.Degraded, Servers,
        "the server answers and does not accept this login, or its encryption; the server is alive",
        [new("cause", FactType.Text, null, "password, access, login, tls, certificate, database, privilege or secret")]);

    protected override Fault? Judge(ClusterView view, ReplicationView cluster, NodeObservation node)
    {
        if (PostgreSqlRefusal.Of(node) != PostgreSqlRefusal.Login)
            return null;
        var cause = node.Facts.Text(PostgreSqlFacts.ConnectError) switch
        {
            "28P01" => "password",
            "28000" => "access",
            "3D000" => "database",
            "42501" => "privilege",
            var other => other!,
        };
        return Make(view, node.Node, FaultConfidence.Certain, $"{(cause == "secret" ? $"the login to '{node.Node}' cannot be tried" : $"'{node.Node}' does not accept the login")} ({cause}): {node.Errors.FirstOrDefault()?.Told}",
            [Answer(node)], ["pg.primary.dead: an error packet is a sign of life", "routing.wrong-target: the node itself was asked"],
            new Dictionary<string, FactValue> { ["cause"] = cause }, confirmations: 1);
    }
}

/// <summary>The primary starts again and again.</summary>
internal sealed class CrashLoopRule : ServerNodeRule
{
    private const int Least = 3;

    public override FaultClass Class { get; } = new("pg.primary.crash-loop", FaultSeverity.Outage, PostgreSql,
        "the primary's server started again three times or more within 10 minutes",
        [new("restarts", FactType.Int, null, "starts in the last 10 minutes")]);

    public override IReadOnlyList<string> Explains => ["pg.primary.crash-recovery", "node.refusing", "node.process-down"];

    protected override Fault? Judge(ClusterView view, ReplicationView cluster, NodeObservation node)
    {
        if (cluster.Primary != node.Node || node.Facts.Int(PostgreSqlFacts.Restarts) is not >= Least)
            return null;
        return Make(view, node.Node, FaultConfidence.Likely, $"the primary '{node.Node}' started {node.Facts.Int(PostgreSqlFacts.Restarts)} times in 10 minutes",
            [node.Evidence(PostgreSqlFacts.Restarts, "starts in the last 10 minutes", $"under {Least}", stable: false)],
            ["an overloaded server: its start time, or its refusals while it recovers, show the starts", "a planned restart: nobody restarts so often on purpose"],
            new Dictionary<string, FactValue> { ["restarts"] = node.Facts.Int(PostgreSqlFacts.Restarts)!.Value }, confirmations: 1);
    }
}

/// <summary>The primary recovers from a crash.</summary>
internal sealed class CrashRecoveryRule : ServerNodeRule
{
    public override FaultClass Class { get; } = new("pg.primary.crash-recovery", FaultSeverity.Degraded, PostgreSql,
        "the primary replays its log after a crash, and lets nobody in until it is done",
        [new("seconds", FactType.Number, "s", "since when it refuses, as far as it was watched")]);

    public override IReadOnlyList<string> Explains => ["node.refusing"];

    protected override Fault? Judge(ClusterView view, ReplicationView cluster, NodeObservation node)
    {
        if (PostgreSqlRefusal.Of(node) != PostgreSqlRefusal.Starting || cluster.Primary != node.Node || cluster.Leader is not null)
            return null;
        var since = cluster.Memory(node)?.RefusingSince ?? node.ObservedAt;
        return Make(view, node.Node, FaultConfidence.Likely, $"the primary '{node.Node}' is starting, or recovers from a crash",
            [Answer(node)], ["pg.primary.dead: it answers, with an error packet", "pg.primary.crash-loop: it did not start so often"],
            new Dictionary<string, FactValue> { ["seconds"] = Math.Max(0, (node.ObservedAt - since).TotalSeconds) });
    }
}

/// <summary>A server answers and lets nobody in, for no cause that has a class of its own.</summary>
internal sealed class RefusingRule : ServerNodeRule
{
    public override FaultClass Class { get; } = new("node.refusing", FaultSeverity.Degraded, Servers,
        "the server is alive and lets nobody in: it starts, stops, or says why in its error",
        [new("cause", FactType.Text, null, "starting, stopping or other"), new("primary", FactType.Bool, null, "whether it is the primary")]);

    protected override Fault? Judge(ClusterView view, ReplicationView cluster, NodeObservation node)
    {
        if (PostgreSqlRefusal.Of(node) is not { } cause || cause is PostgreSqlRefusal.Connections or PostgreSqlRefusal.Login)
            return null;
        return Make(view, node.Node, FaultConfidence.Likely, $"'{node.Node}' lets nobody in ({cause}): {node.Errors.FirstOrDefault()?.Message}",
            [Answer(node)], ["node.process-down: it answers, with an error packet"],
            new Dictionary<string, FactValue> { ["cause"] = cause, ["primary"] = cluster.Primary == node.Node && cluster.Leader is null }, confirmations: Patient(view));
    }
}
