namespace Exo.Model.Weights.Quantization;

/// <summary>The two numbers of an affine quantization: bits of an integer, and how many share a scale and a bias.</summary>
public readonly record struct AffineFormat
{
    public AffineFormat(int bits, int groupSize)
    {
        if (bits is not (2 or 3 or 4 or 5 or 6 or 8))
            throw new ArgumentOutOfRangeException(nameof(bits), bits, "expected 2, 3, 4, 5, 6 or 8 bits");
        if (groupSize is not (32 or 64 or 128))
            throw new ArgumentOutOfRangeException(nameof(groupSize), groupSize, "expected groups of 32, 64 or 128");
        Bits = bits;
        GroupSize = groupSize;
    }

    public int Bits { get; }

    public int GroupSize { get; }

    public override string ToString() => $"affine, {Bits} bits, groups of {GroupSize}";
}
