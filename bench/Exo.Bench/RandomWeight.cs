using System.Runtime.InteropServices;
using Exo.Kernels;

namespace Exo.Bench;

/// <summary>Random elements in host memory, as a checkpoint would hold them: symmetric groups of 32 where the format is affine.</summary>
internal sealed unsafe class RandomWeight : IDisposable
{
    private const int GroupSize = 32;
    private readonly nint _values;
    private readonly nint _scales;
    private readonly nint _biases;

    public RandomWeight(WeightFormat format, int numRows, int numColumns)
    {
        nint elements = (nint)numRows * numColumns, bytes = elements * format.Bits() / 8;
        _values = Allocate(bytes);
        var random = new Random(1);
        byte* p = (byte*)_values;
        if (format.IsAffine())
        {
            for (nint i = 0; i < bytes; i += 1 << 20) random.NextBytes(new Span<byte>(p + i, (int)Math.Min(1 << 20, bytes - i)));
            nint groups = elements / GroupSize;
            _scales = Allocate(groups * 2);
            _biases = Allocate(groups * 2);
            for (nint i = 0; i < groups; i++)
            {
                var scale = (Half)(0.001f + (0.001f * (float)random.NextDouble()));
                ((Half*)_scales)[i] = scale;
                ((Half*)_biases)[i] = (Half)(-(1 << (format.Bits() - 1)) * (float)scale);
            }
        }
        else
        {
            uint state = 1;
            for (nint i = 0; i < elements; i++)
            {
                state = (state * 1664525) + 1013904223;
                float value = ((state >> 8) * (1f / (1 << 24))) - 0.5f;
                if (format == WeightFormat.F32) ((float*)p)[i] = value;
                else if (format == WeightFormat.F16) ((Half*)p)[i] = (Half)value;
                else ((ushort*)p)[i] = (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16);
            }
        }
        Source = new WeightSource
        {
            Format = format,
            Address = _values,
            NumRows = numRows,
            RowLength = numColumns,
            EndColumn = numColumns,
            Scales = _scales,
            Biases = _biases,
            ScaleType = DType.F16,
            GroupSize = format.IsAffine() ? GroupSize : 0,
        };
    }

    public WeightSource Source { get; }

    public void Dispose()
    {
        NativeMemory.AlignedFree((void*)_values);
        NativeMemory.AlignedFree((void*)_scales);
        NativeMemory.AlignedFree((void*)_biases);
    }

    private static nint Allocate(nint bytes) => (nint)NativeMemory.AlignedAlloc((nuint)bytes, 64);
}
