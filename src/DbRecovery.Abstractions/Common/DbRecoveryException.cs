namespace DbRecovery;

/// <summary>What kind of failure an error is. A shell maps it to an exit code or a PowerShell error category.</summary>
public enum ErrorKind
{
    /// <summary>A parameter, file or setting given by the user is wrong.</summary>
    InvalidInput,
    /// <summary>A named thing (cluster, backup, runbook, file) does not exist.</summary>
    NotFound,
    /// <summary>The operation would be unsafe, or policy, pause, cooldown or a missing approval forbids it. Nothing was changed.</summary>
    Refused,
    /// <summary>The operating system denies access.</summary>
    PermissionDenied,
    /// <summary>Another process holds what is needed.</summary>
    Busy,
    /// <summary>A deadline passed. The outcome of what was under way is stated by the message.</summary>
    Timeout,
    /// <summary>No space left, or not enough for what was asked.</summary>
    OutOfSpace,
    /// <summary>Data that was read is not what was written: a check sum or structure is wrong.</summary>
    CorruptData,
    /// <summary>The machine lacks a library or program.</summary>
    MissingDependency,
    /// <summary>The engine or this version cannot do what was asked.</summary>
    NotSupported,
    /// <summary>Anything else that failed while it was carried out.</summary>
    Failed,
}

/// <summary>
/// The one exception type that carries a message for a person. It says what is wrong, where, and what to do;
/// it never holds a secret.
/// </summary>
public sealed class DbRecoveryException : Exception
{
    /// <summary>Creates an error.</summary>
    /// <param name="id">A stable id from <see cref="ErrorIds"/>; scripts test it, so it is never renamed.</param>
    /// <param name="kind">The kind of failure.</param>
    /// <param name="message">What is wrong, naming the file, line, parameter, node or step.</param>
    /// <param name="action">What the reader can do about it.</param>
    /// <param name="target">The file, node, cluster or backup that the error is about.</param>
    /// <param name="inner">The cause.</param>
    public DbRecoveryException(string id, ErrorKind kind, string message, string? action = null, string? target = null, Exception? inner = null)
        : base(message, inner)
    {
        Id = id;
        Kind = kind;
        RecommendedAction = action;
        Target = target;
    }

    /// <summary>The stable id of the error.</summary>
    public string Id { get; }

    /// <summary>The kind of failure.</summary>
    public ErrorKind Kind { get; }

    /// <summary>What the reader can do about it.</summary>
    public string? RecommendedAction { get; }

    /// <summary>The file, node, cluster or backup that the error is about.</summary>
    public string? Target { get; }

    /// <summary>Problems found by a linter, where the error is about a file with several.</summary>
    public IReadOnlyList<LintFinding> Findings { get; init; } = [];
}
