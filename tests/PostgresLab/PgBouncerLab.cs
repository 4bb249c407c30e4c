namespace DbRecovery.PostgresLab;

/// <summary>A real PgBouncer in a folder of its own, with its databases in a file of their own.</summary>
public sealed class PgBouncerLab : IAsyncDisposable
{
    /// <summary>The admin user.</summary>
    public const string Admin = "pooler_admin";
    /// <summary>The password of every user.</summary>
    public const string Password = "pooler-canary-5k";

    private readonly string _folder;
    private readonly LabProcess _process;

    private PgBouncerLab(string folder, int port, LabProcess process) => (_folder, Port, _process) = (folder, port, process);

    /// <summary>Where it listens, for applications and for its console.</summary>
    public int Port { get; }

    /// <summary>The file with its section [databases].</summary>
    public string DatabasesFile => Path.Combine(_folder, "databases.ini");

    /// <summary>A file that holds <see cref="Password"/>.</summary>
    public string PasswordFile => Path.Combine(_folder, "password");

    /// <summary>The program.</summary>
    public LabProcess Program => _process;

    /// <summary>Starts it.</summary>
    /// <param name="databases">The content of the databases file.</param>
    /// <param name="authentication">auth_type: any, trust, plain, md5, scram-sha-256.</param>
    /// <param name="settings">Further lines of the section [pgbouncer].</param>
    /// <param name="cancellationToken">Cancels.</param>
    public static async Task<PgBouncerLab> StartAsync(string databases, string authentication = "scram-sha-256", string settings = "", CancellationToken cancellationToken = default)
    {
        var (folder, port) = (LabFolder.Make(), Machine.FreePort());
        Write("databases.ini", databases);
        Write("users", $"\"{Admin}\" \"{Password}\"\n\"postgres\" \"{Password}\"\n");
        Write("password", Password + "\n");
        Write("pgbouncer.ini", $"""
            %include {folder}/databases.ini
            [pgbouncer]
            listen_addr = 127.0.0.1
            listen_port = {port}
            unix_socket_dir =
            auth_type = {authentication}
            auth_file = {folder}/users
            admin_users = {Admin}
            {settings}
            """);
        var process = LabProcess.Start([.. Machine.AsServerUser(folder), "pgbouncer", Path.Combine(folder, "pgbouncer.ini")], Path.Combine(folder, "log"));
        await process.UntilAsync(() => Machine.Listens(port), "PgBouncer", cancellationToken);
        return new PgBouncerLab(folder, port, process);

        void Write(string name, string text)
        {
            var path = Path.Combine(folder, name);
            File.WriteAllText(path, text);
            Machine.Own(path);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _process.DisposeAsync();
        LabFolder.Remove(_folder);
    }
}
