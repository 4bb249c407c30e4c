using DbRecovery.Recorder;

// dotnet run --project tests/Recorder -- FOLDER [NAME...]
//   FOLDER  where the recordings go: tests/DbRecovery.Engine.Tests/Faults/Recordings
//   NAME    situations to record; without any, all
if (args.Length == 0)
{
    Console.Error.WriteLine("usage: dotnet run --project tests/Recorder -- FOLDER [NAME...]");
    return 2;
}
var wanted = args.Skip(1).ToHashSet(StringComparer.Ordinal);
var unknown = wanted.Except(Situations.All.Select(s => s.Name)).ToList();
if (unknown.Count > 0)
{
    Console.Error.WriteLine($"there is no situation {string.Join(", ", unknown)}; there are {string.Join(", ", Situations.All.Select(s => s.Name))}");
    return 2;
}
Directory.CreateDirectory(args[0]);
var failed = 0;
foreach (var situation in Situations.All.Where(s => wanted.Count == 0 || wanted.Contains(s.Name)))
{
    try
    {
        await using var lab = await Lab.StartAsync(situation);
        await situation.Bring(lab);
        var view = await lab.UntilAsync(situation.Shown);
        File.WriteAllText(Path.Combine(args[0], situation.Name + ".json"), Recording.Of(view, lab.Clusters));
        Console.WriteLine($"{situation.Name}: {string.Join(", ", lab.Faults.Select(f => f.Node is null ? f.Id : $"{f.Id}@{f.Node}"))}");
    }
    catch (Exception e) when (e is not OutOfMemoryException)
    {
        Console.Error.WriteLine($"{situation.Name}: {e.Message}");
        failed++;
    }
}
return failed == 0 ? 0 : 1;
