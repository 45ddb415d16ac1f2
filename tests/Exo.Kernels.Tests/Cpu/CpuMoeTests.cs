using Xunit;

namespace Exo.Kernels.Tests.Cpu;

public class CpuMoeTests
{
    public static TheoryData<RouterOptions, bool> Routers => new()
    {
        { new RouterOptions(1, 1, RouterScoring.Softmax, true), false },
        { new RouterOptions(8, 2, RouterScoring.Softmax, true), false },
        { new RouterOptions(17, 17, RouterScoring.Softmax, false), false },
        { new RouterOptions(60, 4, RouterScoring.Softmax, false, ScalingFactor: 2.5f), false },
        { new RouterOptions(128, 8, RouterScoring.Softmax, true), false },
        { new RouterOptions(64, 6, RouterScoring.Sigmoid, true, NumGroups: 8, TopkGroups: 3, ScalingFactor: 2.5f), true },
        { new RouterOptions(6, 2, RouterScoring.Sigmoid, false, NumGroups: 6, TopkGroups: 2), true },
        { new RouterOptions(12, 5, RouterScoring.Softmax, true, NumGroups: 4, TopkGroups: 1), false },
    };

    [Theory]
    [MemberData(nameof(Routers))]
    public void Route_equals_the_reference(RouterOptions options, bool isCorrected)
    {
        using var reference = new ReferenceDevice();
        (int[] experts, float[] weights) = Run(reference);
        CpuDevices.ForEach(device =>
        {
            (int[] ownExperts, float[] ownWeights) = Run(device);
            Assert.Equal(experts, ownExperts);
            CpuDevices.AssertSameBits(weights, ownWeights, device.Name);
        });

        unsafe (int[] Experts, float[] Weights) Run(Device device)
        {
            const int NumTokens = 70;
            float[] logits = CpuDevices.Random(NumTokens * options.NumExperts, 4);
            for (int i = 0; i < logits.Length; i += 3) logits[i] = MathF.Round(logits[i]);
            Tensor? bias = isCorrected ? device.LoadVector(CpuDevices.Random(options.NumExperts, 5)) : null;
            Routing routing = device.Route(device.Write(logits, NumTokens, options.NumExperts), options, bias);
            int count = NumTokens * options.ExpertsPerToken;
            return (new Span<int>((void*)routing.Experts, count).ToArray(), new Span<float>((void*)routing.Weights, count).ToArray());
        }
    }

    // tokens, hidden, experts, per token, inner, leaves, first and end leaf held, first and end expert held, shared inner (0 = none).
    public static TheoryData<int, int, int, int, int, int, int[], int[], int> Mixtures => new()
    {
        { 1, 64, 8, 2, 96, 3, [0, 3], [0, 8], 0 },
        { 1, 320, 16, 4, 64, 2, [0, 2], [0, 16], 128 },
        { 5, 64, 8, 3, 256, 8, [0, 8], [0, 8], 0 },
        { 40, 96, 12, 5, 64, 2, [1, 2], [0, 12], 64 },
        { 33, 64, 12, 3, 64, 2, [0, 2], [5, 12], 64 },
        { 1, 64, 12, 3, 96, 3, [1, 3], [2, 5], 0 },
        { 3, 32, 1, 1, 32, 1, [0, 1], [0, 1], 0 },
        { 40, 96, 64, 1, 64, 2, [0, 2], [0, 64], 0 },
        { 47, 160, 24, 5, 320, 8, [0, 8], [0, 24], 96 },
        { 36, 64, 40, 3, 96, 3, [0, 3], [3, 24], 96 },
        { 32, 32, 64, 2, 64, 2, [1, 2], [60, 61], 0 },
    };

    [Theory]
    [MemberData(nameof(Mixtures))]
    public void ExpertMlp_equals_the_reference(
        int numTokens, int hidden, int numExperts, int expertsPerToken, int inner, int numLeaves, int[] leafRange, int[] expertRange,
        int sharedInner)
    {
        foreach (WeightFormat format in new[] { WeightFormat.BF16, WeightFormat.Affine8, WeightFormat.Affine4 })
        {
            using var reference = new ReferenceDevice();
            float[] expected = Run(reference, format);
            CpuDevices.ForEach(device => CpuDevices.AssertSameBits(expected, Run(device, format), $"{device.Name}, {format}"));
        }

        unsafe float[] Run(Device device, WeightFormat format)
        {
            int first = Cut(inner, numLeaves, leafRange[0]), end = Cut(inner, numLeaves, leafRange[1]);
            int numHeld = expertRange[1] - expertRange[0];
            bool isSplit = numHeld < numExperts, hasShared = sharedInner > 0;
            PartialLayout layout = isSplit
                ? PartialLayout.OfExperts(
                    numLeaves, leafRange[0], leafRange[1], numExperts, expertRange[0], expertRange[1],
                    hasShared ? leafRange[0] : 0, hasShared ? leafRange[1] : 0)
                : PartialLayout.OfLeaves(numLeaves, leafRange[0], leafRange[1]);
            Weight[] gateUp = [.. Enumerable.Range(expertRange[0], numHeld).Select(e => Up(e, inner, first, end))];
            Weight[] down = [.. Enumerable.Range(expertRange[0], numHeld).Select(e => Down(100 + e, inner))];
            int sharedFirst = Cut(sharedInner, numLeaves, leafRange[0]), sharedEnd = Cut(sharedInner, numLeaves, leafRange[1]);
            Weight? sharedUp = hasShared ? Up(300, sharedInner, sharedFirst, sharedEnd) : null;
            Weight? sharedDown = hasShared ? Down(301, sharedInner) : null;
            var bank = new ExpertBank(layout, expertRange[0], gateUp, down, sharedUp, sharedDown);
            Routing routing = device.Route(
                device.Write(CpuDevices.Random(numTokens * numExperts, 7), numTokens, numExperts),
                new RouterOptions(numExperts, expertsPerToken, RouterScoring.Softmax, true));
            PartialSums sums = device.ExpertMlp(device.Write(CpuDevices.Random(numTokens * hidden, 8), numTokens, hidden), routing, bank);
            int numRows = layout.Nodes.Length * numTokens;
            float[] values = device.Read(sums.Values).ToArray();
            if (sums.Present != 0)
            {
                for (int row = 0; row < numRows; row++)
                    if (((byte*)sums.Present)[row] == 0) values.AsSpan(row * hidden, hidden).Fill(float.NaN);
            }
            foreach (Weight weight in gateUp.Concat(down)) weight.Dispose();
            sharedUp?.Dispose();
            sharedDown?.Dispose();
            return values;

            Weight Up(int seed, int size, int start, int stop)
            {
                using var both = new TestWeight(format, 2 * size, hidden, seed);
                return device.Load([both.Source.Rows(start, stop), both.Source.Rows(size + start, size + stop)], ActivationFormat.Int8);
            }

            Weight Down(int seed, int size)
            {
                int[] bounds = [.. Enumerable.Range(leafRange[0], leafRange[1] - leafRange[0] + 1).Select(leaf => Cut(size, numLeaves, leaf))];
                using var whole = new TestWeight(format, hidden, size, seed);
                return device.Load([whole.Source.Columns(bounds[0], bounds[^1])], ActivationFormat.Int8, new Leaves(numLeaves, leafRange[0], bounds));
            }
        }
    }

    private static int Cut(int size, int numLeaves, int leaf) => Math.Min(size, leaf * ((size + 31) / 32) / numLeaves * 32);

    /// <summary>A random weight in host memory: BF16, or affine with groups of 32 and float16 scales.</summary>
    private sealed unsafe class TestWeight : IDisposable
    {
        private readonly NativeBuffer _elements, _scales, _biases;

        public TestWeight(WeightFormat format, int rows, int columns, int seed)
        {
            var random = new Random(seed);
            _elements = new NativeBuffer((nint)rows * columns * format.Bits() / 8);
            _scales = new NativeBuffer((nint)rows * columns / 32 * 2);
            _biases = new NativeBuffer((nint)rows * columns / 32 * 2);
            if (format == WeightFormat.BF16)
            {
                var elements = new Span<ushort>((void*)_elements.Address, rows * columns);
                foreach (ref ushort element in elements)
                    element = (ushort)(BitConverter.SingleToUInt32Bits((float)random.NextDouble() - 0.5f) >> 16);
            }
            else random.NextBytes(new Span<byte>((void*)_elements.Address, (int)_elements.Bytes));
            foreach (ref Half scale in new Span<Half>((void*)_scales.Address, rows * columns / 32)) scale = (Half)(random.NextDouble() * 0.1);
            foreach (ref Half bias in new Span<Half>((void*)_biases.Address, rows * columns / 32)) bias = (Half)(-random.NextDouble() * 0.8);
            Source = new WeightSource
            {
                Format = format,
                Address = _elements.Address,
                NumRows = rows,
                RowLength = columns,
                EndColumn = columns,
                Scales = _scales.Address,
                Biases = _biases.Address,
                ScaleType = DType.F16,
                GroupSize = 32,
            };
        }

        public WeightSource Source { get; }

        public void Dispose()
        {
            _elements.Dispose();
            _scales.Dispose();
            _biases.Dispose();
        }
    }
}
