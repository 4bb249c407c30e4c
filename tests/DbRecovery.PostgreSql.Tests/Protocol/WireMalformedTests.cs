using System.Security.Authentication;
using System.Text;
using DbRecovery.PostgreSql.Protocol;
using Npgsql;
using static DbRecovery.PostgreSql.Tests.Protocol.FakeServer;

namespace DbRecovery.PostgreSql.Tests.Protocol;

/// <summary>What a server that breaks the rules can do to the client: nothing but a clear error, at once, and never with the password in it.</summary>
public sealed class WireMalformedTests
{
    private const string Password = "canary-7Q1x";

    public static TheoryData<string> AnswersToTheStartUp() => [.. StartUpAnswers.Keys];

    private static readonly Dictionary<string, byte[]> StartUpAnswers = new()
    {
        ["no protocol at all"] = "HTTP/1.1 400 Bad Request\r\n\r\n"u8.ToArray(),
        ["a message without a letter"] = [0, 0, 0, 0, 4],
        ["a negative length"] = [(byte)'R', 0xff, 0xff, 0xff, 0xff],
        ["a length below its own four bytes"] = [(byte)'R', 0, 0, 0, 3],
        ["a gigabyte"] = [(byte)'R', .. Number(1 << 30)],
        ["an empty authentication request"] = Message('R'),
        ["an unknown way to log in"] = Message('R', Number(7)),
        ["MD5 without its salt"] = Message('R', Number(5), [1, 2]),
        ["SASL without a mechanism that is known"] = Message('R', Number(10), Text("OAUTHBEARER"), [0]),
        ["SASL that was not begun"] = Message('R', Number(11), "r=x,s=eA==,i=1"u8.ToArray()),
        ["an end of SASL that was not begun"] = Message('R', Number(12), "v=eA=="u8.ToArray()),
        ["a parameter without an end"] = Message('S', "abc"u8.ToArray()),
        ["rows before the login"] = Message('D', [0, 0]),
    };

    [Theory]
    [MemberData(nameof(AnswersToTheStartUp))]
    public async Task AWrongAnswerToTheStartUpIsAProtocolError(string answer)
    {
        await using var server = new FakeServer(async session =>
        {
            await session.StartUpAsync();
            await session.SendAsync(StartUpAnswers[answer]);
            await session.UntilGoneAsync();
        });
        var error = await Assert.ThrowsAsync<WireProtocolException>(() => OpenAsync(server));
        Assert.DoesNotContain(Password, error.ToString(), StringComparison.Ordinal);
    }

    public static TheoryData<string> ScramMessages() =>
    [
        "r={0}x", // no salt, no iterations
        "r=other,s=c2FsdA==,i=4096",
        "r={0},s=c2FsdA==,i=4096", // the server added nothing
        "r={0}x,s=!!,i=4096",
        "r={0}x,s=c2FsdA==,i=0",
        "r={0}x,s=c2FsdA==,i=2000000000",
        "r={0}x,r={0}x,s=c2FsdA==,i=4096",
        "nonsense",
    ];

    [Theory]
    [MemberData(nameof(ScramMessages))]
    public async Task AWrongScramMessageIsAProtocolError(string serverFirst)
    {
        await using var server = new FakeServer(async session =>
        {
            var nonce = await BeginScramAsync(session);
            await session.SendAsync(Message('R', Number(11), Encoding.UTF8.GetBytes(serverFirst.Replace("{0}", nonce))));
            await session.UntilGoneAsync();
        });
        await Assert.ThrowsAsync<WireProtocolException>(() => OpenAsync(server));
    }

    [Theory]
    [InlineData("v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")]
    [InlineData("e=other-error")]
    [InlineData(null)]
    public async Task AServerThatCannotProveThatItKnowsThePasswordIsLeft(string? serverFinal)
    {
        await using var server = new FakeServer(async session =>
        {
            var nonce = await BeginScramAsync(session);
            await session.SendAsync(Message('R', Number(11), Encoding.UTF8.GetBytes($"r={nonce}x,s=c2FsdA==,i=4096")));
            await session.ReadAsync();
            await session.SendAsync([.. serverFinal is null ? [] : Message('R', Number(12), Encoding.UTF8.GetBytes(serverFinal)), .. LetIn]);
            await session.UntilGoneAsync();
        });
        await Assert.ThrowsAsync<WireProtocolException>(() => OpenAsync(server));
    }

    public static TheoryData<string> AnswersToAQuery() => [.. QueryAnswers.Keys];

    private static readonly Dictionary<string, byte[]> QueryAnswers = new()
    {
        ["a row that was not announced"] = Message('D', [0, 1], Number(1), "x"u8.ToArray()),
        ["a column that is longer than its row"] = [.. Columns("a"), .. Message('D', [0, 1], Number(100), "x"u8.ToArray())],
        ["a row with too many columns"] = [.. Columns("a"), .. Message('D', [0, 2], Number(-1), Number(-1))],
        ["a description that ends early"] = Message('T', [0, 5], "a"u8.ToArray()),
        ["a letter that has no place"] = Message('W', [0]),
        ["an endless answer"] = [.. Columns("a"), .. Enumerable.Repeat(Message('D', [0, 1], Number(900), new byte[900]), 5).SelectMany(m => m)],
        ["a command without an end"] = Message('C', "SELECT"u8.ToArray()),
    };

    [Theory]
    [MemberData(nameof(AnswersToAQuery))]
    public async Task AWrongAnswerToAQueryBreaksTheConnection(string answer)
    {
        await using var server = new FakeServer(async session =>
        {
            await session.LetInAsync();
            await session.ReadAsync();
            await session.SendAsync(QueryAnswers[answer]);
            await session.UntilGoneAsync();
        });
        await using var connection = await OpenAsync(server, o => o with { ResultLimit = 4096, MessageLimit = 4096 });
        await Assert.ThrowsAsync<WireProtocolException>(() => connection.QueryAsync("SELECT 1", Wait.Limit, default));
        Assert.True(connection.IsBroken);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => connection.QueryAsync("SELECT 1", Wait.Limit, default));
    }

    [Fact]
    public async Task AnErrorOfTheServerKeepsItsState()
    {
        await using var server = new FakeServer(async session =>
        {
            await session.StartUpAsync();
            await session.SendAsync(Message('E', Text("SFATAL"), Text("VFATAL"), Text("C53300"), Text("Mtoo many"), [0]));
            await session.UntilGoneAsync();
        });
        var error = await Assert.ThrowsAsync<PostgresException>(() => OpenAsync(server));
        Assert.Equal("53300", error.SqlState);
    }

    [Fact]
    public async Task WhyTheServerEndsASessionIsToldThoughItCloses()
    {
        await using var server = new FakeServer(async session =>
        {
            await session.LetInAsync();
            await session.ReadAsync();
            await session.SendAsync(Message('E', Text("SFATAL"), Text("C57P01"), Text("Mgone"), [0]));
        });
        await using var connection = await OpenAsync(server);
        var error = await Assert.ThrowsAsync<PostgresException>(() => connection.QueryAsync("SELECT 1", Wait.Limit, default));
        Assert.Equal("57P01", error.SqlState);
        Assert.True(connection.IsBroken);
    }

    [Theory]
    [InlineData((byte)'E')]
    [InlineData((byte)'x')]
    public async Task AnAnswerToTheRequestForTlsThatIsNoneIsNotReadOn(byte answer)
    {
        await using var server = new FakeServer(async session =>
        {
            await session.StartUpAsync();
            await session.SendAsync([answer, .. Message('E', Text("Mwhatever"), [0])]);
            await session.UntilGoneAsync();
        });
        await Assert.ThrowsAsync<WireProtocolException>(() => OpenAsync(server, o => o with { Tls = TlsMode.Prefer }));
    }

    [Fact]
    public async Task WithoutTlsNothingIsSaidWhereItIsDemanded()
    {
        var said = 0;
        await using var server = new FakeServer(async session =>
        {
            await session.StartUpAsync();
            await session.SendAsync("N"u8.ToArray());
            await session.StartUpAsync();
            said++;
        });
        await Assert.ThrowsAsync<AuthenticationException>(() => OpenAsync(server, o => o with { Tls = TlsMode.Require }));
        Assert.Equal(0, said);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task ASilentServerCostsTheDeadlineAndNoMore(bool letIn)
    {
        await using var server = new FakeServer(async session =>
        {
            if (letIn)
                await session.LetInAsync();
            await session.UntilGoneAsync();
        });
        if (!letIn)
        {
            await Assert.ThrowsAsync<TimeoutException>(() => OpenAsync(server, timeout: TimeSpan.FromMilliseconds(50)));
            return;
        }
        await using var connection = await OpenAsync(server);
        await Assert.ThrowsAsync<TimeoutException>(() => connection.QueryAsync("SELECT 1", TimeSpan.FromMilliseconds(50), default));
        Assert.True(connection.IsBroken);
    }

    [Fact]
    public async Task TheCallersCancellationIsNoTimeout()
    {
        await using var server = new FakeServer(session => session.UntilGoneAsync());
        using var cancels = new CancellationTokenSource(TimeSpan.FromMilliseconds(50));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => WireConnection.OpenAsync(Options(server), TimeProvider.System, Wait.Limit, cancels.Token));
    }

    private static byte[] Columns(string name) => Message('T', [0, 1], Text(name), new byte[18]);

    private static async Task<string> BeginScramAsync(FakeSession session)
    {
        await session.StartUpAsync();
        await session.SendAsync(Message('R', Number(10), Text("SCRAM-SHA-256-PLUS"), Text("SCRAM-SHA-256"), [0]));
        var (_, body) = await session.ReadAsync();
        var text = Encoding.UTF8.GetString(body);
        return text[(text.IndexOf("r=", StringComparison.Ordinal) + 2)..];
    }

    private static WireOptions Options(FakeServer server) =>
        new() { Host = "127.0.0.1", Port = server.Port, User = "someone", Password = new SecretValue(Password), Database = "some", Tls = TlsMode.Disable };

    private static Task<WireConnection> OpenAsync(FakeServer server, Func<WireOptions, WireOptions>? change = null, TimeSpan? timeout = null) =>
        WireConnection.OpenAsync((change ?? (o => o))(Options(server)), TimeProvider.System, timeout ?? Wait.Limit, default);
}
