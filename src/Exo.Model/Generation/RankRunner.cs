using System.Runtime.InteropServices;
using Exo.Kernels;
using Exo.Model.Layers;
using Exo.Model.Parallel;
using Exo.Model.Weights;

namespace Exo.Model.Generation;

/// <summary>
/// Runs step plans on one rank's part of a model. All ranks run the same plans in the same order; the ranks of the last stage all come
/// to the same result.
/// </summary>
public sealed class RankRunner : IDisposable
{
    private readonly ModelContext _context;
    private readonly CausalModel _model;
    private readonly Step _step;
    private readonly Sampler? _sampler;
    private readonly Dictionary<int, SequenceState> _sequences = [];
    private readonly List<int> _outputRows = [];
    private float[] _slice = [];
    private float[] _slices = [];

    /// <summary>Takes ownership of the model and makes its cache of <paramref name="numPages"/> pages.</summary>
    public RankRunner(ModelContext context, CausalModel model, int numPages)
    {
        (_context, _model) = (context, model);
        NumPages = numPages;
        _step = new Step(context.Device);
        if (context.Shard.IsLastStage) _sampler = new Sampler(context.Shard.TensorGroup, model.Vocabulary);
        model.AllocateCache(numPages);
    }

    /// <summary>Pages of the cache.</summary>
    public int NumPages { get; }

    /// <summary>Loads this rank's part of a model and makes its cache; nothing is left behind when it fails.</summary>
    public static RankRunner Load(
        ModelContext context, SafetensorsModel checkpoint, CacheSize cacheSize, IProgress<LoadProgress>? progress, CancellationToken cancellation)
    {
        var model = new CausalModel(context, checkpoint, progress, cancellation);
        try
        {
            return new RankRunner(context, model, cacheSize.NumPages(context, model));
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Runs a step; fills <paramref name="result"/> on the last stage.</summary>
    public void Run(StepPlan plan, StepResult result)
    {
        result.Clear();
        foreach (int sequence in plan.Released) _sequences.Remove(sequence);
        _step.Clear();
        _outputRows.Clear();
        foreach (SequenceStep sequence in plan.Sequences) Enter(sequence);
        if (_step.Batch.NumRows == 0) return;
        if (_model.Forward(_step) is not { } residual || _outputRows.Count == 0) return;
        Tensor logits = _model.Logits(residual, CollectionsMarshal.AsSpan(_outputRows)); // [outputs, local vocabulary]
        try
        {
            GiveOut(plan, logits, result);
        }
        catch (NonFiniteException)
        {
            throw Diagnose();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _model.Dispose();

    private void Enter(SequenceStep sequence)
    {
        if (sequence.Start is { } start)
            _sequences[sequence.SequenceId] = new SequenceState(start, Math.Clamp(sequence.AdmittedLimit, 0, _context.Config.VocabSize));
        foreach (int id in sequence.Ids)
            if ((uint)id >= (uint)_context.Config.VocabSize) throw new ModelException($"token id {id} of a vocabulary of {_context.Config.VocabSize}");
        foreach (OutputRow output in sequence.Outputs) _outputRows.Add(_step.Batch.NumRows + output.Row);
        _step.AddSequence(
            sequence.FirstPosition, CollectionsMarshal.AsSpan(sequence.Ids), CollectionsMarshal.AsSpan(sequence.Pages), sequence.AdmittedLimit);
    }

    private void GiveOut(StepPlan plan, Tensor logits, StepResult result)
    {
        int row = 0;
        foreach (SequenceStep sequence in plan.Sequences)
        {
            foreach (OutputRow output in sequence.Outputs)
            {
                ReadOnlySpan<float> local = _context.Device.Read(logits.Rows(row, row + 1));
                row++;
                if (output.Kind == OutputKind.Logits)
                {
                    result.Logits.Add(GatherLogits(local));
                    continue;
                }
                SequenceState state = _sequences[sequence.SequenceId];
                SampledToken token = _sampler!.Sample(local, sequence.SequenceId, state, sequence.FirstPosition + output.Row + 1, result);
                state.Append(token.Id);
                result.Tokens.Add(token);
            }
        }
    }

    /// <summary>Whole logits from every rank's rows of the vocabulary, whose numbers may differ.</summary>
    private float[] GatherLogits(ReadOnlySpan<float> local)
    {
        Shard shard = _context.Shard;
        int vocabSize = _context.Config.VocabSize, worldSize = shard.Tensor.WorldSize;
        int longest = Enumerable.Range(0, worldSize).Max(rank => shard.Tensor.Of(vocabSize, rank).Count);
        if (_slice.Length != longest) (_slice, _slices) = (new float[longest], new float[longest * worldSize]);
        local.CopyTo(_slice);
        shard.TensorGroup.AllGather(MemoryMarshal.AsBytes(_slice.AsSpan()), MemoryMarshal.AsBytes(_slices.AsSpan()));
        var logits = new float[vocabSize];
        for (int rank = 0; rank < worldSize; rank++)
        {
            Slice rows = shard.Tensor.Of(vocabSize, rank);
            _slices.AsSpan(rank * longest, rows.Count).CopyTo(logits.AsSpan(rows.Start));
        }
        return logits;
    }

    /// <summary>Runs the step's pass again, layer by layer, to find where the first value that is not finite arose.</summary>
    private NonFiniteException Diagnose()
    {
        Shard shard = _context.Shard;
        if (shard.TensorGroup.WorldSize * shard.PipelineGroup.WorldSize > 1) return new NonFiniteException("a logit is not a finite number");
        int firstLayer = -1;
        _step.LayerObserver = (layer, x) =>
        {
            if (firstLayer < 0 && _context.Device.Read(x).ContainsAnyExceptInRange(float.MinValue, float.MaxValue)) firstLayer = layer;
        };
        _step.BeginPass();
        _model.Forward(_step);
        _step.LayerObserver = null;
        return new NonFiniteException(firstLayer < 0
            ? "a logit is not a finite number: it arose in the final norm or the head"
            : $"a value is not a finite number: it arose in model.layers.{firstLayer}");
    }
}
