namespace DbRecovery.Runtime;

public sealed partial class RecoveryRuntime
{
    /// <summary>Reads what is left of a damaged database file into a new one. The damaged file is only read.</summary>
    /// <param name="engine">The engine, such as <c>sqlite</c>.</param>
    /// <param name="damaged">The damaged file.</param>
    /// <param name="destination">The new one; null: nothing is written, the report says what can be read.</param>
    /// <param name="progress">Progress.</param>
    /// <param name="cancellationToken">Cancels; nothing is left then.</param>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.DatabaseNotFound"/>, <see cref="ErrorIds.DatabaseCorrupt"/> (nothing can be read), <see cref="ErrorIds.TargetExists"/>.</exception>
    public Task<SalvageReport> SalvageAsync(string engine, string damaged, string? destination, IProgress<OperationProgress>? progress, CancellationToken cancellationToken) =>
        Provider(engine).TryGet<ISalvager>(out var salvager)
            ? salvager.SalvageAsync(Locations.Resolve(_options, damaged), destination is null ? null : Locations.Resolve(_options, destination), progress, cancellationToken)
            : throw new DbRecoveryException(ErrorIds.CapabilityMissing, ErrorKind.NotSupported, $"{engine} databases cannot be salvaged from their files", "Restore a backup.", damaged);
}
