using System.Runtime.CompilerServices;

namespace Exo.Kernels.Cpu;

/// <summary>A number that the JIT sees as a constant.</summary>
internal interface IConstant
{
    /// <summary>The number.</summary>
    static abstract int Value { get; }
}

/// <summary>How the second factor of a tile lies in memory.</summary>
internal unsafe interface IElement<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    /// <summary>Bytes of an element.</summary>
    static abstract int Bytes { get; }

    /// <summary>A vector of elements, converted exactly.</summary>
    static abstract TVector Load(byte* source);
}

internal readonly unsafe struct FloatElement<TSimd, TVector> : IElement<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    /// <inheritdoc/>
    public static int Bytes
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => 4;
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load(byte* source) => TSimd.Load((float*)source);
}

internal readonly unsafe struct HalfElement<TSimd, TVector> : IElement<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    /// <inheritdoc/>
    public static int Bytes
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => 2;
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load(byte* source) => TSimd.LoadHalf((ushort*)source);
}

/// <summary>Halves of which none is infinite or NaN.</summary>
internal readonly unsafe struct FiniteHalfElement<TSimd, TVector> : IElement<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    /// <inheritdoc/>
    public static int Bytes
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => 2;
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load(byte* source) => TSimd.LoadFiniteHalf((ushort*)source);
}

/// <summary>Finite halves, each 2^-112 of its value.</summary>
internal readonly unsafe struct SmallHalfElement<TSimd, TVector> : IElement<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : struct
{
    /// <inheritdoc/>
    public static int Bytes
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => 2;
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load(byte* source) => TSimd.LoadSmallHalf((ushort*)source);
}

internal readonly struct One : IConstant
{
    /// <inheritdoc/>
    public static int Value => 1;
}

internal readonly struct Two : IConstant
{
    /// <inheritdoc/>
    public static int Value => 2;
}

internal readonly struct Three : IConstant
{
    /// <inheritdoc/>
    public static int Value => 3;
}

internal readonly struct Four : IConstant
{
    /// <inheritdoc/>
    public static int Value => 4;
}

internal readonly struct Six : IConstant
{
    /// <inheritdoc/>
    public static int Value => 6;
}
