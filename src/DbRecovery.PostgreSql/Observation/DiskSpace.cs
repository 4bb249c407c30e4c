using System.Globalization;

namespace DbRecovery.PostgreSql.Observation;

/// <summary>Free space on the disk of the data, which SQL cannot tell: through the node's machine, where the inventory gives a way there.</summary>
/// <param name="commands">Runs a program there.</param>
/// <param name="local">Asks where there is this machine.</param>
internal sealed class DiskSpace(INodeCommands commands, LocalDisk local)
{
    private static readonly TimeSpan Most = TimeSpan.FromSeconds(10);

    /// <summary>Asks the machine.</summary>
    internal async Task<FactSet> ReadAsync(ClusterDefinition cluster, NodeDefinition node, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var facts = new FactSet();
        var (free, size, why) = await LookAsync(cluster, node, Quantities.Least(timeout, Most), cancellationToken).ConfigureAwait(false);
        if (why is null)
        {
            facts.Set(CommonFacts.DiskFree, free);
            facts.Set(CommonFacts.DiskSize, size);
        }
        else
        {
            facts.SetUnknown(CommonFacts.DiskFree, why);
            facts.SetUnknown(CommonFacts.DiskSize, why);
        }
        return facts;
    }

    private async Task<(long Free, long Size, string? Why)> LookAsync(ClusterDefinition cluster, NodeDefinition node, TimeSpan timeout, CancellationToken cancellationToken)
    {
        if (cluster.Control is null || node.DataDir is null)
            return (0, 0, "the inventory gives no control of the node's machine, or no data folder");
        try
        {
            if (cluster.Control.Via.Count == 0 && await local.AskAsync(node.DataDir, timeout, cancellationToken).ConfigureAwait(false) is { } here)
                return (here.Free, here.Size, null);
            var outcome = await commands.RunAsync(cluster, node, new NodeCommand { Arguments = ["df", "-P", "-B1", "--", node.DataDir], Timeout = timeout, RunAs = node.RunAs }, cancellationToken).ConfigureAwait(false);
            if (outcome.ExitCode != 0)
                return (0, 0, $"df ended with {outcome.ExitCode}: {outcome.Error.Trim()}");
            return Parse(outcome.Output) is { } space ? (space.Free, space.Size, null) : (0, 0, "what df wrote cannot be understood");
        }
        catch (DbRecoveryException e)
        {
            return (0, 0, e.Message);
        }
        catch (TimeoutException)
        {
            return (0, 0, string.Create(CultureInfo.InvariantCulture, $"the file system of {node.DataDir} did not answer within {timeout.TotalSeconds:0.###} s"));
        }
    }

    /// <summary>Reads what <c>df -P -B1</c> writes: a heading, then file system, size, used, available, capacity, mount point. The first and the last may hold spaces.</summary>
    internal static (long Free, long Size)? Parse(string output)
    {
        if (output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) is not [_, .., var line])
            return null;
        var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        for (var i = 4; i < words.Length; i++)
        {
            if (words[i] is [.., '%'] && Number(words[i - 1]) is { } free && Number(words[i - 3]) is { } size)
                return (free, size);
        }
        return null;

        static long? Number(string word) => long.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : null;
    }
}
