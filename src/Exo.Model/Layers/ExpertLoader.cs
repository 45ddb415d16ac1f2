using Exo.Kernels;
using Exo.Model.Parallel;
using Exo.Model.Weights;

namespace Exo.Model.Layers;

/// <summary>Decides which part of a mixture a rank holds, loads it, and says how the ranks' parts are added up.</summary>
internal sealed class ExpertLoader
{
    private readonly ModelContext _context;
    private readonly WeightScope _weights;
    private readonly MoeConfig _moe;
    private readonly int[] _bounds; // of the routed experts' leaves, in intermediate columns
    private readonly int[] _sharedBounds;
    private readonly bool _splitsExperts;

    public ExpertLoader(ModelContext context, WeightScope weights, MoeConfig moe)
    {
        (_context, _weights, _moe) = (context, weights, moe);
        _bounds = LeafCuts.Expert(moe.MoeIntermediateSize);
        _sharedBounds = moe.NSharedExperts == 0 ? [] : LeafCuts.SharedExpert(moe.MoeIntermediateSize * moe.NSharedExperts, NumLeaves);
        Partition partition = context.Shard.Tensor;
        _splitsExperts = context.Shard.ExpertSplit == ExpertSplit.Experts && partition.WorldSize > 1;
        Reduction = _splitsExperts
            ? new Reduction([.. Enumerable.Range(0, partition.WorldSize).Select(ExpertLayout)])
            : Reduction.OfLeaves(partition, NumLeaves);
    }

    /// <summary>How the ranks' sums are added up.</summary>
    public Reduction Reduction { get; }

    private int NumLeaves => _bounds.Length - 1;

    /// <summary>Loads this rank's part.</summary>
    public ExpertBank Load()
    {
        Shard shard = _context.Shard;
        Slice leaves = shard.Own(NumLeaves);
        Slice expertLeaves = _splitsExperts ? new Slice(0, NumLeaves) : leaves;
        Slice experts = _splitsExperts ? shard.Own(_moe.NumExperts) : new Slice(0, _moe.NumExperts);
        var gateUp = new Weight[experts.Count];
        var down = new Weight[experts.Count];
        for (int i = 0; i < experts.Count; i++)
        {
            int expert = experts.Start + i;
            (gateUp[i], down[i]) = LoadMlp(name => Expert(name, expert), _bounds, expertLeaves);
        }
        PartialLayout layout = Reduction.Ranks[shard.TensorRank];
        if (_moe.NSharedExperts == 0) return new ExpertBank(layout, experts.Start, gateUp, down);
        (Weight sharedGateUp, Weight sharedDown) = LoadMlp(Shared, _sharedBounds, leaves);
        return new ExpertBank(layout, experts.Start, gateUp, down, sharedGateUp, sharedDown);
    }

    private PartialLayout ExpertLayout(int rank)
    {
        Partition partition = _context.Shard.Tensor;
        Slice experts = partition.Of(_moe.NumExperts, rank);
        Slice shared = _moe.NSharedExperts == 0 ? default : partition.Of(NumLeaves, rank);
        return PartialLayout.OfExperts(NumLeaves, 0, NumLeaves, _moe.NumExperts, experts.Start, experts.End, shared.Start, shared.End);
    }

    private (Weight GateUp, Weight Down) LoadMlp(Func<string, WeightSource> source, int[] bounds, Slice leaves)
    {
        WeightSource gate = source("gate_proj").Rows(bounds[leaves.Start], bounds[leaves.End]);
        WeightSource up = source("up_proj").Rows(bounds[leaves.Start], bounds[leaves.End]);
        Weight gateUp = _context.Device.Load([gate, up], _context.Arithmetic.Activations);
        return (gateUp, RowParallelLinear.LoadLeaves(_context, source("down_proj"), bounds, leaves));
    }

    private WeightSource Expert(string name, int expert)
    {
        (int numRows, int numColumns) = Shape(name, _moe.MoeIntermediateSize);
        if (!_weights.Has("switch_mlp.gate_proj.weight")) return _weights.Matrix($"experts.{expert}.{name}", numRows, numColumns);
        return _weights.Stacked($"switch_mlp.{name}", _moe.NumExperts, numRows, numColumns).Rows(expert * numRows, (expert + 1) * numRows);
    }

    private WeightSource Shared(string name)
    {
        (int numRows, int numColumns) = Shape(name, _moe.MoeIntermediateSize * _moe.NSharedExperts);
        return _weights.Matrix($"shared_experts.{name}", numRows, numColumns);
    }

    private (int NumRows, int NumColumns) Shape(string name, int intermediateSize)
    {
        int hidden = _context.Config.HiddenSize;
        return name == "down_proj" ? (hidden, intermediateSize) : (intermediateSize, hidden);
    }
}
