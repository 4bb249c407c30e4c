using System.Collections;
using System.Globalization;
using System.Management.Automation;
using DbRecovery.PowerShell.Hosting;
using DbRecovery.Shells;

namespace DbRecovery.PowerShell.Commands;

public sealed partial class RestoreDbBackupCommand
{
    private const int BehindAtMost = 1000;

    /// <summary>Restores only this table: into a new file with -Destination, else compared with the live database.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? Table { get; set; }

    /// <summary>Only the rows for which this condition holds, as after WHERE. Rows of the backup for which it holds there, and rows that only the database has for which it holds in it.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? Where { get; set; }

    /// <summary>Only the rows with these primary keys. A key of several columns is an array, as in -Key @(,@('a', 1)), or one text with commas, as in 'a,1'.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public object[]? Key { get; set; }

    /// <summary>A new table in the live database that gets the backup's rows, to look at.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? StagingTable { get; set; }

    /// <summary>The differences that are written into the live database: Missing brings rows back, Changed gives rows the backup's values, Added deletes rows that the backup does not have.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public RowDifferenceKind[]? Apply { get; set; }

    /// <summary>The new file of the script that undoes what is written. Without it: a file beside the database.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? UndoScript { get; set; }

    private bool RowsWanted()
    {
        if (Table is not null)
        {
            if (IncludeFiles || FilesTo is not null)
                throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, "files that belong to the database have no place beside -Table", "Restore them with the whole backup: leave -Table out.", nameof(IncludeFiles));
            return true;
        }
        foreach (var name in new[] { nameof(Where), nameof(Key), nameof(StagingTable), nameof(Apply), nameof(UndoScript) })
            if (MyInvocation.BoundParameters.ContainsKey(name))
                throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"-{name} is about rows, and no table was named", "Name it with -Table.", name);
        return false;
    }

    private void RestoreRows(BackupInfo backup, string? destination)
    {
        if (destination is not null && !ShouldProcessAt(ConfirmImpact.Medium, $"Restore the table '{Table}' of backup {backup.Id} to '{destination}'", $"Restore the table '{Table}' of backup {backup.Id} to '{destination}'?"))
            return;
        var selection = new RowSelection { Table = Table!, Where = Where, Keys = Key is null ? null : [.. Key.Select(KeyOf)] };
        WriteObject(Work($"Restoring {Table} of {backup.Id}", (operation, token) =>
        {
            var options = new RowRestoreOptions
            {
                Destination = destination,
                StagingTable = StagingTable,
                Apply = [.. (Apply ?? []).Distinct()],
                UndoScript = UndoScript is null ? null : ResolvePath(UndoScript, nameof(UndoScript)),
                Force = Force,
                Approve = (plan, cancel) => operation.AskAsync(() => Approved(plan), cancel),
            };
            var count = 0;
            return operation.Runtime.RestoreRowsAsync(backup, selection, options, difference =>
            {
                operation.Write(difference);
                // differences come faster than a pipeline takes them
                if (++count % BehindAtMost == 0)
                    operation.AskAsync(() => true, token).GetAwaiter().GetResult();
            }, operation.Progress, token);
        }));
    }

    private bool Approved(RowRestorePlan plan)
    {
        var text = RowText.Summary(plan);
        if (ShouldProcess(text, text + Environment.NewLine + "Write?", "DbRecovery"))
            return true;
        WriteObject(plan);
        return false;
    }

    private static IReadOnlyList<string> KeyOf(object key) => (key is PSObject wrapped ? wrapped.BaseObject : key) switch
    {
        byte[] bytes => [Text(bytes)],
        IEnumerable values and not string => [.. values.Cast<object>().Select(v => Text(v is PSObject inner ? inner.BaseObject : v))],
        var value => [Text(value)],
    };

    private static string Text(object value) => value is byte[] bytes ? $"X'{Convert.ToHexString(bytes)}'" : Convert.ToString(value, CultureInfo.InvariantCulture) ?? "";
}
