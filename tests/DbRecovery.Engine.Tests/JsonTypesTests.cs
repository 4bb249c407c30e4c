using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using DbRecovery.Engine.Actions;

namespace DbRecovery.Engine.Tests;

/// <summary>The native executable knows of a type what the compiler wrote down: it must be what the module finds out by reflection.</summary>
public sealed class JsonTypesTests
{
    private static readonly JsonSerializerOptions Written = new(DbRecoveryJson.Compact)
    {
        TypeInfoResolver = JsonTypeInfoResolver.Combine(EngineTypes.Default, (IJsonTypeInfoResolver)Activator.CreateInstance(
            typeof(DbRecoveryJson).Assembly.GetType("DbRecovery.DomainJson", throwOnError: true)!)!),
    };

    public static TheoryData<Type> States => [.. typeof(RecoveryAction).Assembly.GetTypes()
        .Where(t => !t.IsAbstract && t.BaseType is { IsGenericType: true } b && b.GetGenericTypeDefinition() == typeof(RecoveryAction<,>))
        .Select(t => t.BaseType!.GetGenericArguments()[1]).Distinct()];

    public static TheoryData<Type> Roots => [.. new[] { typeof(EngineTypes), typeof(DbRecoveryJson).Assembly.GetType("DbRecovery.DomainJson", throwOnError: true)! }
        .SelectMany(c => c.GetCustomAttributesData()).Where(a => a.AttributeType == typeof(JsonSerializableAttribute))
        .Select(a => (Type)a.ConstructorArguments[0].Value!).Where(t => t.Assembly.GetName().Name!.StartsWith("DbRecovery", StringComparison.Ordinal)).Distinct()];

    [Theory]
    [MemberData(nameof(States))]
    public void The_state_of_every_action_is_known(Type state) => Assert.NotNull(Written.GetTypeInfo(state));

    [Theory]
    [MemberData(nameof(Roots))]
    public void A_type_is_written_down_as_it_is(Type root)
    {
        var seen = new HashSet<Type>();
        var open = new Queue<Type>([root]);
        while (open.TryDequeue(out var type))
        {
            if (!seen.Add(type))
                continue;
            var (written, found) = (Written.GetTypeInfo(type), DbRecoveryJson.Compact.GetTypeInfo(type));
            Assert.Equal(found.Kind, written.Kind);
            Assert.Equal(Properties(found), Properties(written));
            IEnumerable<Type> parts = found.Kind is JsonTypeInfoKind.Enumerable or JsonTypeInfoKind.Dictionary
                ? type.IsArray ? [type.GetElementType()!] : type.GetGenericArguments()
                : found.Properties.Where(p => p.Get is not null).Select(p => p.PropertyType);
            foreach (var part in parts)
                open.Enqueue(part);
        }
    }

    // a property that is ignored stands in the list too, without a way to get it
    private static List<string> Properties(JsonTypeInfo type) =>
        [.. type.Properties.Where(p => p.Get is not null).Select(p => $"{p.Name} {p.PropertyType} {p.IsRequired} {p.Set is not null}").Order(StringComparer.Ordinal)];
}
