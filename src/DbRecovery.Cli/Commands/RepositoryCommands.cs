using System.CommandLine;

namespace DbRecovery.Cli.Commands;

/// <summary>repository: test, repair, prune, key.</summary>
internal static class RepositoryCommands
{
    public static void Add(RootCommand root, Binder bind)
    {
        var group = new Verb("repository", "Checks, repairs and prunes backup repositories, and changes their keys.",
            "dbrecovery repository test main", "dbrecovery repository repair main --plan", "dbrecovery repository prune main --repack --plan", "dbrecovery repository key list main");
        group.Add(RepositoryCareCommands.Test(bind));
        group.Add(RepositoryCareCommands.Repair(bind));
        group.Add(RemovalCommands.Prune(bind));
        group.Add(RepositoryKeyCommands.Make(bind));
        root.Add(group);
    }
}
