using System.Globalization;
using DbRecovery.Sqlite.Files;
using DbRecovery.Sqlite.Format;
using DbRecovery.Sqlite.Native;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace DbRecovery.Sqlite.Observation;

/// <summary>Observes a database file from outside and as one more reader; changes nothing and leaves nothing behind.</summary>
internal sealed class SqliteObserver(TimeProvider time) : INodeObserver
{
    private static readonly TimeSpan BusyTimeout = TimeSpan.FromSeconds(1);

    // a structure check of SQLite before 3.41 does not hear an interrupt: then the answer does not wait for it
    private static readonly TimeSpan InterruptGrace = TimeSpan.FromMilliseconds(300);

    /// <inheritdoc/>
    public async Task<NodeObservation> ObserveAsync(ObservationRequest request, IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        SqliteLibrary.EnsureLoaded();
        if (string.IsNullOrEmpty(request.Node.Path))
        {
            throw new DbRecoveryException(ErrorIds.ParameterInvalid, ErrorKind.InvalidInput, $"node '{request.Node.Name}' has no path",
                "Give the node the path of its database file.", request.Node.Name);
        }
        cancellationToken.ThrowIfCancellationRequested();
        using var deadline = new CancellationTokenSource(request.Timeout, time);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        var round = new ObservationRound(request, time, progress, stop.Token);
        // what SQLite and the disk do cannot be awaited: it runs beside, on a thread of its own
        var work = Task.Run(round.RunAsync, CancellationToken.None);
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var registration = stop.Token.Register(() => ended.TrySetResult()).ConfigureAwait(false);
        if (await Task.WhenAny(work, ended.Task).ConfigureAwait(false) != work)
            await Task.WhenAny(work, Task.Delay(InterruptGrace, time, CancellationToken.None)).ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        if (work.IsCompleted && !work.IsCanceled)
            await work.ConfigureAwait(false);
        return round.Report(timedOut: !work.IsCompletedSuccessfully);
    }

    /// <summary>One observation under way: it gathers facts, and can be asked for what it has at any moment.</summary>
    private sealed class ObservationRound(ObservationRequest request, TimeProvider time, IProgress<OperationProgress>? progress, CancellationToken stop)
    {
        private readonly long _started = time.GetTimestamp();
        private readonly DateTimeOffset _at = time.GetUtcNow();
        private readonly string _path = DatabasePath.Of(request.Node.Path!);
        private readonly object _gate = new();
        private readonly List<ObservedError> _errors = [];
        private readonly FactSet _facts = new();
        private Reachability _reachability = Reachability.Refusing;
        private string? _systemId;
        private string? _why;
        private bool _closed;

        internal async Task RunAsync()
        {
            try
            {
                await ObserveAsync().ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                Note(() => _why ??= "the time for the observation was over");
                throw;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                Note(() => Fail("IO", e.Message, "reading the file"));
            }
            catch (DbRecoveryException e) when (e.Id != ErrorIds.LibraryMissing)
            {
                Note(() => Failed(e));
            }
            catch (SqliteException e)
            {
                Note(() => Fail(e.SqliteExtendedErrorCode.ToString(CultureInfo.InvariantCulture), SqliteConnections.Message(e), "reading the database"));
            }
        }

        /// <summary>The observation as it stands; nothing is added after it.</summary>
        internal NodeObservation Report(bool timedOut)
        {
            lock (_gate)
            {
                _closed = true;
                if (timedOut)
                    _errors.Add(new ObservedError("timeout", $"the observation was not done within {request.Timeout}", "observing"));
                var because = timedOut ? "the time for the observation was over" : _why ?? "it was not looked at";
                var facts = new FactSet(_facts);
                foreach (var definition in Expected())
                {
                    if (facts.Find(definition.Name) is null)
                        facts.SetUnknown(definition, because);
                }
                var counter = facts.Int(SqliteFacts.ChangeCounter);
                return new NodeObservation
                {
                    Node = request.Node.Name,
                    ObservedAt = _at,
                    Duration = time.GetElapsedTime(_started),
                    Level = request.Level,
                    Reachability = timedOut && facts.Int(SqliteFacts.OpenError) is null && _reachability != Reachability.Absent ? Reachability.TimedOut : _reachability,
                    Role = NodeRole.Primary,
                    SystemId = _systemId,
                    Position = counter is { } value ? new LogPosition("change-counter", value.ToString(CultureInfo.InvariantCulture), _systemId, value) : null,
                    Errors = [.. _errors],
                    Facts = facts,
                };
            }
        }

        private async Task ObserveAsync()
        {
            var status = Gather((facts, _) => FileFacts.Record(_path, facts));
            if (status is null)
            {
                Note(() => _why = "there is no database file");
                if (_facts.Bool(SqliteFacts.FileExists) != true)
                    Note(() => _reachability = Reachability.Absent);
                else
                    Note(() => Fail("14", $"there is a {_facts.Text(SqliteFacts.FileKind)} in the place of the database file", "opening the database"));
                return;
            }
            Note(() => _systemId = FileFacts.SystemId(status));
            // before this process opens the file itself
            var users = FileUsers.Of(_path);
            Gather((facts, _) => FileFacts.RecordUsers(users, facts));
            using var file = LiveImage.Open(_path);
            var header = Gather((facts, _) => HeaderFacts.Record(_path, file, facts, stop));
            RecordRecovery(header, users);
            if (header is not null)
                await ReadAsync(file, header, users).ConfigureAwait(false);
            else
                RecordUnreadable();
            var blocked = new WriterWatch(_path, file, time).IsBlocked(users, request.Level, stop);
            Gather((facts, _) =>
            {
                if (blocked is { } known)
                    facts.Set(SqliteFacts.WriteBlocked, known);
                else
                    facts.SetUnknown(SqliteFacts.WriteBlocked, "this system does not say who holds a lock");
            });
        }

        private async Task ReadAsync(LiveImage file, SqliteHeader header, FileUsers users)
        {
            const int Attempts = 3;
            for (var attempt = 1; ; attempt++)
            {
                var facts = new FactSet();
                var errors = new List<ObservedError>();
                using var view = DatabaseView.Open(_path, file, header, users, BusyTimeout, stop);
                var readable = Read(view, facts, errors);
                if (view.StillHolds || attempt == Attempts)
                {
                    Gather((all, allErrors) =>
                    {
                        foreach (var fact in view.StillHolds ? facts : facts.Where(f => f.Name == SqliteFacts.OpenError.Name && f.Value!.Value.AsInt() == 0))
                            Copy(fact, all);
                        allErrors.AddRange(view.StillHolds ? errors : [new ObservedError("busy", "the file changed whenever it was read", "reading the database")]);
                    });
                    if (readable || !view.StillHolds)
                        Note(() => _reachability = Reachability.Reachable);
                    break;
                }
                users = FileUsers.Of(_path);
            }
            var compared = new FactSet();
            DamagedObjects.Record(_path, file, header, FactsSoFar(), compared, stop);
            await SilentDamage.RecordAsync(_path, file, header, request.LastBackup, request.Level != ObservationLevel.Quick, compared, stop).ConfigureAwait(false);
            Gather((all, _) =>
            {
                foreach (var fact in compared)
                    Copy(fact, all);
            });
        }

        private bool Read(DatabaseView view, FactSet facts, List<ObservedError> errors)
        {
            var handle = view.Connection.Handle!;
            using var interrupt = stop.Register(() => raw.sqlite3_interrupt(handle));
            var content = new ContentFacts(view.Connection, facts, errors, stop);
            var readable = content.Probe(time);
            // what has been found stands even where the long checks do not end in time
            Gather((all, _) =>
            {
                foreach (var fact in facts)
                    Copy(fact, all);
            });
            var busy = facts.Int(SqliteFacts.OpenError) is { } code && (code & 0xff) is raw.SQLITE_BUSY or raw.SQLITE_LOCKED;
            var declared = request.Cluster.Expects.Tables;
            if (busy)
                return true;
            if (declared.Count > 0)
                content.CheckTables(declared, count: request.Level != ObservationLevel.Quick);
            if (request.Level == ObservationLevel.Quick)
            {
                facts.Set(SqliteFacts.StructureCheck, "none");
                return readable;
            }
            Tell("checking the structure");
            content.CheckStructure(request.Level == ObservationLevel.Deep);
            Tell("checking the keys");
            content.CheckForeignKeys();
            return readable;
        }

        private void RecordRecovery(SqliteHeader? header, FileUsers users)
        {
            var journal = DatabaseView.HotJournal(_path, users, withPages: false, stop);
            var hot = journal is not null && _facts.Int(SqliteFacts.FileSize) > 0;
            WalFile? wal = null;
            if (!hot && !users.InUse && header is not { IsWal: false })
                wal = WalFile.TryRead(_path, withPages: false, stop);
            var pending = wal is { CommittedFrames: > 0 };
            Gather((facts, _) =>
            {
                if (!users.Known && (hot || pending))
                    facts.SetUnknown(SqliteFacts.RecoveryNeeded, "this system does not say who has the file open");
                else if (header is null && pending)
                    facts.SetUnknown(SqliteFacts.RecoveryNeeded, "there is a WAL with committed frames, and no header that says whether it belongs to this file");
                else
                    facts.Set(SqliteFacts.RecoveryNeeded, !users.InUse && (hot || pending));
                facts.Set(SqliteFacts.RecoveryFile, hot ? journal!.Path : pending ? wal!.Path : "");
            });
        }

        // without a header there is nothing that SQLite could open, and what it would say is known
        private void RecordUnreadable()
        {
            Gather((facts, errors) =>
            {
                facts.Set(SqliteFacts.StructureCheck, "none");
                if (facts.Text(SqliteFacts.Header) == "empty")
                {
                    facts.Set(SqliteFacts.OpenError, 0L); // to SQLite a file without a byte is a database without a table
                    facts.Set(SqliteFacts.OpenErrorText, "");
                    facts.Set(SqliteFacts.PageCount, 0L);
                    facts.Set(CommonFacts.MissingTables, FactValue.OfList(request.Cluster.Expects.Tables.Keys.Order(StringComparer.Ordinal)));
                    return;
                }
                facts.Set(SqliteFacts.OpenError, (long)raw.SQLITE_NOTADB);
                facts.Set(SqliteFacts.OpenErrorText, "file is not a database");
                errors.Add(new ObservedError("26", "file is not a database", "reading the header"));
            });
            Note(() =>
            {
                _why = $"the header is {_facts.Text(SqliteFacts.Header)}";
                _reachability = _facts.Text(SqliteFacts.Header) == "empty" ? Reachability.Reachable : Reachability.Refusing;
            });
        }

        private void Failed(DbRecoveryException error)
        {
            if (error.InnerException is SqliteException inner)
            {
                ContentFacts.RecordOpenError(_facts, _errors, inner, "opening the database");
                _why ??= "the database cannot be opened";
            }
            else
            {
                Fail(error.Id, error.Message, "opening the database");
            }
        }

        private void Fail(string code, string message, string during)
        {
            _errors.Add(new ObservedError(code, message, during));
            _why ??= message;
        }

        private IEnumerable<FactDefinition> Expected() =>
            new SqliteProvider(time).Facts.Concat([CommonFacts.DiskFree, CommonFacts.DiskSize, CommonFacts.DataSize, CommonFacts.ProbeLatency,
                .. request.Cluster.Expects.Tables.Count > 0 ? new[] { CommonFacts.MissingTables, CommonFacts.ShortTables } : []]);

        private void Tell(string status) => progress?.Report(new OperationProgress($"Observing {request.Node.Name}", status, 0, null));

        private FactSet FactsSoFar()
        {
            lock (_gate)
                return new FactSet(_facts);
        }

        private void Note(Action action)
        {
            lock (_gate)
            {
                if (!_closed)
                    action();
            }
        }

        private void Gather(Action<FactSet, List<ObservedError>> gather) => Gather((facts, errors) =>
        {
            gather(facts, errors);
            return 0;
        });

        // gathered apart and then taken over: a report made meanwhile must not see a set being changed
        private T Gather<T>(Func<FactSet, List<ObservedError>, T> gather)
        {
            var facts = new FactSet(_facts);
            var errors = new List<ObservedError>();
            var result = gather(facts, errors);
            Note(() =>
            {
                foreach (var fact in facts)
                    Copy(fact, _facts);
                _errors.AddRange(errors);
            });
            return result;
        }

        private static void Copy(Fact fact, FactSet to)
        {
            var definition = new FactDefinition(fact.Name, fact.Value?.Type ?? FactType.Text, null, "");
            if (fact.Value is { } value)
                to.Set(definition, value);
            else
                to.SetUnknown(definition, fact.UnknownBecause ?? "");
        }
    }
}
