using System.Reflection;
using System.Runtime.Loader;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace DbRecovery.Build.Help;

/// <summary>Writes MAML: a synopsis from a cmdlet's summary, a description from its remarks, its examples, and its parameters.</summary>
public static partial class MamlWriter
{
    private static readonly XNamespace Maml = "http://schemas.microsoft.com/maml/2004/10";
    private static readonly XNamespace Command = "http://schemas.microsoft.com/maml/dev/command/2004/10";
    private static readonly XNamespace Dev = "http://schemas.microsoft.com/maml/dev/2004/10";
    private static readonly XNamespace Msh = "http://msh";

    /// <summary>Writes the help file; what is missing in the documentation is returned, a line each.</summary>
    public static IReadOnlyList<string> Write(string assemblyPath, string helpPath)
    {
        var folder = Path.GetDirectoryName(Path.GetFullPath(assemblyPath))!;
        var context = new AssemblyLoadContext("help");
        context.Resolving += (c, name) => Find(c, name.Name!, folder);
        var assembly = context.LoadFromAssemblyPath(Path.GetFullPath(assemblyPath));
        var docs = XDocument.Load(Path.ChangeExtension(assemblyPath, ".xml")).Descendants("member")
            .ToDictionary(m => m.Attribute("name")!.Value, m => m);
        var problems = new List<string>();
        var root = new XElement(Msh + "helpItems", new XAttribute("schema", "maml"));
        foreach (var type in assembly.GetExportedTypes().Where(t => Cmdlet(t) is not null).OrderBy(t => t.Name, StringComparer.Ordinal))
            root.Add(CommandElement(type, docs, problems));
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(helpPath))!);
        new XDocument(new XDeclaration("1.0", "utf-8", null), root).Save(helpPath);
        return problems;
    }

    private static Assembly? Find(AssemblyLoadContext context, string name, string folder)
    {
        foreach (var at in new[] { folder, Path.Combine(folder, "dependencies"), AppContext.BaseDirectory })
            if (File.Exists(Path.Combine(at, name + ".dll")))
                return context.LoadFromAssemblyPath(Path.Combine(at, name + ".dll"));
        return null;
    }

    private static XElement CommandElement(Type type, Dictionary<string, XElement> docs, List<string> problems)
    {
        var cmdlet = Cmdlet(type)!;
        var (verb, noun) = ((string)cmdlet.ConstructorArguments[0].Value!, (string)cmdlet.ConstructorArguments[1].Value!);
        var name = $"{verb}-{noun}";
        docs.TryGetValue("T:" + type.FullName, out var doc);
        var synopsis = Demand(Text(doc?.Element("summary")), $"{name}: no summary", problems);
        var description = Demand(Text(doc?.Element("remarks")), $"{name}: no remarks", problems);
        var examples = doc?.Elements("example").ToList() ?? [];
        if (examples.Count == 0)
            problems.Add($"{name}: no example");
        var parameters = Parameters(type, docs, name, problems);
        var sets = parameters.SelectMany(p => p.Sets).Where(s => s.Set is not null).Select(s => s.Set!).Distinct().DefaultIfEmpty("").ToList();
        return new XElement(Command + "command",
            new XAttribute(XNamespace.Xmlns + "maml", Maml), new XAttribute(XNamespace.Xmlns + "command", Command), new XAttribute(XNamespace.Xmlns + "dev", Dev),
            new XElement(Command + "details",
                new XElement(Command + "name", name), new XElement(Command + "verb", verb), new XElement(Command + "noun", noun),
                new XElement(Maml + "description", Para(synopsis))),
            new XElement(Maml + "description", Para(description)),
            new XElement(Command + "syntax", sets.Select(set => SyntaxItem(name, set, parameters))),
            new XElement(Command + "parameters", parameters.OrderBy(p => p.Name, StringComparer.Ordinal).Select(p => ParameterElement(p, p.Sets[0]))),
            new XElement(Command + "returnValues", OutputTypes(type).Select(t => new XElement(Command + "returnValue",
                new XElement(Dev + "type", new XElement(Maml + "name", t)), new XElement(Maml + "description", Para(""))))),
            new XElement(Command + "examples", examples.Select((e, i) => new XElement(Command + "example",
                new XElement(Maml + "title", $"Example {i + 1}"),
                new XElement(Dev + "code", Text(e.Element("code"))),
                new XElement(Dev + "remarks", Para(Text(e.Element("para"))))))));
    }

    private static XElement SyntaxItem(string name, string set, List<ParameterDoc> parameters) =>
        new(Command + "syntaxItem", new XElement(Maml + "name", name),
            parameters.Select(p => (Doc: p, At: p.Sets.FirstOrDefault(s => s.Set is null || s.Set == set)))
                .Where(p => p.At is not null)
                .OrderBy(p => p.At!.Position ?? int.MaxValue).ThenBy(p => !p.At!.Mandatory)
                .Select(p => ParameterElement(p.Doc, p.At!)));

    private static XElement ParameterElement(ParameterDoc parameter, SetDoc set) =>
        new(Command + "parameter",
            new XAttribute("required", set.Mandatory ? "true" : "false"),
            new XAttribute("globbing", parameter.Wildcards ? "true" : "false"),
            new XAttribute("pipelineInput", Pipeline(set)),
            new XAttribute("position", set.Position?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "named"),
            new XAttribute("aliases", parameter.Aliases.Count == 0 ? "none" : string.Join(", ", parameter.Aliases)),
            new XElement(Maml + "name", parameter.Name),
            new XElement(Maml + "description", Para(parameter.Description)),
            parameter.Type == "SwitchParameter" ? null : new XElement(Command + "parameterValue", new XAttribute("required", "true"), parameter.Type),
            new XElement(Dev + "type", new XElement(Maml + "name", parameter.Type)));

    private static string Pipeline(SetDoc set) => (set.ByValue, set.ByName) switch
    {
        (true, true) => "True (ByValue, ByPropertyName)",
        (true, false) => "True (ByValue)",
        (false, true) => "True (ByPropertyName)",
        _ => "False",
    };

    private static List<ParameterDoc> Parameters(Type type, Dictionary<string, XElement> docs, string cmdlet, List<string> problems)
    {
        var found = new List<ParameterDoc>();
        foreach (var property in type.GetProperties(BindingFlags.Public | BindingFlags.Instance))
        {
            var data = property.GetCustomAttributesData();
            var sets = data.Where(a => a.AttributeType.Name == "ParameterAttribute").Select(SetDoc.Of).ToList();
            if (sets.Count == 0)
                continue;
            docs.TryGetValue($"P:{property.DeclaringType!.FullName}.{property.Name}", out var doc);
            found.Add(new ParameterDoc(property.Name, TypeName(property.PropertyType),
                Demand(Text(doc?.Element("summary")), $"{cmdlet} -{property.Name}: no summary", problems), sets,
                data.Any(a => a.AttributeType.Name == "SupportsWildcardsAttribute"),
                [.. data.Where(a => a.AttributeType.Name == "AliasAttribute")
                    .SelectMany(a => (IReadOnlyCollection<CustomAttributeTypedArgument>)a.ConstructorArguments[0].Value!).Select(v => (string)v.Value!)]));
        }
        return found;
    }

    private static IEnumerable<string> OutputTypes(Type type) => type.GetCustomAttributesData()
        .Where(a => a.AttributeType.Name == "OutputTypeAttribute")
        .SelectMany(a => a.ConstructorArguments)
        .SelectMany(a => a.Value is IReadOnlyCollection<CustomAttributeTypedArgument> many ? many.Select(v => v.Value) : [a.Value])
        .OfType<Type>().Select(t => t.FullName ?? t.Name);

    private static string TypeName(Type type) => Nullable.GetUnderlyingType(type) is { } inner ? TypeName(inner) : type.Name;

    private static CustomAttributeData? Cmdlet(Type type) => type.GetCustomAttributesData().FirstOrDefault(a => a.AttributeType.Name == "CmdletAttribute");

    private static XElement Para(string text) => new(Maml + "para", text);

    private static string Text(XElement? element) => element is null ? "" : Spaces().Replace(element.Value, " ").Trim();

    private static string Demand(string text, string problem, List<string> problems)
    {
        if (text.Length == 0)
            problems.Add(problem);
        return text;
    }

    [GeneratedRegex(@"\s+")]
    private static partial Regex Spaces();

    private sealed record ParameterDoc(string Name, string Type, string Description, IReadOnlyList<SetDoc> Sets, bool Wildcards, IReadOnlyList<string> Aliases);

    private sealed record SetDoc(string? Set, bool Mandatory, int? Position, bool ByValue, bool ByName)
    {
        public static SetDoc Of(CustomAttributeData attribute)
        {
            object? Value(string name) => attribute.NamedArguments.FirstOrDefault(a => a.MemberName == name).TypedValue.Value;
            return new SetDoc((string?)Value("ParameterSetName"), Value("Mandatory") is true, (int?)Value("Position"),
                Value("ValueFromPipeline") is true, Value("ValueFromPipelineByPropertyName") is true);
        }
    }
}
