using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Exo.Kernels.Numerics;

public static partial class Fp
{
    /// <summary>Four times <see cref="Exp(double)"/>, bit for bit, for |x| up to 700: the same operations lane by lane, without its range checks.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<double> Exp(Vector256<double> x)
    {
        Vector256<double> shift = Vector256.Create(RoundingShiftDouble);
        Vector256<double> shifted = Vector256.FusedMultiplyAdd(x, Vector256.Create(Log2EDouble), shift);
        Vector256<double> n = shifted - shift;
        Vector256<double> reduced = Vector256.FusedMultiplyAdd(n, Vector256.Create(-Ln2DoubleHigh), x);
        Vector256<double> correction = n * -Ln2DoubleLow; // fma(n, -low, 0)
        Vector256<double> r = reduced + correction;
        Vector256<double> lost = correction - (r - reduced);
        Vector256<double> p = Vector256.Create(InverseFactorials[14]);
        for (int k = 13; k >= 2; k--) p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(InverseFactorials[k]));
        p = Vector256.FusedMultiplyAdd(p * r, r, lost) + r + Vector256<double>.One;

        // The low bits of `shifted` are n. p is near 1 and the result normal, so one multiplication by 2^n is exact, as scalar's two are.
        Vector256<long> exponent = shifted.AsInt64() - shift.AsInt64();
        return p * ((exponent + Vector256.Create(1023L)) << 52).AsDouble();
    }
}
