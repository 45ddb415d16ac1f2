using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Exo.Kernels;

/// <summary>
/// What this machine can do at best with a number of threads, measured here and now (it drifts on shared machines): kernels are
/// reported as shares of these.
/// </summary>
/// <param name="BytesPerSecond">Reading memory outside the caches: the best of 1, 2 and 4 far streams a thread.</param>
/// <param name="FlopsPerSecond">float32 fused multiply-adds on registers, two operations each: the best of the vector widths at hand.</param>
public sealed record MachineLimits(double BytesPerSecond, double FlopsPerSecond)
{
    private const int PiecesPerThread = 8;

    /// <summary>Measures both with all threads of <paramref name="device"/>, for about <paramref name="milliseconds"/> each.</summary>
    public static MachineLimits Measure(CpuDevice device, int milliseconds = 200)
    {
        using var probe = new MemoryProbe(device);
        return new MachineLimits(probe.Measure(milliseconds), MeasureFlops(device, milliseconds));
    }

    /// <summary>float32 operations a second on registers.</summary>
    public static unsafe double MeasureFlops(CpuDevice device, int milliseconds)
    {
        int numPieces = device.NumThreads * PiecesPerThread;
        double best = 0;
        var watch = Stopwatch.StartNew();
        while (watch.ElapsedMilliseconds < milliseconds)
        {
            foreach (Isa isa in IsaSupport.Available)
            {
                long start = Stopwatch.GetTimestamp();
                float kept = 0;
                if (isa == Isa.Avx512) device.Team.Run(numPieces, &FmaProbe.Run512, &kept);
                else if (isa == Isa.Avx2) device.Team.Run(numPieces, &FmaProbe.Run256, &kept);
                else device.Team.Run(numPieces, &FmaProbe.Run128, &kept);
                double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
                best = Math.Max(best, numPieces * FmaProbe.Flops(isa) / seconds);
            }
        }
        return best;
    }

    /// <summary>Seconds that all threads need to copy these bytes into memory that nobody has touched: what loading a weight costs at least.</summary>
    public static unsafe double MeasureCopySeconds(CpuDevice device, nint address, nint bytes)
    {
        long start = Stopwatch.GetTimestamp();
        using var memory = new LargeBuffer(bytes);
        var job = new CopyJob { From = (byte*)address, To = (byte*)memory.Address, Bytes = bytes };
        device.Team.Run((int)((bytes + CopyJob.PieceBytes - 1) / CopyJob.PieceBytes), &CopyPiece, &job);
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static unsafe void CopyPiece(void* argument, int piece, int worker)
    {
        var job = (CopyJob*)argument;
        nint start = piece * CopyJob.PieceBytes, count = Math.Min(CopyJob.PieceBytes, job->Bytes - start);
        Buffer.MemoryCopy(job->From + start, job->To + start, count, count);
    }

    private unsafe struct CopyJob
    {
        public const nint PieceBytes = 2 << 20;
        public byte* From;
        public byte* To;
        public nint Bytes;
    }

    /// <summary>Memory to measure the bandwidth with: kept between rounds, so that a round costs milliseconds.</summary>
    public sealed unsafe class MemoryProbe : IDisposable
    {
        private readonly CpuDevice _device;
        private readonly LargeBuffer _memory;

        /// <summary>Touches the memory: <paramref name="bytes"/> that do not fit the caches.</summary>
        public MemoryProbe(CpuDevice device, nint bytes = 384 << 20)
        {
            _device = device;
            _memory = new LargeBuffer(bytes);
            _memory.Clear(device.Team);
        }

        /// <summary>The best bytes per second of 1, 2 and 4 streams a thread, within about <paramref name="milliseconds"/>.</summary>
        public double Measure(int milliseconds)
        {
            double best = 0;
            var watch = Stopwatch.StartNew();
            do
            {
                for (int streams = 1; streams <= 4; streams *= 2) best = Math.Max(best, ReadOnce(streams));
            }
            while (watch.ElapsedMilliseconds < milliseconds);
            return best;
        }

        /// <inheritdoc/>
        public void Dispose() => _memory.Dispose();

        private double ReadOnce(int streams)
        {
            int numPieces = _device.NumThreads * PiecesPerThread;
            nint pieceBytes = _memory.Bytes / streams / numPieces / 64 * 64;
            var job = new ReadJob
            {
                Memory = (byte*)_memory.Address,
                StreamDistance = (_memory.Bytes / streams / 64 * 64) - 1088,
                PieceBytes = pieceBytes,
                Streams = streams,
            };
            long start = Stopwatch.GetTimestamp();
            _device.Team.Run(numPieces, &ReadPiece, &job);
            return (double)pieceBytes * streams * numPieces / Stopwatch.GetElapsedTime(start).TotalSeconds;
        }

        private static void ReadPiece(void* argument, int piece, int worker)
        {
            var job = (ReadJob*)argument;
            byte* start = job->Memory + (piece * job->PieceBytes);
            long sum = job->Streams switch
            {
                1 => Sum1(start, job->PieceBytes),
                2 => Sum2(start, job->StreamDistance, job->PieceBytes),
                _ => Sum4(start, job->StreamDistance, job->PieceBytes),
            };
            if (sum != 0) Interlocked.Add(ref job->Sum, sum);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static long Sum1(byte* p, nint bytes)
        {
            Vector256<long> a = default, b = default;
            for (nint i = 0; i < bytes; i += 64)
            {
                a += Vector256.Load((long*)(p + i));
                b += Vector256.Load((long*)(p + i + 32));
            }
            return Vector256.Sum(a + b);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static long Sum2(byte* p, nint distance, nint bytes)
        {
            byte* q = p + distance;
            Vector256<long> a = default, b = default;
            for (nint i = 0; i < bytes; i += 64)
            {
                a += Vector256.Load((long*)(p + i)) + Vector256.Load((long*)(p + i + 32));
                b += Vector256.Load((long*)(q + i)) + Vector256.Load((long*)(q + i + 32));
            }
            return Vector256.Sum(a + b);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static long Sum4(byte* p, nint distance, nint bytes)
        {
            byte* q = p + distance, r = q + distance, s = r + distance;
            Vector256<long> a = default, b = default, c = default, d = default;
            for (nint i = 0; i < bytes; i += 64)
            {
                a += Vector256.Load((long*)(p + i)) + Vector256.Load((long*)(p + i + 32));
                b += Vector256.Load((long*)(q + i)) + Vector256.Load((long*)(q + i + 32));
                c += Vector256.Load((long*)(r + i)) + Vector256.Load((long*)(r + i + 32));
                d += Vector256.Load((long*)(s + i)) + Vector256.Load((long*)(s + i + 32));
            }
            return Vector256.Sum(a + b + c + d);
        }

        private struct ReadJob
        {
            public byte* Memory;
            public nint StreamDistance;
            public nint PieceBytes;
            public int Streams;
            public long Sum;
        }
    }
}
