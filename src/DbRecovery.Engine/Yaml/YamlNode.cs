using DbRecovery.Engine.Runbooks;

namespace DbRecovery.Engine.Yaml;

/// <summary>A part of a YAML document with its place.</summary>
internal abstract record YamlNode(SourcePosition At);

/// <summary>A scalar as it is written. An empty or null one has no text.</summary>
internal sealed record YamlScalar(SourcePosition At, string Text, bool Quoted) : YamlNode(At)
{
    /// <summary>Whether nothing, <c>~</c> or <c>null</c> is written.</summary>
    public bool IsNull => !Quoted && Text is "" or "~" or "null";
}

/// <summary>A sequence.</summary>
internal sealed record YamlSequence(SourcePosition At, IReadOnlyList<YamlNode> Items) : YamlNode(At);

/// <summary>A mapping; its keys are distinct.</summary>
internal sealed record YamlMapping(SourcePosition At, IReadOnlyList<KeyValuePair<YamlScalar, YamlNode>> Items) : YamlNode(At);
