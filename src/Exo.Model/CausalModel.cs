using System.Runtime.InteropServices;
using Exo.Kernels;
using Exo.Model.Layers;
using Exo.Model.Parallel;
using Exo.Model.Weights;

namespace Exo.Model;

/// <summary>How far loading is: layers (and the two ends) done, of how many, on this rank.</summary>
public readonly record struct LoadProgress(int Done, int Total);

/// <summary>
/// One rank's part of a decoder-only language model: embedding (first stage), its layers, final norm and head (last stage). The layer
/// loop stands here and nowhere else.
/// </summary>
public sealed class CausalModel : IDisposable
{
    private readonly ModelContext _context;
    private readonly List<DecoderLayer> _layers = [];
    private readonly Weight? _embedding;
    private readonly Reduction _embeddingReduction;
    private readonly RmsNorm? _finalNorm;
    private readonly Weight? _head;
    private float[] _residual = [];

    /// <summary>Loads this rank's slices; nothing is left behind when it fails.</summary>
    public CausalModel(ModelContext context, SafetensorsModel checkpoint, IProgress<LoadProgress>? progress = null, CancellationToken cancellation = default)
    {
        _context = context;
        ModelConfig config = context.Config;
        Shard shard = context.Shard;
        var architecture = Architectures.Architecture.Of(config); // refused before anything is loaded
        var weights = new WeightScope(checkpoint, config.Quantization);
        Vocabulary = shard.Own(config.VocabSize);
        _embeddingReduction = new Reduction([.. Enumerable.Range(0, shard.Tensor.WorldSize).Select(EmbeddingLayout)]);
        int numLayers = shard.Pipeline.Layers(config.NumHiddenLayers, shard.Stage).Count;
        try
        {
            if (shard.IsFirstStage) _embedding = LoadRows("model.embed_tokens");
            progress?.Report(new LoadProgress(1, numLayers + 2));
            foreach (DecoderLayer layer in architecture.CreateLayers(context, weights))
            {
                _layers.Add(layer);
                cancellation.ThrowIfCancellationRequested();
                progress?.Report(new LoadProgress(_layers.Count + 1, numLayers + 2));
            }
            if (!shard.IsLastStage) return;
            _finalNorm = new RmsNorm(context, weights.Vector("model.norm.weight", config.HiddenSize));
            _head = !config.TieWordEmbeddings ? LoadRows("lm_head") : _embedding ?? LoadRows("model.embed_tokens");
            progress?.Report(new LoadProgress(numLayers + 2, numLayers + 2));
        }
        catch
        {
            Dispose();
            throw;
        }

        Weight LoadRows(string name) => context.Device.Load(
            [weights.Matrix(name, config.VocabSize, config.HiddenSize).Rows(Vocabulary.Start, Vocabulary.End)], context.Arithmetic.Activations);
    }

    /// <summary>Vocabulary rows of this rank's embedding and head.</summary>
    public Slice Vocabulary { get; }

    /// <summary>What each layer of this rank caches of a position.</summary>
    public IEnumerable<KvLayout> KvLayouts => _layers.Select(layer => layer.Attention.KvLayout);

    /// <summary>Makes the layers' caches: <paramref name="numPages"/> pages of 16 positions each.</summary>
    public void AllocateCache(int numPages)
    {
        foreach (DecoderLayer layer in _layers) layer.Attention.AllocateCache(_context, numPages);
    }

    /// <summary>
    /// Runs the step through this rank's layers. On the last stage: the residual stream, [rows, hidden]; on others null, it has been sent
    /// on.
    /// </summary>
    public Tensor? Forward(Step step)
    {
        Tensor x = _context.Shard.IsFirstStage ? Embed(step) : ReceiveResidual(step);
        for (int i = 0; i < _layers.Count; i++)
        {
            _layers[i].Forward(step, x);
            step.LayerObserver?.Invoke(i, x);
        }
        if (_context.Shard.IsLastStage) return x;
        _context.Shard.PipelineGroup.Send(_context.Shard.Stage + 1, MemoryMarshal.AsBytes(_context.Device.Read(x)));
        return null;
    }

    /// <summary>Logits of some rows of the residual stream over this rank's vocabulary: [rows, Vocabulary.Count]. Last stage only.</summary>
    public Tensor Logits(Tensor residual, ReadOnlySpan<int> rows) =>
        _context.Device.MatMul(_finalNorm!.Forward(_context.Device.SelectRows(residual, rows)), _head!);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (DecoderLayer layer in _layers) layer.Dispose();
        _embedding?.Dispose();
        _head?.Dispose();
    }

    // An id lies in one rank's rows: the others' vectors are absent from the sum.
    private PartialLayout EmbeddingLayout(int rank) => new(_context.Shard.Tensor.WorldSize, 0, [new PartialNode(rank, rank + 1)]);

    private Tensor Embed(Step step)
    {
        Shard shard = _context.Shard;
        PartialSums rows = _context.Device.Embed(
            _embedding!, Vocabulary.Start, _embeddingReduction.Ranks[shard.TensorRank], CollectionsMarshal.AsSpan(step.Ids));
        return shard.TensorGroup.AllReduce(_context.Device, _embeddingReduction, rows);
    }

    private Tensor ReceiveResidual(Step step)
    {
        int numRows = step.Batch.NumRows, hidden = _context.Config.HiddenSize, length = numRows * hidden;
        if (_residual.Length < length) _residual = new float[length];
        _context.Shard.PipelineGroup.Receive(_context.Shard.Stage - 1, MemoryMarshal.AsBytes(_residual.AsSpan(0, length)));
        return _context.Device.Write(_residual.AsSpan(0, length), numRows, hidden);
    }
}
