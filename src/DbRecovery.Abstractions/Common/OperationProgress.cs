namespace DbRecovery;

/// <summary>How far a long operation is. Sent often; a shell throttles what it shows.</summary>
/// <param name="Activity">What is being done, such as <c>Backing up app</c>.</param>
/// <param name="Status">The phase or file at hand.</param>
/// <param name="Done">Units done so far (bytes where <paramref name="Unit"/> is <c>B</c>).</param>
/// <param name="Total">Units in all; null where it cannot be known.</param>
/// <param name="Unit">The unit, <c>B</c> for bytes.</param>
public readonly record struct OperationProgress(string Activity, string Status, long Done, long? Total, string Unit = "B")
{
    /// <summary>0 to 100, or null where the total is unknown.</summary>
    public int? Percent => Total is > 0 ? (int)Math.Clamp(Done * 100 / Total.Value, 0, 100) : null;
}
