namespace Exo.Kernels.Cpu;

/// <summary>
/// A float32 vector type as the kernels see it: one kernel text serves every width, and the JIT compiles it once for each. Nothing here
/// depends on the width but the number of outputs that are computed at once (NUMERICS.md): lanes are outputs, or the 16 virtual lanes of a
/// sum, of which a vector holds <see cref="Width"/>.
/// </summary>
/// <typeparam name="TVector">Vector128, Vector256 or Vector512 of float.</typeparam>
internal unsafe interface ISimd<TVector>
    where TVector : struct
{
    /// <summary>Lanes.</summary>
    static abstract int Width { get; }

    /// <summary>+0 in every lane.</summary>
    static abstract TVector Zero { get; }

    /// <summary>Width floats, any alignment.</summary>
    static abstract TVector Load(float* source);

    /// <summary>Width halves, any alignment, converted exactly.</summary>
    static abstract TVector LoadHalf(ushort* source);

    /// <summary>The same in fewer steps; infinities and NaN become finite numbers.</summary>
    static abstract TVector LoadFiniteHalf(ushort* source);

    /// <summary>Finite halves, each times 2^-112, exactly: who multiplies them anyway brings <see cref="HalfUnit.Value"/> in with the other factor.</summary>
    static abstract TVector LoadSmallHalf(ushort* source);

    /// <summary>Width floats, any alignment.</summary>
    static abstract void Store(float* target, TVector value);

    /// <summary>The same number in every lane.</summary>
    static abstract TVector Broadcast(float value);

    /// <summary>a + b.</summary>
    static abstract TVector Add(TVector a, TVector b);

    /// <summary>a - b.</summary>
    static abstract TVector Subtract(TVector a, TVector b);

    /// <summary>a * b.</summary>
    static abstract TVector Multiply(TVector a, TVector b);

    /// <summary>a / b.</summary>
    static abstract TVector Divide(TVector a, TVector b);

    /// <summary>The larger; either zero of +0 and -0.</summary>
    static abstract TVector Max(TVector a, TVector b);

    /// <summary>a * b + c rounded once.</summary>
    static abstract TVector Fma(TVector a, TVector b, TVector c);

    /// <summary>The contract's exp.</summary>
    static abstract TVector Exp(TVector x);

    /// <summary>x / (1 + exp(-x)).</summary>
    static abstract TVector Silu(TVector x);

    /// <summary>The largest lane.</summary>
    static abstract float MaxAcross(TVector x);
}
