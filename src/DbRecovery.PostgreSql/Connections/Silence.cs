namespace DbRecovery.PostgreSql.Connections;

/// <summary>
/// A server that does not answer may be hung, or its host may be gone: to an open session both look the same, and the driver does not say
/// whether TCP connected. Where an answer takes long, a look at the port on the side tells.
/// </summary>
internal static class Silence
{
    /// <summary>Waits for an answer. Gives why there is none when the time is over; null where the task ended.</summary>
    internal static async Task<ConnectionFailure?> AwaitAsync(Task answer, ServerLogin login, TimeSpan timeout, TimeProvider clock, CancellationToken cancellationToken)
    {
        var alone = timeout / 2;
        if (await EndsAsync(answer, alone, clock, cancellationToken).ConfigureAwait(false))
            return null;
        var look = PortProbe.LookAsync(login, timeout - alone, clock, cancellationToken);
        if (await EndsAsync(answer, timeout - alone, clock, cancellationToken).ConfigureAwait(false))
            return null;
        return await look.ConfigureAwait(false) switch
        {
            null => new(ConnectionFailure.Hung, Reachability.TimedOut, $"the port takes connections, and the server did not answer within {timeout.TotalSeconds:0.###} s"),
            { Code: ConnectionFailure.TimedOut } => new(ConnectionFailure.TimedOut, Reachability.TimedOut, $"no connection within {timeout.TotalSeconds:0.###} s"),
            var other => other,
        };
    }

    private static async Task<bool> EndsAsync(Task answer, TimeSpan timeout, TimeProvider clock, CancellationToken cancellationToken)
    {
        if (answer.IsCompleted)
            return true;
        try
        {
            await answer.WaitAsync(timeout > TimeSpan.Zero ? timeout : TimeSpan.Zero, clock, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (TimeoutException) when (!answer.IsCompleted)
        {
            return false;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested && !answer.IsCompleted)
        {
            throw;
        }
        catch when (answer.IsCompleted)
        {
            return true;
        }
    }
}

/// <summary>A server did not answer in time.</summary>
/// <param name="failure">What that looks like from here.</param>
internal sealed class ServerSilentException(ConnectionFailure failure) : TimeoutException(failure.Message)
{
    /// <summary>What that looks like from here.</summary>
    internal ConnectionFailure Failure => failure;
}
