using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Exo.Kernels;

/// <summary>An operation of a device, with the shape of its weight where it has one: [Rows, Columns].</summary>
public readonly record struct OperationKey(string Name, int Rows = 0, int Columns = 0);

/// <summary>What calls of one operation added up to.</summary>
/// <param name="Calls">How often.</param>
/// <param name="Seconds">Time inside the device.</param>
/// <param name="WeightBytes">Packed bytes of the weights, once a call.</param>
/// <param name="KvBytes">Bytes of keys and values that some row of a call sees.</param>
/// <param name="WeightFlops">Multiplications and additions with weights: 2 * rows * columns * tokens.</param>
public readonly record struct OperationTotals(long Calls, double Seconds, long WeightBytes, long KvBytes, long WeightFlops)
{
    /// <summary>Adds two up.</summary>
    public static OperationTotals operator +(OperationTotals a, OperationTotals b) => new(
        a.Calls + b.Calls, a.Seconds + b.Seconds, a.WeightBytes + b.WeightBytes, a.KvBytes + b.KvBytes, a.WeightFlops + b.WeightFlops);
}

public abstract partial class Device
{
    /// <summary>
    /// Another device, and while <see cref="IsOn"/> a count of what each operation reads, computes and takes. Off, it costs a call. Times
    /// are those of a device that computes at once. Owns the inner device.
    /// </summary>
    public sealed class Metered(Device inner) : Device
    {
        private readonly Dictionary<OperationKey, OperationTotals> _totals = [];

        /// <summary>Counting, or only forwarding.</summary>
        public bool IsOn { get; set; }

        /// <summary>Totals by operation since the last <see cref="Clear"/>.</summary>
        public IReadOnlyDictionary<OperationKey, OperationTotals> Totals => _totals;

        /// <summary>All operations together.</summary>
        public OperationTotals Sum => _totals.Values.Aggregate(default(OperationTotals), (sum, one) => sum + one);

        /// <inheritdoc/>
        public override string Name => inner.Name;

        /// <inheritdoc/>
        public override long FreeMemoryBytes => inner.FreeMemoryBytes;

        /// <summary>Forgets the totals.</summary>
        public void Clear() => _totals.Clear();

        /// <inheritdoc/>
        public override Tensor LoadVector(ReadOnlySpan<float> values) => inner.LoadVector(values);

        /// <inheritdoc/>
        protected override void Dispose(bool disposing)
        {
            if (disposing) inner.Dispose();
            base.Dispose(disposing);
        }

        /// <inheritdoc/>
        protected override Weight LoadCore(ReadOnlySpan<WeightSource> parts, ActivationFormat activations, Leaves? leaves) =>
            inner.LoadCore(parts, activations, leaves);

        /// <inheritdoc/>
        protected override KvCache CreateKvCacheCore(KvLayout layout, DType type, int numPages) => inner.CreateKvCacheCore(layout, type, numPages);

        /// <inheritdoc/>
        protected override void WriteCore(ReadOnlySpan<float> values, Tensor output) => inner.WriteCore(values, output);

        /// <inheritdoc/>
        protected override ReadOnlySpan<float> ReadCore(Tensor x) => inner.ReadCore(x);

        /// <inheritdoc/>
        protected override void CopyCore(Tensor source, Tensor destination) => inner.CopyCore(source, destination);

        /// <inheritdoc/>
        protected override void EmbedCore(Weight table, int firstId, ReadOnlySpan<int> ids, Tensor output, nint present)
        {
            long start = Stopwatch.GetTimestamp();
            inner.EmbedCore(table, firstId, ids, output, present);
            Count(new OperationKey("Embed"), start, weightBytes: table.PackedBytes / Math.Max(1, table.NumRows) * ids.Length);
        }

        /// <inheritdoc/>
        protected override void MatMulCore(Tensor x, Weight weight, Tensor output)
        {
            long start = Stopwatch.GetTimestamp();
            inner.MatMulCore(x, weight, output);
            CountProduct("MatMul", start, x.NumRows, weight);
        }

        /// <inheritdoc/>
        protected override void MatMulPartialCore(Tensor x, Weight weight, Tensor output)
        {
            long start = Stopwatch.GetTimestamp();
            inner.MatMulPartialCore(x, weight, output);
            CountProduct("MatMulPartial", start, x.NumRows, weight);
        }

        /// <inheritdoc/>
        protected override void AddNodesCore(ReductionProgram program, ReadOnlySpan<NodeValues> nodes, Tensor output)
        {
            long start = Stopwatch.GetTimestamp();
            inner.AddNodesCore(program, nodes, output);
            Count(new OperationKey("AddNodes"), start);
        }

        /// <inheritdoc/>
        protected override void RmsNormCore(Tensor x, Tensor gain, float epsilon, int headDim, Tensor output)
        {
            long start = Stopwatch.GetTimestamp();
            inner.RmsNormCore(x, gain, epsilon, headDim, output);
            Count(new OperationKey("RmsNorm"), start);
        }

        /// <inheritdoc/>
        protected override void RopeTableCore(ReadOnlySpan<int> positions, double[] inverseFrequencies, double scale, Tensor output)
        {
            long start = Stopwatch.GetTimestamp();
            inner.RopeTableCore(positions, inverseFrequencies, scale, output);
            Count(new OperationKey("RopeTable"), start);
        }

        /// <inheritdoc/>
        protected override void RopeCore(Tensor x, Tensor table, int headDim, int offset, RopePairs pairs)
        {
            long start = Stopwatch.GetTimestamp();
            inner.RopeCore(x, table, headDim, offset, pairs);
            Count(new OperationKey("Rope"), start);
        }

        /// <inheritdoc/>
        protected override void AppendKvCore(KvCache cache, StepBatch batch, Tensor keys, Tensor values)
        {
            long start = Stopwatch.GetTimestamp();
            inner.AppendKvCore(cache, batch, keys, values);
            Count(new OperationKey("AppendKv"), start);
        }

        /// <inheritdoc/>
        protected override void AttentionCore(Tensor query, KvCache cache, StepBatch batch, AttentionShape shape, Tensor output)
        {
            long start = Stopwatch.GetTimestamp();
            inner.AttentionCore(query, cache, batch, shape, output);
            long positions = 0;
            for (int s = 0; s < batch.NumSequences; s++)
            {
                int first = batch.Positions[batch.RowStarts[s]], last = batch.Positions[batch.RowStarts[s + 1] - 1];
                positions += last + 1 - (cache.Layout.Window == 0 ? 0 : Math.Max(0, first + 1 - cache.Layout.Window));
            }
            Count(new OperationKey("Attention"), start, kvBytes: positions * cache.PageBytes / KvLayout.PageSize);
        }

        /// <inheritdoc/>
        protected override void SiluMulCore(Tensor gateUp, Tensor output)
        {
            long start = Stopwatch.GetTimestamp();
            inner.SiluMulCore(gateUp, output);
            Count(new OperationKey("SiluMul"), start);
        }

        /// <inheritdoc/>
        protected override void AddCore(Tensor a, Tensor b)
        {
            long start = Stopwatch.GetTimestamp();
            inner.AddCore(a, b);
            Count(new OperationKey("Add"), start);
        }

        /// <inheritdoc/>
        protected override void AddRowCore(Tensor a, Tensor b)
        {
            long start = Stopwatch.GetTimestamp();
            inner.AddRowCore(a, b);
            Count(new OperationKey("AddRow"), start);
        }

        /// <inheritdoc/>
        protected override void SelectRowsCore(Tensor x, ReadOnlySpan<int> rows, Tensor output)
        {
            long start = Stopwatch.GetTimestamp();
            inner.SelectRowsCore(x, rows, output);
            Count(new OperationKey("SelectRows"), start);
        }

        /// <inheritdoc/>
        protected override void RouteCore(Tensor logits, RouterOptions options, Tensor? correctionBias, Routing routing)
        {
            long start = Stopwatch.GetTimestamp();
            inner.RouteCore(logits, options, correctionBias, routing);
            Count(new OperationKey("Route"), start);
        }

        /// <inheritdoc/>
        protected override void ExpertMlpCore(Tensor x, Routing routing, ExpertBank bank, Tensor output, nint present)
        {
            long start = Stopwatch.GetTimestamp();
            inner.ExpertMlpCore(x, routing, bank, output, present);
            if (!IsOn) return;
            long elapsed = Stopwatch.GetTimestamp() - start, bytes = 0, flops = 0;
            int numChoices = routing.NumTokens * routing.ExpertsPerToken;
            ReadOnlySpan<int> choices = MemoryMarshal.Cast<float, int>(inner.ReadCore(new Tensor(routing.Experts, 1, numChoices, numChoices)));
            var seen = new HashSet<int>();
            foreach (int expert in choices)
            {
                if (expert < bank.FirstExpert || expert >= bank.EndExpert) continue;
                AddWeights(bank.GateUp[expert - bank.FirstExpert], bank.Down[expert - bank.FirstExpert], tokens: 1, seen.Add(expert) ? 1 : 0);
            }
            if (bank.SharedGateUp is { } gateUp) AddWeights(gateUp, bank.SharedDown!, routing.NumTokens, numReads: 1);
            Count(new OperationKey("ExpertMlp"), Stopwatch.GetTimestamp() - elapsed, bytes, weightFlops: flops);

            void AddWeights(Weight first, Weight second, int tokens, int numReads)
            {
                bytes += numReads * (first.PackedBytes + second.PackedBytes);
                flops += 2L * tokens * (((long)first.NumRows * first.NumColumns) + ((long)second.NumRows * second.NumColumns));
            }
        }

        private void CountProduct(string name, long start, int numTokens, Weight weight) => Count(
            new OperationKey(name, weight.NumRows, weight.NumColumns), start, weight.PackedBytes, weightFlops: 2L * numTokens * weight.NumRows * weight.NumColumns);

        private void Count(OperationKey key, long start, long weightBytes = 0, long kvBytes = 0, long weightFlops = 0)
        {
            if (!IsOn) return;
            var one = new OperationTotals(1, Stopwatch.GetElapsedTime(start).TotalSeconds, weightBytes, kvBytes, weightFlops);
            _totals[key] = _totals.GetValueOrDefault(key) + one;
        }
    }
}
