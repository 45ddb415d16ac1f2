using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Exo.Model;
using Exo.Model.Generation;

namespace Exo.Host.Commands;

/// <summary>
/// What an answer was chosen from, as two numbers that can be compared between splits and machines: SHA-256 over the ids of all sampled
/// tokens (int32, little-endian) and over the whole logits that each was sampled from ([vocabulary] float32 each, little-endian).
/// </summary>
internal sealed class LogitsHash : IDisposable
{
    private readonly IncrementalHash _ids = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly IncrementalHash _logits = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private int _numTokens;

    /// <summary>The same runner, which also gives out the logits of every sampled row, and has them hashed.</summary>
    public ModelRunner Watch(ModelRunner runner) => new WatchedRunner(runner, this);

    /// <summary>What has been hashed; begins anew.</summary>
    public string TakeSummary()
    {
        string summary = $"{_numTokens} tokens, ids {Convert.ToHexStringLower(_ids.GetHashAndReset())}, logits {Convert.ToHexStringLower(_logits.GetHashAndReset())}";
        _numTokens = 0;
        return summary;
    }

    public void Dispose()
    {
        _ids.Dispose();
        _logits.Dispose();
    }

    private void Add(StepResult result)
    {
        if (!BitConverter.IsLittleEndian) throw new PlatformNotSupportedException("logits are hashed as little-endian numbers");
        foreach (float[] row in result.Logits) _logits.AppendData(MemoryMarshal.AsBytes(row.AsSpan()));
        Span<byte> bytes = stackalloc byte[sizeof(int)];
        foreach (SampledToken token in result.Tokens)
        {
            BinaryPrimitives.WriteInt32LittleEndian(bytes, token.Id);
            _ids.AppendData(bytes);
            _numTokens++;
        }
    }

    private sealed class WatchedRunner(ModelRunner runner, LogitsHash hash) : ModelRunner
    {
        public override ModelConfig Config => runner.Config;

        public override int NumPages => runner.NumPages;

        public override long Epoch => runner.Epoch;

        public override void Submit(StepPlan plan)
        {
            foreach (SequenceStep sequence in plan.Sequences)
            {
                for (int i = sequence.Outputs.Count - 1; i >= 0; i--)
                {
                    OutputRow output = sequence.Outputs[i];
                    if (output.Kind == OutputKind.Sample) sequence.Outputs.Insert(i, output with { Kind = OutputKind.Logits });
                }
            }
            runner.Submit(plan);
        }

        public override StepResult Take(CancellationToken cancellation = default)
        {
            StepResult result = runner.Take(cancellation);
            hash.Add(result);
            return result;
        }

        protected override void Dispose(bool disposing) => runner.Dispose();
    }
}
