namespace DbRecovery.Engine.Inventory;

/// <summary>An inventory file that was read and found valid.</summary>
public sealed record InventoryModel
{
    /// <summary>The file's absolute path; null for a target given without an inventory.</summary>
    public string? Path { get; init; }
    /// <summary>The clusters in the order of the file.</summary>
    public IReadOnlyList<ClusterDefinition> Clusters { get; init; } = [];
    /// <summary>The backup repositories by name.</summary>
    public IReadOnlyDictionary<string, RepositoryDefinition> Repositories { get; init; } = new Dictionary<string, RepositoryDefinition>();
    /// <summary>The ways to reach people by name.</summary>
    public IReadOnlyDictionary<string, NotificationChannel> Notifications { get; init; } = new Dictionary<string, NotificationChannel>();
    /// <summary>The environment variables that it names as the places of secrets.</summary>
    public IReadOnlyCollection<string> SecretVariables { get; init; } = [];
    /// <summary>Absolute paths of folders with the user's own runbooks; one of the same name replaces a shipped one.</summary>
    public IReadOnlyList<string> RunbookFolders { get; init; } = [];
    /// <summary>The absolute path of the folder for journals, leases, evidence and baselines; null: the user's default.</summary>
    public string? StateFolder { get; init; }
}
