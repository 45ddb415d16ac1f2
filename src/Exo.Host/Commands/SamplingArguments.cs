using System.CommandLine;
using Exo.Model.Generation;

namespace Exo.Host.Commands;

/// <summary>The options that decide how tokens are chosen and when an answer ends.</summary>
internal sealed class SamplingArguments
{
    private readonly Option<int> _maxTokens = new("--max-tokens", "-n")
    {
        Description = "Tokens of an answer, at most; 0 = as many as the context holds.",
        DefaultValueFactory = _ => 512,
    };

    private readonly Option<double> _temperature = new("--temperature", "-t") { Description = "0 = always the most likely token." };
    private readonly Option<int> _topK = new("--top-k") { Description = "Only the K most likely tokens; 0 = all." };
    private readonly Option<double> _topP = new("--top-p") { Description = "The most likely tokens that together reach this share.", DefaultValueFactory = _ => 1 };
    private readonly Option<double> _minP = new("--min-p") { Description = "Only tokens at least this likely relative to the most likely." };
    private readonly Option<ulong?> _seed = new("--seed") { Description = "The same seed gives the same answer; by default a new one." };
    private readonly Option<float> _repetition = new("--repetition-penalty") { Description = "Above 1: less of what has been said.", DefaultValueFactory = _ => 1 };
    private readonly Option<float> _presence = new("--presence-penalty") { Description = "Taken from tokens that the answer has." };
    private readonly Option<float> _frequency = new("--frequency-penalty") { Description = "Taken from tokens as often as the answer has them." };
    private readonly Option<string[]> _stop = new("--stop") { Description = "A text that ends the answer; may be repeated.", DefaultValueFactory = _ => [] };

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        foreach (Option option in new Option[] { _maxTokens, _temperature, _topK, _topP, _minP, _seed, _repetition, _presence, _frequency, _stop })
            command.Options.Add(option);
    }

    /// <summary>The request for a prompt.</summary>
    public GenerationRequest Request(ParseResult arguments, int[] promptIds) => new()
    {
        PromptIds = promptIds,
        MaxTokens = arguments.GetValue(_maxTokens),
        StopStrings = arguments.GetValue(_stop)!,
        Sampling = new SamplingSettings
        {
            Temperature = arguments.GetValue(_temperature),
            TopK = arguments.GetValue(_topK),
            TopP = arguments.GetValue(_topP),
            MinP = arguments.GetValue(_minP),
            Seed = arguments.GetValue(_seed) ?? (ulong)Random.Shared.NextInt64(),
            RepetitionPenalty = arguments.GetValue(_repetition),
            PresencePenalty = arguments.GetValue(_presence),
            FrequencyPenalty = arguments.GetValue(_frequency),
        },
    };
}
