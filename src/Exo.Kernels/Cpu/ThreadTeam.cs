using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Exo.Kernels;

/// <summary>
/// A fixed team of threads for fork-join regions of microseconds. A job is cut into pieces; the caller (worker 0) and whichever workers
/// are awake take them through an atomic counter until none is left. A worker that comes late finds nothing and is not waited for, so
/// a busy machine costs pieces, never a stall. Workers spin about 1,000 pauses after a job, then yield, then park: two teams on one
/// machine do not starve each other. A job allocates nothing. One thread at a time may call <see cref="Run"/>.
/// </summary>
public sealed unsafe class ThreadTeam : IDisposable
{
    private const int NumSpins = 1000;
    private const int NumYields = 200;
    private const int ParkTimeoutMs = 1000;
    private const int JoinTimeoutMs = 5000;
    private readonly Shared* _shared;
    private readonly Thread[] _threads;
    private readonly Seat[] _seats;
    private bool _disposed;

    /// <summary>A team of <paramref name="numThreads"/>, the calling thread included.</summary>
    public ThreadTeam(int numThreads)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(numThreads, 1);
        NumThreads = numThreads;
        _shared = (Shared*)NativeMemory.AlignedAlloc((nuint)sizeof(Shared), 64);
        *_shared = default;
        _threads = new Thread[numThreads - 1];
        _seats = new Seat[numThreads - 1];
        for (int i = 0; i < _threads.Length; i++)
        {
            int worker = i + 1;
            _seats[i] = new Seat();
            _threads[i] = new Thread(() => Work(worker)) { IsBackground = true, Name = $"exo kernels {worker}" };
            _threads[i].Start();
        }
    }

    /// <summary>Threads, the caller of <see cref="Run"/> included.</summary>
    public int NumThreads { get; }

    /// <summary>
    /// Calls body(job, piece, worker) once for every piece in [0, numPieces), on any thread of the team, in any order; returns when all
    /// are done. The body must not throw and must not call Run. Worker is in [0, NumThreads): it chooses scratch memory.
    /// </summary>
    public void Run(int numPieces, delegate*<void*, int, int, void> body, void* job)
    {
        if (NumThreads == 1 || numPieces <= 1)
        {
            for (int piece = 0; piece < numPieces; piece++) body(job, piece, 0);
            return;
        }
        _shared->Body = body;
        _shared->Job = job;
        _shared->NumPieces = numPieces;
        _shared->NumDone = 0;
        ulong generation = (Volatile.Read(ref _shared->State) >> 32) + 1;
        // The exchange is a full fence: the job is visible before its number, and a parked worker is seen after it.
        Interlocked.Exchange(ref _shared->State, (generation << 32) | (uint)numPieces);
        WakeParked();
        TakePieces(0);
        WaitForPieces(numPieces);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        Volatile.Write(ref _shared->Stop, 1);
        Interlocked.Add(ref _shared->State, 1UL << 32);
        WakeParked();
        bool joined = true;
        foreach (Thread thread in _threads) joined &= thread.Join(JoinTimeoutMs);
        foreach (Seat seat in _seats) seat.Dispose();
        if (joined) NativeMemory.AlignedFree(_shared);
    }

    /// <summary>
    /// State holds the job's number and how many of its pieces nobody has taken. A piece is taken by lowering that count while the
    /// number is still the one seen: success proves that the job is unfinished, hence that Body, Job and NumPieces are its own.
    /// </summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void TakePieces(int worker)
    {
        Shared* shared = _shared;
        int taken = 0;
        ulong state = Volatile.Read(ref shared->State);
        while ((uint)state != 0)
        {
            ulong seen = Interlocked.CompareExchange(ref shared->State, state - 1, state);
            if (seen != state)
            {
                if (seen >> 32 != state >> 32) break;
                state = seen;
                continue;
            }
            shared->Body(shared->Job, shared->NumPieces - (int)(uint)state, worker);
            taken++;
            state = Volatile.Read(ref shared->State);
        }
        if (taken > 0) Interlocked.Add(ref shared->NumDone, taken);
    }

    private void WaitForPieces(int numPieces)
    {
        for (int spins = 0; Volatile.Read(ref _shared->NumDone) != numPieces; spins++)
        {
            if (spins < NumSpins) Thread.SpinWait(1);
            else Thread.Yield();
        }
    }

    private void WakeParked()
    {
        foreach (Seat seat in _seats)
            if (Volatile.Read(ref seat.Parked) != 0 && Interlocked.CompareExchange(ref seat.Parked, 0, 1) == 1) seat.Wake.Release();
    }

    private void Work(int worker)
    {
        Seat seat = _seats[worker - 1];
        ulong done = 0;
        while (true)
        {
            WaitForJob(seat, done);
            if (Volatile.Read(ref _shared->Stop) != 0) return;
            done = Volatile.Read(ref _shared->State) >> 32;
            TakePieces(worker);
        }
    }

    private void WaitForJob(Seat seat, ulong done)
    {
        for (int spins = 0; Volatile.Read(ref _shared->State) >> 32 == done; spins++)
        {
            if (spins < NumSpins) Thread.SpinWait(1);
            else if (spins < NumSpins + NumYields) Thread.Yield();
            else
            {
                Park(seat, done);
                spins = 0;
            }
        }
    }

    /// <summary>Sleeps until woken. Whoever lowers Parked owns the wake-up: the semaphore's count never exceeds one.</summary>
    private void Park(Seat seat, ulong done)
    {
        Interlocked.Exchange(ref seat.Parked, 1);
        if (Volatile.Read(ref _shared->State) >> 32 == done && seat.Wake.Wait(ParkTimeoutMs)) return;
        if (Interlocked.CompareExchange(ref seat.Parked, 0, 1) == 1) return;
        bool woken = seat.Wake.Wait(ParkTimeoutMs);
        Debug.Assert(woken, "a wake-up was claimed and never given");
    }

    private sealed class Seat : IDisposable
    {
        public readonly SemaphoreSlim Wake = new(0);
        public int Parked;

        public void Dispose() => Wake.Dispose();
    }

    /// <summary>What all threads see, each hot word on lines of its own.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 512)]
    private struct Shared
    {
        [FieldOffset(0)] public ulong State;
        [FieldOffset(128)] public int NumDone;
        [FieldOffset(256)] public delegate*<void*, int, int, void> Body;
        [FieldOffset(264)] public void* Job;
        [FieldOffset(272)] public int NumPieces;
        [FieldOffset(384)] public int Stop;
    }
}
