using System.Text.Json;

namespace DbRecovery.Benchmarks.Failover;

/// <summary>Patroni over one etcd, at the shortest times that it takes: a loop a second, and a crashed primary is given up at once.</summary>
internal sealed class PatroniPeer : PeerSystem
{
    private readonly int _etcd = FreePort();
    private readonly int _etcdPeer = FreePort();
    private readonly int[] _rest = [FreePort(), FreePort(), FreePort()];

    public override void Start()
    {
        foreach (var n in Nodes)
            File.WriteAllText(Path.Combine(Folder, $"p{n}.yml"), Configuration(n));
        HandOver();
        var (client, peer) = ($"http://127.0.0.1:{_etcd}", $"http://127.0.0.1:{_etcdPeer}");
        Stay("etcd.log", "etcd", "--name", "e1", "--data-dir", Path.Combine(Folder, "etcd"), "--listen-client-urls", client, "--advertise-client-urls", client,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", $"e1={peer}");
        foreach (var n in Nodes)
        {
            Stay($"p{n}.log", "/usr/bin/python3", "/usr/bin/patroni", Path.Combine(Folder, $"p{n}.yml"));
            // the first one makes the cluster, so that node 0 is the primary
            if (n == 0)
                Until(() => Leads(0), "Patroni's first leader");
        }
        Until(() => IsComplete(0), "Patroni's standbys");
    }

    /// <summary>Hands over by plan and waits until the other one leads.</summary>
    public void Switchover(int from, int to)
    {
        using var http = new HttpClient { Timeout = TimeSpan.FromMinutes(1) };
        var wish = new StringContent($$"""{ "leader": "p{{from}}", "candidate": "p{{to}}" }""");
        using var answer = http.PostAsync($"http://127.0.0.1:{_rest[from]}/switchover", wish).GetAwaiter().GetResult();
        answer.EnsureSuccessStatusCode();
    }

    private bool Leads(int node)
    {
        using var http = new HttpClient { Timeout = TimeSpan.FromSeconds(2) };
        var state = JsonDocument.Parse(http.GetStringAsync($"http://127.0.0.1:{_rest[node]}/cluster").GetAwaiter().GetResult());
        return state.RootElement.GetProperty("members").EnumerateArray().Any(m => m.GetProperty("role").GetString() == "leader" && m.GetProperty("state").GetString() == "running");
    }

    private string Configuration(int n) => $$"""
        scope: bench
        name: p{{n}}
        restapi: { listen: "127.0.0.1:{{_rest[n]}}", connect_address: "127.0.0.1:{{_rest[n]}}" }
        etcd3: { hosts: "127.0.0.1:{{_etcd}}" }
        bootstrap:
          dcs:
            ttl: 20
            loop_wait: 1
            retry_timeout: 3
            maximum_lag_on_failover: 104857600
            primary_start_timeout: 0
            master_start_timeout: 0
            postgresql: { use_pg_rewind: true, parameters: { wal_retrieve_retry_interval: 100ms, wal_log_hints: "on" } }
          initdb: [ { encoding: UTF8 }, data-checksums, { locale: C }, { auth: trust } ]
          pg_hba: [ "host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust", "local all all trust" ]
        postgresql:
          listen: "127.0.0.1:{{Ports[n]}}"
          connect_address: "127.0.0.1:{{Ports[n]}}"
          data_dir: {{Data(n)}}
          bin_dir: {{Bin(n)}}
          authentication: { superuser: { username: postgres }, replication: { username: postgres } }
          parameters: { unix_socket_directories: {{Folder}} }
        """;
}

/// <summary>pg_auto_failover, its monitor tuned to look twice a second and to call a node unhealthy after one.</summary>
internal sealed class AutoFailoverPeer : PeerSystem
{
    private readonly int _monitor = FreePort();

    public override void Start()
    {
        HandOver();
        var monitor = Path.Combine(Folder, "monitor");
        RunAs("pg_autoctl", "create", "monitor", "--pgctl", $"{ServerPrograms}/pg_ctl", "--pgdata", monitor, "--pgport", $"{_monitor}", "--hostname", "127.0.0.1", "--auth", "trust", "--no-ssl");
        Stay("monitor.log", "pg_autoctl", "run", "--pgdata", monitor);
        Until(() => RunAs("pg_isready", "-q", "-h", "127.0.0.1", "-p", $"{_monitor}").Length == 0, "the monitor");
        foreach (var n in Nodes)
        {
            RunAs("pg_autoctl", "create", "postgres", "--pgctl", Path.Combine(Bin(n), "pg_ctl"), "--pgdata", Data(n), "--pgport", $"{Ports[n]}", "--hostname", "127.0.0.1",
                "--name", $"n{n}", "--auth", "trust", "--no-ssl", "--pg-hba-lan", "--monitor", $"postgres://autoctl_node@127.0.0.1:{_monitor}/pg_auto_failover");
            Stay($"n{n}.log", "pg_autoctl", "run", "--pgdata", Data(n));
            Until(() => RunAs("pg_isready", "-q", "-h", "127.0.0.1", "-p", $"{Ports[n]}").Length == 0, $"node {n}");
        }
        Until(() => IsComplete(0), "the standbys");
        foreach (var (name, value) in new[] { ("health_check_period", "500ms"), ("health_check_timeout", "500ms"), ("health_check_max_retries", "1"), ("health_check_retry_delay", "200ms"), ("node_considered_unhealthy_timeout", "1s"), ("startup_grace_period", "1s"), ("primary_demote_timeout", "1s") })
            Monitor($"alter system set pgautofailover.{name} = '{value}'");
        Monitor("select pg_reload_conf()");
        Until(() => Monitor("select string_agg(reportedstate::text, ',' order by nodeid) from pgautofailover.node").Trim() == "primary,secondary,secondary", "the monitor's states");
    }

    private string Monitor(string sql) => RunAs("psql", "-h", "127.0.0.1", "-p", $"{_monitor}", "-d", "pg_auto_failover", "-U", "postgres", "-Atc", sql);
}

/// <summary>repmgr with its daemon on each node: a look a second, one attempt to connect again.</summary>
internal sealed class RepmgrPeer : PeerSystem
{
    public override void Start()
    {
        foreach (var n in Nodes)
            File.WriteAllText(Conf(n), Configuration(n));
        HandOver();
        RunAs("initdb", "-D", Data(0), "-U", "postgres", "-A", "trust", "-k", "--locale=C");
        File.AppendAllText(Path.Combine(Data(0), "postgresql.conf"), $"""

            port = {Ports[0]}
            listen_addresses = '127.0.0.1'
            unix_socket_directories = '{Folder}'
            shared_preload_libraries = 'repmgr'
            wal_log_hints = on
            wal_retrieve_retry_interval = 100ms
            wal_keep_size = 64MB
            """);
        Server(0);
        RunAs("repmgr", "-f", Conf(0), "primary", "register");
        foreach (var n in Nodes.Skip(1))
        {
            RunAs("repmgr", "-h", "127.0.0.1", "-p", $"{Ports[0]}", "-U", "postgres", "-d", "postgres", "-f", Conf(n), "standby", "clone", "--fast-checkpoint");
            File.AppendAllText(Path.Combine(Data(n), "postgresql.conf"), $"\nport = {Ports[n]}\n");
            Server(n);
            RunAs("repmgr", "-f", Conf(n), "standby", "register");
        }
        Until(() => IsComplete(0), "repmgr's standbys");
        foreach (var n in Nodes)
            Stay($"repmgrd{n}.log", "repmgrd", "-f", Conf(n), "--daemonize=false");
        foreach (var n in Nodes)
            Until(() => File.ReadAllText(Path.Combine(Folder, $"repmgrd{n}.log")).Contains("monitoring", StringComparison.Ordinal), $"repmgrd of node {n}");
    }

    private string Conf(int n) => Path.Combine(Folder, $"r{n}.conf");

    private void Server(int n)
    {
        Stay($"server{n}.log", Path.Combine(Bin(n), "postgres"), "-D", Data(n));
        Until(() => RunAs("pg_isready", "-q", "-h", "127.0.0.1", "-p", $"{Ports[n]}").Length == 0, $"node {n}");
    }

    private string Configuration(int n) => $"""
        node_id={n + 1}
        node_name='n{n}'
        conninfo='host=127.0.0.1 port={Ports[n]} user=postgres dbname=postgres connect_timeout=1'
        data_directory='{Data(n)}'
        pg_bindir='{Bin(n)}'
        failover=automatic
        promote_command='/usr/bin/repmgr standby promote -f {Conf(n)}'
        follow_command='/usr/bin/repmgr standby follow -f {Conf(n)} --upstream-node-id=%n'
        reconnect_attempts=1
        reconnect_interval=1
        monitor_interval_secs=1
        monitoring_history=no
        repmgrd_standby_startup_timeout=5
        repmgrd_pid_file='{Path.Combine(Folder, $"r{n}.pid")}'
        """;
}
