using Exo.Model.Generation;

namespace Exo.Net.Cluster;

/// <summary>
/// A <see cref="StepResult"/> as StepResult frames: one message of everything but logits, then one a row of logits, [vocabulary] floats.
/// <code>
/// u32 version 1, u32 step, tokens (i32 sequence, i32 id, f64 logprob, i32 top start, i32 top end), top logprobs (i32 id, f64),
/// u32 rows of logits that follow
/// </code>
/// </summary>
internal static class ResultCodec
{
    private const uint Version = 1;

    /// <summary>Writes all but the logits.</summary>
    public static void Write(int step, StepResult result, ByteWriter writer)
    {
        writer.Clear();
        writer.U32(Version);
        writer.I32(step);
        writer.I32(result.Tokens.Count);
        foreach (var token in result.Tokens)
        {
            writer.I32(token.SequenceId);
            writer.I32(token.Id);
            writer.F64(token.Logprob);
            writer.I32(token.TopStart);
            writer.I32(token.TopEnd);
        }
        writer.I32(result.TopLogprobs.Count);
        foreach (var top in result.TopLogprobs)
        {
            writer.I32(top.Id);
            writer.F64(top.Logprob);
        }
        writer.I32(result.Logits.Count);
    }

    /// <summary>Reads into <paramref name="result"/>, which is cleared first; returns the number of rows of logits that follow.</summary>
    /// <exception cref="ClusterException">The bytes are no result of this step.</exception>
    public static int Read(ReadOnlySpan<byte> bytes, int step, StepResult result)
    {
        result.Clear();
        var reader = new ByteReader(bytes, "step result");
        var (version, got) = (reader.U32(), reader.I32());
        if (version != Version || got != step)
            throw new ClusterException($"step result: expected version {Version} of step {step}, got version {version} of step {got}");
        int numTokens = reader.Count(itemBytes: 24);
        for (int i = 0; i < numTokens; i++)
            result.Tokens.Add(new SampledToken(reader.I32(), reader.I32(), reader.F64(), reader.I32(), reader.I32()));
        int numTop = reader.Count(itemBytes: 12);
        for (int i = 0; i < numTop; i++)
            result.TopLogprobs.Add(new TokenLogprob(reader.I32(), reader.F64()));
        foreach (var token in result.Tokens)
        {
            if (token.TopStart < 0 || token.TopEnd < token.TopStart || token.TopEnd > numTop)
                throw new ClusterException($"step result: expected logprobs within {numTop}, got [{token.TopStart}, {token.TopEnd})");
        }
        int numLogits = reader.NotNegative("rows of logits");
        reader.End();
        return numLogits;
    }
}
