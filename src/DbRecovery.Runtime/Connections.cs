namespace DbRecovery.Runtime;

/// <summary>Names what is put together: one line a database, one a service.</summary>
internal static class Connections
{
    public static Composition Create() => throw new DbRecoveryException(ErrorIds.CapabilityMissing, ErrorKind.NotSupported,
        "this build has no database, inventory reader, backup, runbook or incident service connected");
}
