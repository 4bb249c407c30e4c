using DbRecovery.PostgreSql.Connections;

namespace DbRecovery.PostgreSql.Observation;

/// <summary>One observation under way: its deadline, and what it will say.</summary>
internal sealed class Look(ObservationRequest request, NodeLink link, TimeProvider clock)
{
    private readonly long _started = clock.GetTimestamp();
    private readonly DateTimeOffset _at = clock.GetUtcNow();

    /// <summary>What is asked.</summary>
    internal ObservationRequest Request => request;

    /// <summary>The kept session to the node.</summary>
    internal NodeLink Link => link;

    /// <summary>Errors met on the way.</summary>
    internal List<ObservedError> Errors { get; } = [];

    /// <summary>The time that is left.</summary>
    internal TimeSpan Remaining()
    {
        var left = request.Timeout - clock.GetElapsedTime(_started);
        return left > TimeSpan.Zero ? left : TimeSpan.Zero;
    }

    /// <summary>The time that is left until an answer must have come.</summary>
    internal TimeSpan Remaining(TimeSpan most)
    {
        var left = (request.Timeout < most ? request.Timeout : most) - clock.GetElapsedTime(_started);
        return left > TimeSpan.Zero ? left : TimeSpan.Zero;
    }

    /// <summary>What a node that gave no session looks like.</summary>
    internal NodeObservation Report(ConnectionFailure failure)
    {
        var facts = new FactSet();
        facts.Set(PostgreSqlFacts.ConnectError, failure.Code);
        return new NodeObservation
        {
            Node = request.Node.Name,
            ObservedAt = _at,
            Duration = clock.GetElapsedTime(_started),
            Level = request.Level,
            Reachability = failure.Reachability,
            Errors = [failure.Observed("connecting") with { Advice = PostgreSqlErrors.Advice(failure, link.Login) }, .. Errors],
            Facts = facts,
        };
    }

    /// <summary>What a node that answered looks like.</summary>
    internal NodeObservation Report(LightReading reading) => new()
    {
        Node = request.Node.Name,
        ObservedAt = _at,
        Duration = clock.GetElapsedTime(_started),
        Level = request.Level,
        Reachability = Reachability.Reachable,
        Role = reading.InRecovery switch { true => NodeRole.Replica, false => NodeRole.Primary, null => NodeRole.Unknown },
        SystemId = reading.Profile.SystemId,
        Position = reading.Position(reading.LogEnd),
        Upstream = LightFacts.Upstream(reading),
        Downstreams = reading.Downstreams,
        Slots = reading.Slots,
        Errors = [.. reading.Errors, .. Errors],
        Facts = reading.Facts,
    };
}

/// <summary>A look ended without an answer.</summary>
/// <param name="failure">Why.</param>
internal sealed class LookFailedException(ConnectionFailure failure) : Exception(failure.Message)
{
    /// <summary>Why.</summary>
    internal ConnectionFailure Failure => failure;
}
