using Exo.Model.Generation;

namespace Exo.Net.Cluster;

/// <summary>
/// A <see cref="StepPlan"/> as the bytes of a StepPlan frame, little-endian. Counts are u32 before their items:
/// <code>
/// u32 version 1, i64 epoch, u32 step, released sequences (i32), sequences:
///   i32 sequence, i32 first position, i32 admitted limit, ids (i32), pages (i32), outputs (i32 row, u8 kind), u8 starts
///   where it starts: f64 temperature, i32 topK, f64 topP, f64 minP, u64 seed, i32 choice, f32 repetition, f32 presence, f32 frequency,
///                    i32 top logprobs, biases (i32 id, f32), i32 prompt length, history (i32)
/// </code>
/// </summary>
internal static class PlanCodec
{
    private const uint Version = 1;

    /// <summary>Writes a plan.</summary>
    public static void Write(StepPlan plan, ByteWriter writer)
    {
        writer.Clear();
        writer.U32(Version);
        writer.I64(plan.Epoch);
        writer.I32(plan.StepNumber);
        writer.Ints(plan.Released);
        writer.I32(plan.Sequences.Count);
        foreach (var sequence in plan.Sequences)
        {
            writer.I32(sequence.SequenceId);
            writer.I32(sequence.FirstPosition);
            writer.I32(sequence.AdmittedLimit);
            writer.Ints(sequence.Ids);
            writer.Ints(sequence.Pages);
            writer.I32(sequence.Outputs.Count);
            foreach (var output in sequence.Outputs)
            {
                writer.I32(output.Row);
                writer.U8((byte)output.Kind);
            }
            writer.U8(sequence.Start is null ? (byte)0 : (byte)1);
            if (sequence.Start is { } start)
                WriteStart(start, writer);
        }
    }

    /// <summary>Reads a plan into <paramref name="plan"/>, which is cleared first.</summary>
    /// <exception cref="ClusterException">The bytes are no plan.</exception>
    public static void Read(ReadOnlySpan<byte> bytes, StepPlan plan)
    {
        plan.Clear();
        var reader = new ByteReader(bytes, "step plan");
        uint version = reader.U32();
        if (version != Version)
            throw new ClusterException($"step plan: expected version {Version}, got {version}");
        plan.Epoch = reader.I64();
        plan.StepNumber = reader.I32();
        reader.Ints(plan.Released);
        int numSequences = reader.Count(itemBytes: 25);
        for (int i = 0; i < numSequences; i++)
            ReadSequence(ref reader, plan.AddSequence());
        reader.End();
    }

    private static void ReadSequence(ref ByteReader reader, SequenceStep sequence)
    {
        sequence.SequenceId = reader.I32();
        sequence.FirstPosition = reader.NotNegative("first position");
        sequence.AdmittedLimit = reader.NotNegative("admitted limit");
        reader.Ints(sequence.Ids);
        reader.Ints(sequence.Pages);
        int numOutputs = reader.Count(itemBytes: 5);
        for (int i = 0; i < numOutputs; i++)
        {
            int row = reader.I32();
            var kind = (OutputKind)reader.U8();
            if ((uint)row >= (uint)sequence.Ids.Count || !Enum.IsDefined(kind))
            {
                throw new ClusterException(
                    $"step plan: expected an output of rows 0 to {sequence.Ids.Count - 1}, got row {row}, kind {(int)kind}");
            }
            sequence.Outputs.Add(new OutputRow(row, kind));
        }
        byte starts = reader.U8();
        if (starts > 1)
            throw new ClusterException($"step plan: expected 0 or 1, got {starts}");
        sequence.Start = starts == 1 ? ReadStart(ref reader) : null;
    }

    private static void WriteStart(SequenceStart start, ByteWriter writer)
    {
        var settings = start.Settings;
        writer.F64(settings.Temperature);
        writer.I32(settings.TopK);
        writer.F64(settings.TopP);
        writer.F64(settings.MinP);
        writer.I64((long)settings.Seed);
        writer.I32(settings.ChoiceIndex);
        writer.F32(settings.RepetitionPenalty);
        writer.F32(settings.PresencePenalty);
        writer.F32(settings.FrequencyPenalty);
        writer.I32(settings.NumTopLogprobs);
        writer.I32(settings.LogitBias.Count);
        foreach (var (id, bias) in settings.LogitBias)
        {
            writer.I32(id);
            writer.F32(bias);
        }
        writer.I32(start.PromptLength);
        writer.I32(start.History.Length);
        foreach (int id in start.History)
            writer.I32(id);
    }

    private static SequenceStart ReadStart(ref ByteReader reader)
    {
        var settings = new SamplingSettings
        {
            Temperature = reader.F64(),
            TopK = reader.I32(),
            TopP = reader.F64(),
            MinP = reader.F64(),
            Seed = (ulong)reader.I64(),
            ChoiceIndex = reader.I32(),
            RepetitionPenalty = reader.F32(),
            PresencePenalty = reader.F32(),
            FrequencyPenalty = reader.F32(),
            NumTopLogprobs = reader.I32(),
        };
        var bias = new Dictionary<int, float>();
        int numBiases = reader.Count(itemBytes: 8);
        for (int i = 0; i < numBiases; i++)
        {
            int id = reader.I32();
            bias[id] = reader.F32();
        }
        int promptLength = reader.NotNegative("prompt length");
        var history = new int[reader.Count(itemBytes: 4)];
        for (int i = 0; i < history.Length; i++)
            history[i] = reader.I32();
        if (promptLength > history.Length)
            throw new ClusterException($"step plan: expected a prompt within its history of {history.Length}, got {promptLength}");
        return new SequenceStart(settings with { LogitBias = bias }, promptLength, history);
    }
}
