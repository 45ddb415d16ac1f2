namespace Exo.Model.Text;

/// <summary>What a tokenizer file was read into.</summary>
/// <param name="Name">The file, for errors.</param>
/// <param name="RawTokens">Finds added tokens in the text as it came.</param>
/// <param name="NormalizedTokens">Finds the others, in normalized text.</param>
/// <param name="Decoder">Builds a chain of steps in front of the given one.</param>
/// <param name="TokenOfId">By id; null where no token has the id.</param>
/// <param name="TextOfId">By id, what decoding takes: the token, an added one as it is after the normalizer where it is found by that.</param>
/// <param name="IdOfAddedToken">Added tokens by their content.</param>
internal sealed record TokenizerParts(
    string Name,
    BpeModel Model,
    AddedTokenFinder RawTokens,
    AddedTokenFinder NormalizedTokens,
    Normalizer Normalizer,
    PreTokenizer PreTokenizer,
    PostProcessor PostProcessor,
    Func<DecodeStep, DecodeStep> Decoder,
    string?[] TokenOfId,
    string?[] TextOfId,
    Dictionary<string, int> IdOfAddedToken,
    HashSet<int> SpecialIds);
