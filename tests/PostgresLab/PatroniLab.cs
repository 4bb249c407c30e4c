using System.Net.Http;

namespace DbRecovery.PostgresLab;

/// <summary>A real Patroni cluster with a store of one etcd, in a folder of its own.</summary>
public sealed class PatroniLab : IAsyncDisposable
{
    private readonly List<LabProcess> _programs = [];
    private readonly HttpClient _http = new() { Timeout = Machine.Limit };
    private readonly List<PatroniMemberLab> _members = [];

    private PatroniLab(string folder) => Folder = folder;

    /// <summary>The folder.</summary>
    public string Folder { get; }

    /// <summary>Its members, in the order of their names p1, p2 and so on.</summary>
    public IReadOnlyList<PatroniMemberLab> Members => _members;

    /// <summary>Starts it and waits until one leads and the others stream.</summary>
    public static async Task<PatroniLab> StartAsync(int members = 2, CancellationToken cancellationToken = default)
    {
        var lab = new PatroniLab(LabFolder.Make());
        try
        {
            await lab.MakeAsync(members, cancellationToken);
            return lab;
        }
        catch
        {
            await lab.DisposeAsync();
            throw;
        }
    }

    /// <summary>The cluster as an inventory has it; the names of its nodes are not Patroni's.</summary>
    public ClusterDefinition Cluster() => new()
    {
        Name = "managed",
        Engine = "postgresql",
        Nodes = [.. _members.Select(m => new NodeDefinition { Name = "node-" + m.Name, Host = "127.0.0.1", Port = m.Port })],
        Auth = new AuthSettings { User = "postgres", Tls = TlsMode.Disable },
        ManagedBy = new ClusterManager("patroni", [.. _members.Select(m => m.Api)]),
    };

    /// <summary>Sets Patroni's own configuration, as <c>patronictl edit-config</c> does.</summary>
    public async Task ConfigureAsync(string json, CancellationToken cancellationToken = default)
    {
        using var request = new HttpRequestMessage(HttpMethod.Patch, new Uri(_members[0].Api, "/config")) { Content = new StringContent(json) };
        (await _http.SendAsync(request, cancellationToken)).EnsureSuccessStatusCode();
    }

    /// <summary>Asks a member's API and gives the status of its answer; 0 where there is none.</summary>
    public async Task<int> StatusAsync(PatroniMemberLab member, string path, CancellationToken cancellationToken = default)
    {
        try
        {
            using var response = await _http.GetAsync(new Uri(member.Api, path), cancellationToken);
            return (int)response.StatusCode;
        }
        catch (HttpRequestException)
        {
            return 0;
        }
    }

    /// <summary>Kills a member's Patroni and then its server, as a lost host would.</summary>
    public async Task KillAsync(PatroniMemberLab member)
    {
        await member.Program.DisposeAsync();
        LabFolder.EndServer(member.DataDir);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (var program in _programs)
            await program.DisposeAsync();
        _http.Dispose();
        LabFolder.Remove(Folder);
    }

    private async Task MakeAsync(int count, CancellationToken cancellationToken)
    {
        var (client, peer) = (Machine.FreePort(), Machine.FreePort());
        var etcd = Run("etcd", [
            "etcd", "--name", "e1", "--data-dir", Path.Combine(Folder, "etcd"), "--listen-client-urls", $"http://127.0.0.1:{client}", "--advertise-client-urls", $"http://127.0.0.1:{client}",
            "--listen-peer-urls", $"http://127.0.0.1:{peer}", "--initial-advertise-peer-urls", $"http://127.0.0.1:{peer}", "--initial-cluster", $"e1=http://127.0.0.1:{peer}"]);
        await etcd.UntilAsync(() => Machine.Listens(client), "etcd", cancellationToken);
        for (var i = 1; i <= count; i++)
            _members.Add(StartMember($"p{i}", client));
        await UntilAsync(async () => await CountAsync("/primary") == 1 && await CountAsync("/replica") == count - 1, cancellationToken);
    }

    private async Task<int> CountAsync(string path)
    {
        var answers = await Task.WhenAll(_members.Select(m => StatusAsync(m, path)));
        return answers.Count(a => a == 200);
    }

    private async Task UntilAsync(Func<Task<bool>> condition, CancellationToken cancellationToken)
    {
        var clock = System.Diagnostics.Stopwatch.StartNew();
        while (!await condition())
        {
            if (clock.Elapsed > Machine.Limit)
                throw new TimeoutException($"Patroni did not get ready: {string.Join("\n\n", _programs.Select(p => p.LogTail))}");
            await Task.Delay(100, cancellationToken);
        }
    }

    private PatroniMemberLab StartMember(string name, int etcdPort)
    {
        var (port, api, home) = (Machine.FreePort(), Machine.FreePort(), Path.Combine(Folder, name));
        Directory.CreateDirectory(home);
        Machine.Own(home);
        var file = Path.Combine(home, "patroni.yml");
        File.WriteAllText(file, $$"""
            scope: lab
            name: {{name}}
            restapi: { listen: '127.0.0.1:{{api}}', connect_address: '127.0.0.1:{{api}}' }
            etcd3: { hosts: '127.0.0.1:{{etcdPort}}' }
            bootstrap:
              dcs:
                ttl: 20
                loop_wait: 1
                retry_timeout: 9
                postgresql: { use_slots: true, use_pg_rewind: true, parameters: { wal_log_hints: 'on' } }
              initdb: [ { encoding: UTF8 }, { locale: C }, { wal-segsize: '1' } ]
              pg_hba: [ 'host all all 127.0.0.1/32 trust', 'host replication all 127.0.0.1/32 trust' ]
            postgresql:
              listen: '127.0.0.1:{{port}}'
              connect_address: '127.0.0.1:{{port}}'
              data_dir: {{home}}/data
              bin_dir: {{PgClusterOptions.DefaultBinDir}}
              pgpass: {{home}}/pgpass
              authentication: { superuser: { username: postgres, password: lab }, replication: { username: replicator, password: lab } }
              parameters: { unix_socket_directories: '{{home}}', wal_retrieve_retry_interval: 100ms, dynamic_shared_memory_type: mmap }
            """);
        var program = Run(name, ["/usr/bin/python3", "/usr/bin/patroni", file]);
        return new PatroniMemberLab(name, port, new Uri($"http://127.0.0.1:{api}"), Path.Combine(home, "data"), program);
    }

    private LabProcess Run(string name, string[] command)
    {
        var program = LabProcess.Start([.. Machine.AsServerUser(Folder), .. command], Path.Combine(Folder, name + ".log"));
        _programs.Add(program);
        return program;
    }
}

/// <summary>A member of a Patroni cluster.</summary>
/// <param name="Name">Patroni's name for it.</param>
/// <param name="Port">The port of its server.</param>
/// <param name="Api">The address of its REST API.</param>
/// <param name="DataDir">Its data folder.</param>
/// <param name="Program">Its Patroni.</param>
public sealed record PatroniMemberLab(string Name, int Port, Uri Api, string DataDir, LabProcess Program);
