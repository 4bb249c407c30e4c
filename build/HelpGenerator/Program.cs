using DbRecovery.Build.Help;

if (args.Length != 2)
{
    Console.Error.WriteLine("usage: HelpGenerator <DbRecovery.dll with its .xml beside it> <DbRecovery.dll-Help.xml to write>");
    return 2;
}
var problems = MamlWriter.Write(args[0], args[1]);
foreach (var problem in problems)
    Console.Error.WriteLine(problem);
return problems.Count == 0 ? 0 : 1;
