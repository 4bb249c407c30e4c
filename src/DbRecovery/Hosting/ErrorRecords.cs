using System.Management.Automation;

namespace DbRecovery.PowerShell.Hosting;

/// <summary>Turns errors into PowerShell's records: id, category by cause, target, and what to do.</summary>
internal static class ErrorRecords
{
    /// <summary>The record of an error.</summary>
    public static ErrorRecord Of(Exception error, object? target)
    {
        var cause = error is AggregateException { InnerException: { } inner } ? inner : error;
        return cause switch
        {
            DbRecoveryException known => OfKnown(known, target),
            // what PowerShell throws where it would ask and is -NonInteractive
            PSInvalidOperationException => OfKnown(new DbRecoveryException(ErrorIds.ApprovalRequired, ErrorKind.Refused, $"nobody can be asked here, and -Confirm:$false was not given; nothing was changed: {cause.Message}",
                "Read what would be done with -WhatIf, then say -Confirm:$false.", inner: cause), target),
            OperationCanceledException => new ErrorRecord(cause, ErrorIds.Cancelled, ErrorCategory.OperationStopped, target),
            FileNotFoundException { FileName: { } file } missing when file.Contains("DbRecovery", StringComparison.Ordinal) => OfMissingFile(missing, file),
            _ => new ErrorRecord(cause, ErrorIds.Unexpected, ErrorCategory.NotSpecified, target)
            {
                ErrorDetails = new ErrorDetails($"an unforeseen error ({cause.GetType().Name}): {cause.Message}") { RecommendedAction = "This is a defect of DbRecovery: please report it with the output of 'Get-Error'." },
            },
        };
    }

    private static ErrorRecord OfKnown(DbRecoveryException error, object? target)
    {
        var text = error.Findings.Count == 0
            ? error.Message
            : error.Message + Environment.NewLine + string.Join(Environment.NewLine, error.Findings);
        return new ErrorRecord(error, error.Id, Category(error.Kind), error.Target ?? target)
        {
            ErrorDetails = new ErrorDetails(text) { RecommendedAction = error.RecommendedAction ?? "" },
        };
    }

    private static ErrorRecord OfMissingFile(FileNotFoundException error, string file)
    {
        var name = file.Split(',')[0];
        var known = new DbRecoveryException(ErrorIds.LibraryMissing, ErrorKind.MissingDependency,
            $"the module is incomplete: '{name}.dll' is missing from its folder 'bin/dependencies'", "Install the module again.", name, error);
        return OfKnown(known, name);
    }

    /// <summary>The category of a kind of failure.</summary>
    public static ErrorCategory Category(ErrorKind kind) => kind switch
    {
        ErrorKind.InvalidInput => ErrorCategory.InvalidArgument,
        ErrorKind.NotFound => ErrorCategory.ObjectNotFound,
        ErrorKind.Refused => ErrorCategory.InvalidOperation,
        ErrorKind.PermissionDenied => ErrorCategory.PermissionDenied,
        ErrorKind.Busy => ErrorCategory.ResourceBusy,
        ErrorKind.Timeout => ErrorCategory.OperationTimeout,
        ErrorKind.OutOfSpace => ErrorCategory.LimitsExceeded,
        ErrorKind.CorruptData => ErrorCategory.InvalidData,
        ErrorKind.MissingDependency => ErrorCategory.NotInstalled,
        ErrorKind.NotSupported => ErrorCategory.NotImplemented,
        _ => ErrorCategory.OperationStopped,
    };
}
