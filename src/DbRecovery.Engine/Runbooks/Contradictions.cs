namespace DbRecovery.Engine.Runbooks;

/// <summary>Finds conditions that can never be true together, as far as written-out values show it.</summary>
internal sealed class Contradictions(ValueSchema schema)
{
    // each step is held against all that holds before it: a file made to be slow must not succeed
    private const int MostFacts = 64;

    /// <summary>Whether conditions that must all be true exclude one another; of very many nothing is claimed.</summary>
    public bool Exclude(IReadOnlyList<Condition> conditions) => conditions.Sum(Size) <= MostFacts && ExcludeAll(conditions);

    private static int Size(Condition condition) => condition switch
    {
        AllCondition all => all.Items.Sum(Size),
        AnyCondition any => any.Items.Sum(Size),
        NotCondition not => Size(not.Item),
        _ => 1,
    };

    private bool ExcludeAll(IEnumerable<Condition> conditions)
    {
        var parts = conditions.SelectMany(c => Conjuncts(c, negated: false)).ToArray();
        var facts = parts.OfType<FactDemand>().ToArray();
        return facts.GroupBy(f => f.Condition.Fact, StringComparer.Ordinal).Any(g => schema.Find(g.Key) is { } type && new Bounds(type, g).AreEmpty)
            || parts.OfType<Alternatives>().Any(any => any.Items.Count > 0 && any.Items.All(item => ExcludeAll([Positive(item, any.Negated), .. facts.Select(f => Positive(f.Condition, f.Negated))])));
    }

    private static Condition Positive(Condition condition, bool negated) => negated ? new NotCondition(condition.At, condition) : condition;

    // "not" goes inwards: not any of is none of, not all of is one that is not; an unknown stays unknown either way
    private static IEnumerable<object> Conjuncts(Condition condition, bool negated) => (condition, negated) switch
    {
        (NotCondition not, _) => Conjuncts(not.Item, !negated),
        (AllCondition all, false) => all.Items.SelectMany(i => Conjuncts(i, negated)),
        (AnyCondition any, true) => any.Items.SelectMany(i => Conjuncts(i, negated)),
        (AnyCondition any, false) => [new Alternatives(any.Items, Negated: false)],
        (AllCondition all, true) => [new Alternatives(all.Items, Negated: true)],
        (FactCondition fact, _) => [new FactDemand(fact, negated)],
        _ => [],
    };

    private sealed record FactDemand(FactCondition Condition, bool Negated);

    private sealed record Alternatives(IReadOnlyList<Condition> Items, bool Negated);

    /// <summary>What is left of one fact's values. A look-up bounds nothing: its value is not known here.</summary>
    private sealed class Bounds
    {
        private readonly FactType _type;
        private readonly HashSet<FactValue> _forbidden = [];
        private HashSet<FactValue>? _allowed;
        private (double At, bool Strict) _least = (double.NegativeInfinity, false), _most = (double.PositiveInfinity, false);

        public Bounds(FactType type, IEnumerable<FactDemand> demands)
        {
            _type = type;
            foreach (var (condition, negated) in demands)
                Add(condition, negated);
        }

        public bool AreEmpty => _allowed is not null ? !_allowed.Any(v => !_forbidden.Contains(v) && InRange(v))
            : _type == FactType.Bool ? _forbidden.Count > 1
            : _type == FactType.Int ? LeastWhole(_least) > -LeastWhole((-_most.At, _most.Strict))
            : _least.At > _most.At || (_least.At.Equals(_most.At) && (_least.Strict || _most.Strict));

        private void Add(FactCondition condition, bool negated)
        {
            if (Values(condition) is not { } values)
                return;
            if (condition.Comparison is Comparison.Is or Comparison.In)
            {
                if (negated)
                    _forbidden.UnionWith(values);
                else
                    _allowed = _allowed is null ? [.. values] : [.. _allowed.Intersect(values)];
            }
            else if (values is [{ Type: FactType.Int or FactType.Number } bound])
                Bound(condition.Comparison, negated, bound.AsNumber());
        }

        private void Bound(Comparison comparison, bool negated, double at)
        {
            var lower = (comparison == Comparison.Below) == negated;
            var strict = (comparison == Comparison.AtLeast) == negated;
            if (lower && (at > _least.At || (at.Equals(_least.At) && strict)))
                _least = (at, strict);
            else if (!lower && (at < _most.At || (at.Equals(_most.At) && strict)))
                _most = (at, strict);
        }

        private bool InRange(FactValue value)
        {
            if (value.Type is not (FactType.Int or FactType.Number))
                return true;
            var number = value.AsNumber();
            return (_least.Strict ? number > _least.At : number >= _least.At) && (_most.Strict ? number < _most.At : number <= _most.At);
        }

        private static double LeastWhole((double At, bool Strict) bound) => bound.Strict ? Math.Floor(bound.At) + 1 : Math.Ceiling(bound.At);

        // null where not every value is written out, or one does not fit, which has its own finding
        private List<FactValue>? Values(FactCondition condition)
        {
            IReadOnlyList<RunbookValue> written = condition.Value is ListValue list ? list.Items : [condition.Value];
            var values = new List<FactValue>();
            foreach (var item in written)
            {
                if (item is not LiteralValue literal || !Literals.TryFact(literal.Text, _type, out var value))
                    return null;
                // 60s and 1m, 1GB and 1000000000 are the same
                values.Add(_type == FactType.Number ? value.AsNumber() : value);
            }
            return values.Count > 0 ? values : null;
        }
    }
}
