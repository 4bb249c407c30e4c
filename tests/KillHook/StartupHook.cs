using System.Diagnostics;
using System.Globalization;

/// <summary>Loaded into the executable by the runtime before its Main (the name is the runtime's): kills the process after a given journal record, or gives it another machine's identity.</summary>
internal sealed class StartupHook : IObserver<DiagnosticListener>, IObserver<KeyValuePair<string, object?>>
{
    private readonly int _last = int.Parse(Environment.GetEnvironmentVariable("KILL_AFTER_JOURNAL_RECORD")!, CultureInfo.InvariantCulture);
    private int _records;

    public static void Initialize()
    {
        // the name is MachineIdentity's: the process takes itself for one of another machine
        if (Environment.GetEnvironmentVariable("OTHER_MACHINE") is { } machine)
            AppContext.SetData("DbRecovery.MachineId", machine);
        if (Environment.GetEnvironmentVariable("KILL_AFTER_JOURNAL_RECORD") is not null)
            DiagnosticListener.AllListeners.Subscribe(new StartupHook());
    }

    public void OnNext(DiagnosticListener listener)
    {
        if (listener.Name == "DbRecovery.Journal")
            listener.Subscribe(this);
    }

    public void OnNext(KeyValuePair<string, object?> value)
    {
        if (Interlocked.Increment(ref _records) == _last)
            Process.GetCurrentProcess().Kill(); // SIGKILL
    }

    public void OnCompleted()
    {
    }

    public void OnError(Exception error)
    {
    }
}
