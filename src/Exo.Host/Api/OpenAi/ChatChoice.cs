using System.Text;
using Exo.Model.Chat;
using Exo.Model.Generation;

namespace Exo.Host.Api.OpenAi;

/// <summary>One answer to a request, as it grows. Tokens are kept where log probabilities are wanted.</summary>
internal sealed class ChatChoice(int index, ChatRequest request)
{
    private readonly StringBuilder _text = new();
    private readonly ToolCallParser? _tools = request.Tools is null ? null : new ToolCallParser();
    private FinishReason? _reason;

    public int Index => index;

    /// <summary>True until the first token.</summary>
    public bool IsNew { get; private set; } = true;

    /// <summary>The tokens, or null where they are not wanted.</summary>
    public List<GeneratedToken>? Tokens { get; } = request.Sampling.NumTopLogprobs >= 0 ? [] : null;

    public string Text => _text.ToString();

    public IReadOnlyList<ToolCall> ToolCalls => _tools is null ? [] : request.AllowsManyCalls ? _tools.Calls : [.. _tools.Calls.Take(1)];

    /// <summary>OpenAI's word for why the answer ended; null while it goes on.</summary>
    public string? FinishReason => _reason switch
    {
        null => null,
        _ when ToolCalls.Count > 0 => "tool_calls",
        Model.Generation.FinishReason.Length => "length",
        _ => "stop",
    };

    /// <summary>Takes a token; returns the text that can be shown.</summary>
    public string Append(GeneratedToken token)
    {
        IsNew = false;
        Tokens?.Add(token);
        _reason = token.FinishReason;
        string text = _tools?.Append(token.Text) ?? token.Text;
        if (_reason is not null) text += _tools?.Flush();
        _text.Append(text);
        return text;
    }
}
