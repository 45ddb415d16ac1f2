using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Exo.Kernels;

/// <summary>Twelve independent chains of fused multiply-adds that never leave the registers.</summary>
internal static unsafe class FmaProbe
{
    private const int Rounds = 40_000;
    private const int NumChains = 12;

    /// <summary>Operations of one piece: a multiplication and an addition for each lane, chain and round.</summary>
    public static double Flops(Isa isa) => 2.0 * Rounds * NumChains * (isa switch { Isa.Vector128 => 4, Isa.Avx2 => 8, _ => 16 });

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run128(void* kept, int piece, int worker)
    {
        Vector128<float> x = Vector128.Create(0.5f), a0 = x, a1 = x, a2 = x, a3 = x, a4 = x, a5 = x, a6 = x, a7 = x, a8 = x, a9 = x,
            a10 = x, a11 = x;
        for (int i = 0; i < Rounds; i++)
        {
            a0 = Vector128.FusedMultiplyAdd(x, x, a0);
            a1 = Vector128.FusedMultiplyAdd(x, x, a1);
            a2 = Vector128.FusedMultiplyAdd(x, x, a2);
            a3 = Vector128.FusedMultiplyAdd(x, x, a3);
            a4 = Vector128.FusedMultiplyAdd(x, x, a4);
            a5 = Vector128.FusedMultiplyAdd(x, x, a5);
            a6 = Vector128.FusedMultiplyAdd(x, x, a6);
            a7 = Vector128.FusedMultiplyAdd(x, x, a7);
            a8 = Vector128.FusedMultiplyAdd(x, x, a8);
            a9 = Vector128.FusedMultiplyAdd(x, x, a9);
            a10 = Vector128.FusedMultiplyAdd(x, x, a10);
            a11 = Vector128.FusedMultiplyAdd(x, x, a11);
        }
        *(float*)kept = Vector128.Sum(a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7 + a8 + a9 + a10 + a11);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run256(void* kept, int piece, int worker)
    {
        Vector256<float> x = Vector256.Create(0.5f), a0 = x, a1 = x, a2 = x, a3 = x, a4 = x, a5 = x, a6 = x, a7 = x, a8 = x, a9 = x,
            a10 = x, a11 = x;
        for (int i = 0; i < Rounds; i++)
        {
            a0 = Vector256.FusedMultiplyAdd(x, x, a0);
            a1 = Vector256.FusedMultiplyAdd(x, x, a1);
            a2 = Vector256.FusedMultiplyAdd(x, x, a2);
            a3 = Vector256.FusedMultiplyAdd(x, x, a3);
            a4 = Vector256.FusedMultiplyAdd(x, x, a4);
            a5 = Vector256.FusedMultiplyAdd(x, x, a5);
            a6 = Vector256.FusedMultiplyAdd(x, x, a6);
            a7 = Vector256.FusedMultiplyAdd(x, x, a7);
            a8 = Vector256.FusedMultiplyAdd(x, x, a8);
            a9 = Vector256.FusedMultiplyAdd(x, x, a9);
            a10 = Vector256.FusedMultiplyAdd(x, x, a10);
            a11 = Vector256.FusedMultiplyAdd(x, x, a11);
        }
        *(float*)kept = Vector256.Sum(a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7 + a8 + a9 + a10 + a11);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run512(void* kept, int piece, int worker)
    {
        Vector512<float> x = Vector512.Create(0.5f), a0 = x, a1 = x, a2 = x, a3 = x, a4 = x, a5 = x, a6 = x, a7 = x, a8 = x, a9 = x,
            a10 = x, a11 = x;
        for (int i = 0; i < Rounds; i++)
        {
            a0 = Vector512.FusedMultiplyAdd(x, x, a0);
            a1 = Vector512.FusedMultiplyAdd(x, x, a1);
            a2 = Vector512.FusedMultiplyAdd(x, x, a2);
            a3 = Vector512.FusedMultiplyAdd(x, x, a3);
            a4 = Vector512.FusedMultiplyAdd(x, x, a4);
            a5 = Vector512.FusedMultiplyAdd(x, x, a5);
            a6 = Vector512.FusedMultiplyAdd(x, x, a6);
            a7 = Vector512.FusedMultiplyAdd(x, x, a7);
            a8 = Vector512.FusedMultiplyAdd(x, x, a8);
            a9 = Vector512.FusedMultiplyAdd(x, x, a9);
            a10 = Vector512.FusedMultiplyAdd(x, x, a10);
            a11 = Vector512.FusedMultiplyAdd(x, x, a11);
        }
        *(float*)kept = Vector512.Sum(a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7 + a8 + a9 + a10 + a11);
    }
}
