using DbRecovery.PostgreSql.Targets;

namespace DbRecovery.PostgreSql.Tests.Targets;

public sealed class ServerTargetTests
{
    [Theory]
    [InlineData("host=10.0.0.1", "10.0.0.1=10.0.0.1:5432")]
    [InlineData("  host = 10.0.0.1  port = 5501 ", "10.0.0.1-5501=10.0.0.1:5501")]
    [InlineData("host=a,b,c port=5433", "a-5433=a:5433 b-5433=b:5433 c-5433=c:5433")]
    [InlineData("host=127.0.0.1,127.0.0.1 port=5432,5433", "127.0.0.1=127.0.0.1:5432 127.0.0.1-5433=127.0.0.1:5433")]
    [InlineData("host=a,b port=,5433", "a=a:5432 b-5433=b:5433")]
    [InlineData("hostaddr=::1", "1=[::1]:5432")]
    [InlineData("host='/var/run/post gresql'", null)]
    [InlineData("host=/run/postgresql", "run_postgresql=/run/postgresql:5432")]
    [InlineData("postgresql://a", "a=a:5432")]
    [InlineData("postgres://me@a:1,b,[fd00::1]:3/app?sslmode=require", "a-1=a:1 b=b:5432 fd00__1-3=[fd00::1]:3")]
    [InlineData("postgresql://%2Frun%2Fpostgresql/app", "run_postgresql=/run/postgresql:5432")]
    [InlineData("postgresql:///app?host=a&port=7", "a-7=a:7")]
    [InlineData("host=a host=b", "b=b:5432")]
    [InlineData("", null)]
    [InlineData("port=5432", null)]
    [InlineData("host=", null)]
    [InlineData("host=a,", null)]
    [InlineData("host=-oProxy", null)]
    [InlineData("host=a port=0", null)]
    [InlineData("host=a port=65536", null)]
    [InlineData("host=a port=x", null)]
    [InlineData("host=a,b,c port=1,2", null)]
    [InlineData("host=a colour=red", null)]
    [InlineData("host=a sslmode=yes", null)]
    [InlineData("host", null)]
    [InlineData("host a", null)]
    [InlineData("host='a", null)]
    [InlineData("Host=a;Port=5432", null)]
    [InlineData("mysql://a", null)]
    [InlineData("postgresql://[::1", null)]
    [InlineData("postgresql://a/%zz", null)]
    [InlineData("postgresql://a/%00", null)]
    [InlineData("postgresql://a?sslmode", null)]
    public void Each_host_is_a_node(string text, string? nodes)
    {
        if (nodes is null)
            Assert.Equal(ErrorIds.ParameterInvalid, Assert.Throws<DbRecoveryException>(() => new ServerTarget().Read(text)).Id);
        else
            Assert.Equal(nodes, string.Join(' ', new ServerTarget().Read(text).Nodes.Select(n => $"{n.Name}={n.Address}")));
    }

    [Fact]
    public void A_node_given_twice_is_refused() =>
        Assert.Equal(ErrorIds.WrongNode, Assert.Throws<DbRecoveryException>(() => new ServerTarget().Read("host=a,b,A port=5432")).Id);

    [Theory]
    [InlineData("host=a password=hunter2")]
    [InlineData("host=a password='hunter2")]
    [InlineData("host=a password=hunter2 %")]
    [InlineData("host=a passfile=hunter2")]
    [InlineData("host=a sslmode=hunter2")]
    [InlineData("host=a port=hunter2")]
    [InlineData("host=-hunter2")]
    [InlineData("hunter2")]
    [InlineData("Host=a;Password=hunter2")]
    [InlineData("postgresql://me:hunter2@a/app")]
    [InlineData("postgresql://a/app?password=hunter2")]
    [InlineData("postgresql://a/app?hunter2")]
    [InlineData("postgresql://[hunter2")]
    public void No_message_repeats_a_value(string text)
    {
        var error = Assert.Throws<DbRecoveryException>(() => new ServerTarget().Read(text));
        Assert.DoesNotContain("hunter2", error.ToString() + error.RecommendedAction + error.Target, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("host=a user=me dbname=app sslmode=verify-full", "me", "app", TlsMode.VerifyFull)]
    [InlineData("host=a user='o\\'k' dbname='my db'", "o'k", "my db", TlsMode.Prefer)]
    [InlineData("host=a sslmode=allow", null, null, TlsMode.Prefer)]
    [InlineData("host=a sslmode=require sslrootcert=/root.pem", null, null, TlsMode.VerifyCa)]
    [InlineData("postgresql://o%27k@a/my%20db?sslmode=disable", "o'k", "my db", TlsMode.Disable)]
    public void The_login_is_read(string text, string? user, string? database, TlsMode tls)
    {
        var auth = new ServerTarget().Read(text).Auth!;
        Assert.Equal((user, database, tls), (auth.User, auth.Database, auth.Tls));
    }

    [Fact]
    public void The_same_nodes_have_the_same_name_in_any_order()
    {
        var reader = new ServerTarget();
        Assert.Equal(reader.Read("host=a,b").Name, reader.Read("postgresql://b,a/app").Name);
        Assert.NotEqual(reader.Read("host=a,b").Name, reader.Read("host=a,c").Name);
    }
}
