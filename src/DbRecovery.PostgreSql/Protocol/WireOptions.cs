namespace DbRecovery.PostgreSql.Protocol;

/// <summary>Where to connect, as whom, and how the connection is protected.</summary>
internal sealed record WireOptions
{
    /// <summary>The host name or address; a path that begins with <c>/</c> is the folder of a Unix socket.</summary>
    public required string Host { get; init; }
    /// <summary>The port.</summary>
    public required int Port { get; init; }
    /// <summary>The user name.</summary>
    public required string User { get; init; }
    /// <summary>The password; null for none.</summary>
    public SecretValue? Password { get; init; }
    /// <summary>The database; null for a replication connection without one.</summary>
    public string? Database { get; init; }
    /// <summary>How the connection is protected.</summary>
    public TlsMode Tls { get; init; } = TlsMode.Prefer;
    /// <summary>The absolute path of the certificates that are trusted, as PEM; null: those of the system.</summary>
    public string? RootCertificate { get; init; }
    /// <summary>Further parameters of the start-up message, such as <c>replication</c>.</summary>
    public IReadOnlyDictionary<string, string> Parameters { get; init; } = new Dictionary<string, string>();
    /// <summary>Bytes that a message may have; a longer one breaks the connection.</summary>
    public int MessageLimit { get; init; } = 16 * 1024 * 1024;
    /// <summary>Bytes that the rows of one query may have together.</summary>
    public long ResultLimit { get; init; } = 64 * 1024 * 1024;

    /// <summary>The address as people write it.</summary>
    public string Address => Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]:{Port}" : $"{Host}:{Port}";
}

/// <summary>One result set of a query.</summary>
/// <param name="Columns">The names of its columns; empty for a command that gives no rows.</param>
/// <param name="Rows">Its rows, as the server's text.</param>
/// <param name="Tag">The command tag, such as <c>SELECT 1</c>; empty where the server gave none.</param>
internal sealed record WireResult(IReadOnlyList<string> Columns, IReadOnlyList<IReadOnlyList<string?>> Rows, string Tag);

/// <summary>What came of a query.</summary>
/// <param name="Results">Its result sets, in order.</param>
/// <param name="Notices">What the server remarked meanwhile, at most <see cref="WireConnection.MostNotices"/>.</param>
internal sealed record WireOutcome(IReadOnlyList<WireResult> Results, IReadOnlyList<string> Notices);

/// <summary>Bytes of a copy-out, valid until the handler's task ends.</summary>
/// <param name="Stream">Which copy-out of the query, from 0: before PostgreSQL 15 a base backup has one a tablespace.</param>
/// <param name="Bytes">One CopyData message.</param>
/// <param name="Results">The result sets that came before it.</param>
internal readonly record struct CopyChunk(int Stream, ReadOnlyMemory<byte> Bytes, IReadOnlyList<WireResult> Results);

/// <summary>The other side does not speak the protocol as it is written down. The message never holds what it sent.</summary>
internal sealed class WireProtocolException(string message) : IOException(message);
