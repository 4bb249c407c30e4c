using DbRecovery.Engine.Runbooks;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace DbRecovery.Engine.Yaml;

/// <summary>
/// Reads one strict YAML document from the parser's events: no tags, anchors, aliases, merge keys, second documents or duplicate
/// keys, and bounds on size, depth and count. Whatever the input, the outcome is a tree or findings.
/// </summary>
internal static class YamlReader
{
    private const int MaxCharacters = 1024 * 1024, MaxDepth = 64, MaxNodes = 50_000;

    /// <summary>Reads a file's text. Null if it is not one usable document; the findings say why.</summary>
    public static YamlNode? Read(string text, FindingList findings)
    {
        if (text.Length > MaxCharacters)
        {
            findings.Error(new(1, 1), "too-large", $"The file has {text.Length} characters; {MaxCharacters} are the most.");
            return null;
        }
        var parser = new Parser(new StringReader(text));
        try
        {
            var reader = new EventReader(parser, findings);
            return reader.Document();
        }
        catch (RefusedException e)
        {
            findings.Error(e.At, e.Rule, e.Message, e.Suggestion);
        }
        catch (YamlException e)
        {
            findings.Error(Furthest(e.End, parser), "yaml-syntax", $"This is not valid YAML: {e.Message}", "Check the indentation, quotes and brackets around this place.");
        }
        // the parser meets input that nobody foresaw with whatever its code runs into; a refused file is the right outcome
        catch (Exception e) when (e is InvalidOperationException or ArgumentException or IndexOutOfRangeException or NullReferenceException or InvalidCastException or OverflowException)
        {
            findings.Error(Furthest(Mark.Empty, parser), "yaml-syntax", "This is not valid YAML; what comes after this place cannot be read.", "Check the indentation, quotes and brackets.");
        }
        return null;
    }

    // the parser names the beginning of what it was in the middle of, which may be the whole file: where it had come to says more
    private static SourcePosition Furthest(Mark failure, Parser parser) =>
        parser.Current is { } read && read.End.Index > failure.Index ? Position(read.End) : Position(failure);

    private static SourcePosition Position(Mark mark) => new((int)Math.Max(1, mark.Line), (int)Math.Max(1, mark.Column));

    private sealed class RefusedException(SourcePosition at, string rule, string message, string? suggestion) : Exception(message)
    {
        public SourcePosition At => at;
        public string Rule => rule;
        public string? Suggestion => suggestion;
    }

    private sealed class EventReader(Parser parser, FindingList findings)
    {
        private int _nodes;

        public YamlNode? Document()
        {
            Next<StreamStart>();
            if (parser.MoveNext() && parser.Current is StreamEnd)
                throw new RefusedException(new(1, 1), "empty", "The file is empty.", null);
            if (parser.Current is not DocumentStart)
                throw Unexpected();
            parser.MoveNext();
            var node = Node(1);
            if (!parser.MoveNext() || parser.Current is not DocumentEnd)
                throw Unexpected();
            if (parser.MoveNext() && parser.Current is not StreamEnd)
                throw new RefusedException(Here, "several-documents", "The file holds more than one YAML document.", "Give each its own file.");
            return node;
        }

        private SourcePosition Here => parser.Current is { } e ? Position(e.Start) : new(1, 1);

        private void Next<T>() where T : ParsingEvent
        {
            if (!parser.MoveNext() || parser.Current is not T)
                throw Unexpected();
        }

        private RefusedException Unexpected() => new(Here, "yaml-syntax", "This is not a YAML document.", null);

        // the current event is the node's first; when it returns, the current event is the node's last
        private YamlNode Node(int depth)
        {
            if (depth > MaxDepth)
                throw new RefusedException(Here, "too-deep", $"More than {MaxDepth} levels are nested.", null);
            if (++_nodes > MaxNodes)
                throw new RefusedException(Here, "too-large", $"More than {MaxNodes} values are in the file.", null);
            switch (parser.Current)
            {
                // a password that begins with one of these characters looks like an alias, anchor or tag: its text is not repeated
                case AnchorAlias:
                    throw new RefusedException(Here, "alias", "Aliases (*) are refused.", "Write the value out: what is read must be what is seen; put quotes around text that begins with '*'.");
                case NodeEvent { Anchor.IsEmpty: false }:
                    throw new RefusedException(Here, "anchor", "Anchors (&) are refused.", "Write values out where they are used; put quotes around text that begins with '&'.");
                case NodeEvent { Tag.IsEmpty: false }:
                    throw new RefusedException(Here, "tag", "Tags (!) are refused.", "Types are known from the keys; put quotes around text that begins with '!'.");
                case Scalar scalar:
                    return new YamlScalar(Here, scalar.Value, scalar.Style is not ScalarStyle.Plain);
                case SequenceStart:
                    return Sequence(depth);
                case MappingStart:
                    return Mapping(depth);
                default:
                    throw Unexpected();
            }
        }

        private YamlSequence Sequence(int depth)
        {
            var at = Here;
            var items = new List<YamlNode>();
            while (parser.MoveNext() && parser.Current is not SequenceEnd)
                items.Add(Node(depth + 1));
            return new YamlSequence(at, items);
        }

        private YamlMapping Mapping(int depth)
        {
            var at = Here;
            var items = new List<KeyValuePair<YamlScalar, YamlNode>>();
            var lines = new Dictionary<string, int>(StringComparer.Ordinal);
            while (parser.MoveNext() && parser.Current is not MappingEnd)
            {
                if (Node(depth + 1) is not YamlScalar key)
                    throw new RefusedException(Here, "key", "A key must be a word.", null);
                if (!parser.MoveNext())
                    throw Unexpected();
                var value = Node(depth + 1);
                if (key.Text == "<<")
                    throw new RefusedException(key.At, "merge-key", "The merge key '<<' is refused.", "Write the values out.");
                if (!lines.TryAdd(key.Text, key.At.Line))
                    // the key is not repeated: it may be a secret that was written out in braces
                    findings.Error(key.At, "duplicate-key", $"This key is there twice; the first is on line {lines[key.Text]}.", "Keep one of them.");
                else
                    items.Add(new(key, value));
            }
            return new YamlMapping(at, items);
        }
    }
}
