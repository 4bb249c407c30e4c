namespace DbRecovery.Integration.Tests;

/// <summary>
/// Moments spread over the time that a command takes. The seed is fixed: they are the same in every run, as far as the machine
/// allows. A run that ends before its moment shows that the machine was busier when it was measured: the rest come sooner.
/// </summary>
internal sealed class Moments(TimeSpan start, TimeSpan whole, int count)
{
    private readonly Random _random = new(20261121);
    private TimeSpan _start = start < whole ? start : TimeSpan.Zero, _whole = whole;

    public TimeSpan Next(int index) => _start + (_whole - _start) * ((index + _random.NextDouble()) / count);

    /// <summary>A run was over after so long.</summary>
    public void Missed(TimeSpan took)
    {
        if (took < _whole)
            (_start, _whole) = (_start * (took / _whole), took);
    }

    public override string ToString() => $"{_start.TotalMilliseconds:0} to {_whole.TotalMilliseconds:0} ms";
}
