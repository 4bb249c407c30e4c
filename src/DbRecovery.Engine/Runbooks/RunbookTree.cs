namespace DbRecovery.Engine.Runbooks;

/// <summary>What is within the values and conditions of a runbook, however deep.</summary>
internal static class RunbookTree
{
    /// <summary>The look-ups and written values of which a value is made.</summary>
    public static IEnumerable<RunbookValue> Leaves(this RunbookValue value) => value switch
    {
        TextValue text => text.Parts.SelectMany(Leaves),
        ListValue list => list.Items.SelectMany(Leaves),
        MapValue map => map.Items.Values.SelectMany(Leaves),
        _ => [value],
    };

    /// <summary>The comparisons of facts of which a condition is made.</summary>
    public static IEnumerable<FactCondition> Facts(this Condition? condition) => condition switch
    {
        FactCondition fact => [fact],
        AnyCondition any => any.Items.SelectMany(Facts),
        AllCondition all => all.Items.SelectMany(Facts),
        NotCondition not => Facts(not.Item),
        _ => [],
    };
}
