namespace DbRecovery;

/// <summary>What starts and stops an instance.</summary>
public enum ControlKind
{
    /// <summary>A systemd unit.</summary>
    Systemd,
    /// <summary>The server's own program in the node's <c>binDir</c>, run as the node's <c>runAs</c>: <c>pg_ctl</c>.</summary>
    PgCtl,
    /// <summary>Commands of the user's own.</summary>
    Command,
}

/// <summary>How a cluster's instances are started, stopped and fenced. In every text <c>{node}</c>, <c>{host}</c>, <c>{port}</c> and <c>{dataDir}</c> stand for the node's own.</summary>
public sealed record ControlSettings
{
    /// <summary>What starts and stops an instance.</summary>
    public required ControlKind Kind { get; init; }
    /// <summary>The systemd unit.</summary>
    public string? Unit { get; init; }
    /// <summary>The program and arguments that carry a command to the node's machine, such as <c>ssh dba@{host}</c>; empty: this machine.</summary>
    public IReadOnlyList<string> Via { get; init; } = [];
    /// <summary>The command that starts an instance.</summary>
    public IReadOnlyList<string> Start { get; init; } = [];
    /// <summary>The command that stops an instance cleanly.</summary>
    public IReadOnlyList<string> Stop { get; init; } = [];
    /// <summary>The command that ends an instance at once; empty: the process of the data folder's pid file is killed.</summary>
    public IReadOnlyList<string> Kill { get; init; } = [];
    /// <summary>The command that ends with 0 while an instance runs, and with 3 while it does not.</summary>
    public IReadOnlyList<string> Status { get; init; } = [];
    /// <summary>The command that takes a machine's power or network away, run on this machine: the strongest fence. Empty where there is none.</summary>
    public IReadOnlyList<string> PowerOff { get; init; } = [];
}

/// <summary>What kind of thing leads applications to the primary.</summary>
public enum RouteKind
{
    /// <summary>HAProxy, through its runtime socket.</summary>
    HaProxy,
    /// <summary>PgBouncer, through its admin console.</summary>
    PgBouncer,
    /// <summary>A command of the user's own.</summary>
    Command,
}

/// <summary>A way by which applications reach the primary.</summary>
public sealed record RouteDefinition
{
    /// <summary>What kind of thing it is.</summary>
    public required RouteKind Kind { get; init; }
    /// <summary>HAProxy: the absolute path of its socket, or <c>host:port</c>. PgBouncer: <c>host:port</c>.</summary>
    public string? Address { get; init; }
    /// <summary>HAProxy: the backend whose servers have the nodes' names, or one server that is readdressed.</summary>
    public string? Backend { get; init; }
    /// <summary>HAProxy: the one server that is given the primary's address; null: each node has a server of its name, and all but the primary's are put into maintenance.</summary>
    public string? Server { get; init; }
    /// <summary>PgBouncer: the name of the database in its configuration.</summary>
    public string? Database { get; init; }
    /// <summary>PgBouncer: the absolute path of the file with its <c>[databases]</c> section, which is rewritten.</summary>
    public string? File { get; init; }
    /// <summary>PgBouncer: the admin user.</summary>
    public string? User { get; init; }
    /// <summary>PgBouncer: the admin user's password.</summary>
    public SecretReference? Password { get; init; }
    /// <summary>Command: the program and arguments; <c>{node}</c>, <c>{host}</c> and <c>{port}</c> stand for the new primary's.</summary>
    public IReadOnlyList<string> Command { get; init; } = [];
    /// <summary><c>host:port</c> by which an application connects through the route: a write is tried there. Null: it cannot be tried.</summary>
    public string? Entry { get; init; }

    /// <summary>The route as people call it.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public string Name => Kind == RouteKind.Command ? $"command {Command.FirstOrDefault()}" : $"{Kind.ToString().ToLowerInvariant()} {Address}";
}

/// <summary>A cluster manager that owns a cluster.</summary>
/// <param name="Kind">Which: <c>patroni</c>.</param>
/// <param name="Addresses">Its REST addresses, any of which answers for the cluster.</param>
public sealed record ClusterManager(string Kind, IReadOnlyList<Uri> Addresses);
