using System.Diagnostics;
using System.Text;
using DbRecovery.Engine.Files;

namespace DbRecovery.Engine.Incidents;

/// <summary>Sees journal records: what a test host needs to stop the process at a chosen one.</summary>
public interface IJournalObserver
{
    /// <summary>A record is about to be written. An exception here is a failed write.</summary>
    void Writing(long seq, JournalKind kind);

    /// <summary>A record is on the disk.</summary>
    void Written(long seq, JournalKind kind);
}

/// <summary>What a journal file holds.</summary>
/// <param name="Records">The whole records.</param>
/// <param name="Length">Bytes that those take; what follows is a torn last line.</param>
internal sealed record JournalContent(IReadOnlyList<JournalRecord> Records, long Length);

/// <summary>The append-only record of one incident: a line is on the disk before its effect begins.</summary>
internal sealed class Journal : IDisposable
{
    // tells whoever listens in the process (a tracer, a test that ends it there) that a record is on the disk
    private static readonly DiagnosticListener s_events = new("DbRecovery.Journal");

    private readonly FileStream _stream;
    private readonly IJournalObserver? _observer;
    private long _seq;
    private long _length;
    private string _prevHash;
    private bool _broken;

    private Journal(FileStream stream, JournalContent content, IJournalObserver? observer)
    {
        _stream = stream;
        _observer = observer;
        _length = content.Length;
        _seq = content.Records.Count;
        _prevHash = content.Records.Count == 0 ? JournalRecord.NoHash : content.Records[^1].Hash;
    }

    /// <summary>Opens or makes a journal for appending. A torn last line is cut off.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.JournalCorrupt"/>, <see cref="ErrorIds.OutOfSpace"/>, <see cref="ErrorIds.AccessDenied"/>.</exception>
    public static Journal Open(string path, IJournalObserver? observer) => FileErrors.Guarded(path, ErrorIds.Unexpected, () => OpenFile(path, observer));

    private static Journal OpenFile(string path, IJournalObserver? observer)
    {
        DurableFile.CreateFolder(Path.GetDirectoryName(path)!);
        var isNew = !File.Exists(path);
        var content = isNew ? new JournalContent([], 0) : Read(path);
        var stream = new FileStream(path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.Read, 1);
        try
        {
            if (stream.Length > content.Length)
                stream.SetLength(content.Length);
            stream.Seek(content.Length, SeekOrigin.Begin);
            if (isNew)
                DurableFile.SyncFolder(Path.GetDirectoryName(path)!);
            return new Journal(stream, content, observer);
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>Reads a journal and checks its chain.</summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.JournalCorrupt"/>: a line before the last is not what was written.</exception>
    public static JournalContent Read(string path)
    {
        byte[] bytes;
        using (var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete))
        {
            bytes = new byte[stream.Length];
            stream.ReadExactly(bytes);
        }
        var records = new List<JournalRecord>();
        var previous = JournalRecord.NoHash;
        var start = 0;
        while (start < bytes.Length)
        {
            var end = Array.IndexOf(bytes, (byte)'\n', start);
            if (end < 0)
                break;
            var record = JournalRecord.TryParse(Encoding.UTF8.GetString(bytes, start, end - start));
            if (record is null || record.Seq != records.Count + 1 || record.PrevHash != previous)
                throw Corrupt(path, records.Count + 1);
            records.Add(record);
            previous = record.Hash;
            start = end + 1;
        }
        return new JournalContent(records, start);
    }

    /// <summary>Whether a write failed: nothing more goes into this journal by this process.</summary>
    public bool IsBroken => _broken;

    /// <summary>
    /// Writes a record; gives it as it was written. What an effect follows, or what ends the incident for now, is on the disk when this returns,
    /// with all that was written before it; the others survive the end of the process, and reach the disk with the next.
    /// </summary>
    /// <exception cref="DbRecoveryException"><see cref="ErrorIds.OutOfSpace"/> or <see cref="ErrorIds.AccessDenied"/>: it could not be written, so nothing may be done.</exception>
    public JournalRecord Append(JournalRecord record)
    {
        if (_broken)
            throw new DbRecoveryException(ErrorIds.JournalCorrupt, ErrorKind.Failed, $"'{_stream.Name}' could not be written before, so nothing is appended to it", target: _stream.Name);
        var numbered = record with { Seq = _seq + 1, PrevHash = _prevHash };
        var (line, hash) = numbered.ToLine();
        var bytes = Encoding.UTF8.GetBytes(line + "\n");
        try
        {
            _observer?.Writing(numbered.Seq, numbered.Kind);
            _stream.Write(bytes);
            _stream.Flush(flushToDisk: IsBeforeAnEffect(record.Kind));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _broken = true;
            CutTorn();
            var (id, kind) = FileErrors.IsDiskFull(e) ? (ErrorIds.OutOfSpace, ErrorKind.OutOfSpace)
                : e is UnauthorizedAccessException ? (ErrorIds.AccessDenied, ErrorKind.PermissionDenied)
                : (ErrorIds.StepFailed, ErrorKind.Failed);
            throw new DbRecoveryException(id, kind,
                $"the journal '{_stream.Name}' cannot be written, so the recovery stopped before its next act: {e.Message}",
                "Free space or give access there, then resume the incident.", _stream.Name, e);
        }
        _seq++;
        _length += bytes.Length;
        _prevHash = hash;
        _observer?.Written(numbered.Seq, numbered.Kind);
        if (s_events.IsEnabled())
            s_events.Write("Record", numbered.Seq);
        return numbered with { Hash = hash };
    }

    /// <inheritdoc/>
    public void Dispose() => _stream.Dispose();

    private static bool IsBeforeAnEffect(JournalKind kind) =>
        kind is not (JournalKind.Opened or JournalKind.Observed or JournalKind.Planned or JournalKind.Started or JournalKind.TakenOver or JournalKind.StepResult);

    private void CutTorn()
    {
        try
        {
            _stream.SetLength(_length);
        }
        catch (IOException)
        {
            // a torn last line is also tolerated when the journal is read
        }
    }

    private static DbRecoveryException Corrupt(string path, int line) => new(
        ErrorIds.JournalCorrupt, ErrorKind.CorruptData,
        $"line {line} of the journal '{path}' is not what was written: nothing is automated on this incident",
        "Look at what was done by the lines before, and at the database; then move the incident's folder away.", path);
}
