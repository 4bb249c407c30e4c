using System.Management.Automation;

namespace DbRecovery.PowerShell.Completers;

/// <summary>Lets a time be given as 30s, 15m, 1h or 7d as well as in PowerShell's own forms.</summary>
public sealed class DurationTransformationAttribute : ArgumentTransformationAttribute
{
    /// <inheritdoc/>
    public override object Transform(EngineIntrinsics engineIntrinsics, object inputData)
    {
        var value = inputData is PSObject wrapped ? wrapped.BaseObject : inputData;
        // to PowerShell 30s and 7d are numbers (a short, a decimal), which it would take for ticks: as text they still are what was typed
        var text = value is string word ? word : value is IConvertible ? inputData.ToString() : null;
        if (text is null)
            return inputData;
        if (Quantities.TryTypedDuration(text, out var duration))
            return duration;
        throw new ArgumentTransformationMetadataException($"'{text}' is no duration: write 250ms, 30s, 15m, 1h, 7d or 00:30:00");
    }
}

/// <summary>Lets an amount of data be given as 0B, 64KiB, 10MB, or Any.</summary>
public sealed class SizeTransformationAttribute : ArgumentTransformationAttribute
{
    /// <inheritdoc/>
    public override object Transform(EngineIntrinsics engineIntrinsics, object inputData)
    {
        var value = inputData is PSObject wrapped ? wrapped.BaseObject : inputData;
        if (value is not string text)
            return inputData;
        if (Quantities.TryTypedSize(text, out var bytes))
            return bytes;
        throw new ArgumentTransformationMetadataException($"'{text}' is no size: write 0B, 64KiB, 10MB, 1GB, or Any");
    }
}
