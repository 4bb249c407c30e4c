namespace DbRecovery.Engine.Health;

/// <summary>What a PostgreSQL server means that answers and lets nobody in.</summary>
internal static class PostgreSqlRefusal
{
    /// <summary>It starts, replays its log, or recovers from a crash.</summary>
    public const string Starting = "starting";
    /// <summary>It is being stopped.</summary>
    public const string Stopping = "stopping";
    /// <summary>Every connection is taken.</summary>
    public const string Connections = "connections";
    /// <summary>It is up, and does not accept this login.</summary>
    public const string Login = "login";
    /// <summary>Something else.</summary>
    public const string Other = "other";

    /// <summary>What a node's refusal means; null where it does not refuse.</summary>
    public static string? Of(NodeObservation node) => node.Reachability != Reachability.Refusing ? null
        : node.Facts.Text(PostgreSqlFacts.ConnectError) switch
        {
            // https://www.postgresql.org/docs/current/errcodes-appendix.html
            "57P03" => node.Errors.Any(e => e.Message.Contains("shutting down", StringComparison.OrdinalIgnoreCase)) ? Stopping : Starting,
            "57P01" => Stopping,
            "57P02" => Starting,
            "53300" => Connections,
            "28P01" or "28000" or "tls" or "certificate" or "secret" or "login" or "3D000" or "42501" => Login,
            _ => Other,
        };
}
