using DbRecovery.Engine.Faults;
using static DbRecovery.Engine.Tests.Faults.Situations;

namespace DbRecovery.Engine.Tests.Faults;

/// <summary>The fault names the tables and indexes that the damaged pages belong to.</summary>
public sealed class SqliteDamagedObjectsTests
{
    [Theory]
    [InlineData("Page 6509: btreeInitPage() returns error code 11", "table a: b: page 6497 (reached from page 3) is not well-formed|table a: b: page 7 does not exist|index i: page 9 is reached twice", "data", "a: b|i")]
    [InlineData("Page 9: btreeInitPage() returns error code 11", "index i: page 9 (reached from page 3) is not well-formed", "data", "i")]
    [InlineData("wrong # of entries in index i_a", "", "index", "i_a")]
    [InlineData("Main freelist: size is 3 but should be 5", "", "data", "")]
    public void Damaged_objects_are_named(string line, string damaged, string damage, string objects)
    {
        var fault = Assert.Single(FaultClassifier.Classify(View(f =>
        {
            f.Set(SqliteFacts.StructureErrors, FactValue.OfList([line]));
            f.Set(SqliteFacts.DamagedObjects, FactValue.OfList(damaged.Split('|', StringSplitOptions.RemoveEmptyEntries)));
        })));
        Assert.Equal(damage, fault.Details["damage"].AsText());
        Assert.Equal(objects.Split('|', StringSplitOptions.RemoveEmptyEntries), fault.Details["objects"].AsList());
    }
}
