using System.Diagnostics;
using System.Net.WebSockets;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace DbRecovery.Report.Tests;

/// <summary>A browser without a window, driven by its own protocol. It has a profile folder of its own, and both end with this object.</summary>
internal sealed class Chromium : IAsyncDisposable
{
    private static readonly TimeSpan Limit = Wait.Limit;
    private readonly Process _process;
    private readonly string _profile;
    private readonly ClientWebSocket _socket = new();
    private readonly Dictionary<int, TaskCompletionSource<JsonNode>> _waiting = [];
    private readonly List<(string Method, JsonNode? Parameters)> _events = [];
    private readonly object _gate = new();
    private readonly SemaphoreSlim _sending = new(1);
    private Task _reader = Task.CompletedTask;
    private string? _session;
    private int _last;

    private Chromium(Process process, string profile) => (_process, _profile) = (process, profile);

    /// <summary>The executable; null where none is installed.</summary>
    public static string? Executable { get; } = new[] { "chromium", "chromium-browser", "google-chrome" }
        .SelectMany(name => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries).Select(folder => Path.Combine(folder, name)))
        .FirstOrDefault(File.Exists);

    /// <summary>What the browser told of itself since the page was opened.</summary>
    public IReadOnlyList<(string Method, JsonNode? Parameters)> Events
    {
        get
        {
            lock (_gate)
                return [.. _events];
        }
    }

    /// <summary>Starts a browser with an empty page.</summary>
    public static async Task<Chromium> StartAsync()
    {
        var profile = Path.Combine(Path.GetTempPath(), $"dbrecovery-chromium-{Guid.NewGuid():N}");
        Directory.CreateDirectory(profile);
        var start = new ProcessStartInfo(Executable!) { RedirectStandardError = true, RedirectStandardOutput = true };
        foreach (var argument in new[]
        {
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--disable-dev-shm-usage", "--remote-debugging-port=0", $"--user-data-dir={profile}", "about:blank",
        })
            start.ArgumentList.Add(argument);
        var process = Process.Start(start)!;
        process.ErrorDataReceived += (_, _) => { };
        process.OutputDataReceived += (_, _) => { };
        process.BeginErrorReadLine();
        process.BeginOutputReadLine();
        var browser = new Chromium(process, profile);
        try
        {
            await browser.ConnectAsync();
            return browser;
        }
        catch
        {
            await browser.DisposeAsync();
            throw;
        }
    }

    /// <summary>Opens a file and waits until it is loaded.</summary>
    public async Task OpenAsync(string file)
    {
        lock (_gate)
            _events.Clear();
        var loader = (await SendAsync("Page.navigate", new JsonObject { ["url"] = new Uri(file).AbsoluteUri }))["loaderId"]!.GetValue<string>();
        // of this page: the one before may still be loading
        await UntilAsync(() => Task.FromResult(Events.Any(e => e.Method == "Page.lifecycleEvent" && e.Parameters!["loaderId"]!.GetValue<string>() == loader && e.Parameters["name"]!.GetValue<string>() == "load")), "the page to load");
    }

    /// <summary>The width and height of the window.</summary>
    public Task SizeAsync(int width, int height) => SendAsync("Emulation.setDeviceMetricsOverride", new JsonObject { ["width"] = width, ["height"] = height, ["deviceScaleFactor"] = 1, ["mobile"] = false });

    /// <summary>The medium (screen, print) and the scheme of colours (light, dark).</summary>
    public Task MediaAsync(string medium, string scheme) => SendAsync("Emulation.setEmulatedMedia",
        new JsonObject { ["media"] = medium, ["features"] = new JsonArray(new JsonObject { ["name"] = "prefers-color-scheme", ["value"] = scheme }) });

    /// <summary>The value of an expression in the page.</summary>
    public async Task<JsonNode?> EvaluateAsync(string expression)
    {
        var answer = await SendAsync("Runtime.evaluate", new JsonObject { ["expression"] = expression, ["returnByValue"] = true, ["awaitPromise"] = true });
        if (answer["exceptionDetails"] is { } thrown)
            throw new InvalidOperationException(thrown.ToJsonString());
        return answer["result"]!["value"];
    }

    /// <summary>Presses a key.</summary>
    public async Task PressAsync(string key, int code)
    {
        foreach (var type in new[] { "rawKeyDown", "keyUp" })
            await SendAsync("Input.dispatchKeyEvent", new JsonObject { ["type"] = type, ["key"] = key, ["code"] = key, ["windowsVirtualKeyCode"] = code });
    }

    /// <summary>Sends a command and gives its answer.</summary>
    public async Task<JsonNode> SendAsync(string method, JsonObject? parameters = null)
    {
        var answer = new TaskCompletionSource<JsonNode>(TaskCreationOptions.RunContinuationsAsynchronously);
        int id;
        lock (_gate)
            _waiting[id = ++_last] = answer;
        var message = new JsonObject { ["id"] = id, ["method"] = method, ["params"] = parameters ?? [] };
        if (_session is not null)
            message["sessionId"] = _session;
        await _sending.WaitAsync();
        try
        {
            await _socket.SendAsync(JsonSerializer.SerializeToUtf8Bytes(message), WebSocketMessageType.Text, true, CancellationToken.None);
        }
        finally
        {
            _sending.Release();
        }
        return await answer.Task.WaitAsync(Limit);
    }

    /// <summary>Waits for a condition.</summary>
    public static async Task UntilAsync(Func<Task<bool>> condition, string what)
    {
        var clock = Stopwatch.StartNew();
        while (!await condition())
        {
            if (clock.Elapsed > Limit)
                throw new TimeoutException($"waited in vain for {what}");
            await Task.Delay(20);
        }
    }

    public async ValueTask DisposeAsync()
    {
        _socket.Abort();
        _socket.Dispose();
        if (!_process.HasExited)
            _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync().WaitAsync(Limit);
        _process.Dispose();
        await _reader;
        // its helpers write into the profile until they are gone
        await UntilAsync(() =>
        {
            try
            {
                if (Directory.Exists(_profile))
                    Directory.Delete(_profile, recursive: true);
                return Task.FromResult(true);
            }
            catch (IOException)
            {
                return Task.FromResult(false);
            }
        }, "the profile to be free");
    }

    private async Task ConnectAsync()
    {
        var portFile = Path.Combine(_profile, "DevToolsActivePort");
        var lines = Array.Empty<string>();
        await UntilAsync(() =>
        {
            if (_process.HasExited)
                throw new InvalidOperationException($"{Executable} ended with exit code {_process.ExitCode}");
            lines = File.Exists(portFile) ? File.ReadAllLines(portFile) : [];
            return Task.FromResult(lines.Length >= 2);
        }, "the browser to listen");
        await _socket.ConnectAsync(new Uri($"ws://127.0.0.1:{lines[0]}{lines[1]}"), CancellationToken.None).WaitAsync(Limit);
        _reader = ReadAsync();
        var target = await SendAsync("Target.createTarget", new JsonObject { ["url"] = "about:blank" });
        var session = await SendAsync("Target.attachToTarget", new JsonObject { ["targetId"] = target["targetId"]!.GetValue<string>(), ["flatten"] = true });
        _session = session["sessionId"]!.GetValue<string>();
        foreach (var domain in new[] { "Page", "Runtime", "Network", "Log", "Accessibility" })
            await SendAsync(domain + ".enable");
        await SendAsync("Page.setLifecycleEventsEnabled", new JsonObject { ["enabled"] = true });
    }

    private async Task ReadAsync()
    {
        var buffer = new byte[1 << 16];
        try
        {
            while (true)
            {
                using var message = new MemoryStream();
                WebSocketReceiveResult part;
                do
                {
                    part = await _socket.ReceiveAsync(buffer, CancellationToken.None);
                    message.Write(buffer, 0, part.Count);
                }
                while (!part.EndOfMessage);
                if (part.MessageType == WebSocketMessageType.Close)
                    return;
                Take(JsonNode.Parse(message.ToArray())!);
            }
        }
        catch (Exception e) when (e is WebSocketException or OperationCanceledException or ObjectDisposedException)
        {
            lock (_gate)
                foreach (var waiting in _waiting.Values)
                    waiting.TrySetException(e);
        }
    }

    private void Take(JsonNode message)
    {
        lock (_gate)
        {
            if (message["id"] is not { } id)
                _events.Add((message["method"]!.GetValue<string>(), message["params"]));
            else if (_waiting.Remove(id.GetValue<int>(), out var waiting))
            {
                if (message["error"] is { } error)
                    waiting.TrySetException(new InvalidOperationException(error.ToJsonString()));
                else
                    waiting.TrySetResult(message["result"]!);
            }
        }
    }
}
