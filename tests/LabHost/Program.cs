using DbRecovery.PostgresLab;

// Starts a cluster for whoever is no .NET test, writes its inventory and says where; carries out what standard input says, a line each, and
// answers each with a line. The cluster ends with the input.
var options = new PgClusterOptions
{
    Name = Given("--name", "lab"),
    Standbys = int.Parse(Given("--standbys", "2")),
    Synchronous = int.Parse(Given("--synchronous", "0")),
    Scram = args.Contains("--scram"),
    WalLogHints = true,
};
await using var cluster = await PgCluster.StartAsync(options);
var inventory = Path.Combine(cluster.Folder, "dbrecovery.yml");
File.WriteAllText(inventory, cluster.Definition(string.Concat(More().Select(line => $"    {line}\n"))));
Say($"ready {inventory}");
while (await Console.In.ReadLineAsync() is { } line)
{
    try
    {
        Say($"ok {await ActAsync(line.Split(' ', 3))}".TrimEnd());
    }
    catch (Exception e)
    {
        Say($"failed {e.Message.ReplaceLineEndings(" ")}");
    }
}
return 0;

async Task<string?> ActAsync(string[] words)
{
    var node = cluster[words[1]];
    switch (words[0])
    {
        case "kill":
            await node.KillAsync();
            return null;
        case "stop":
            await node.StopAsync();
            return null;
        case "start":
            await node.StartAsync();
            return null;
        case "break":
            node.BreakBinary();
            return null;
        case "mend":
            node.MendBinary();
            return null;
        case "run":
            await cluster.ExecuteAsync(node, words[2]);
            return null;
        case "ask":
            return $"{await cluster.ScalarAsync<object>(node, words[2])}";
        default:
            throw new ArgumentException($"'{words[0]}' is no command");
    }
}

string Given(string option, string otherwise) => Array.IndexOf(args, option) is var at and >= 0 ? args[at + 1] : otherwise;

// --also LINE, any number of times: further lines of the cluster's entry
IEnumerable<string> More() => args.Select((word, at) => (word, at)).Where(a => a.word == "--also").Select(a => args[a.at + 1]);

static void Say(string text)
{
    Console.Out.WriteLine(text);
    Console.Out.Flush();
}
