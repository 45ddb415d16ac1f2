using System.Runtime.InteropServices;

namespace Exo.Kernels;

/// <summary>
/// Owned native memory for weights and caches: in huge pages where Linux gives them (first touch of 4 KB pages runs at a tenth of the
/// speed), aligned to 64 bytes at least, contents undefined. Whoever fills it first, in parallel, touches it first.
/// </summary>
public sealed unsafe partial class LargeBuffer : IDisposable
{
    private const nint HugePage = 2 << 20;
    private const int AdviseHugePages = 14;
    private const nint PieceBytes = 4 << 20;
    private void* _memory;

    /// <summary>Reserves <paramref name="bytes"/> bytes.</summary>
    public LargeBuffer(nint bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        Bytes = bytes;
        bool huge = bytes >= 2 * HugePage;
        nint rounded = huge ? (bytes + HugePage - 1) / HugePage * HugePage : Math.Max(bytes, 64);
        _memory = NativeMemory.AlignedAlloc((nuint)rounded, (nuint)(huge ? HugePage : 64));
        // A refusal costs speed only.
        if (huge && OperatingSystem.IsLinux()) _ = MemoryAdvise(_memory, (nuint)rounded, AdviseHugePages);
    }

    /// <summary>The last line of defence against a leak; Dispose is the normal way.</summary>
    ~LargeBuffer() => Free();

    /// <summary>Size in bytes.</summary>
    public nint Bytes { get; }

    /// <summary>Address of the first byte.</summary>
    public nint Address => _memory != null ? (nint)_memory : throw new ObjectDisposedException(nameof(LargeBuffer));

    /// <summary>Zeroes the memory with all threads of <paramref name="team"/>.</summary>
    public void Clear(ThreadTeam team)
    {
        var job = new ClearJob { Address = (byte*)_memory, Bytes = Bytes };
        team.Run((int)((Bytes + PieceBytes - 1) / PieceBytes), &ClearPiece, &job);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private static void ClearPiece(void* job, int piece, int worker)
    {
        var clear = (ClearJob*)job;
        nint start = piece * PieceBytes;
        NativeMemory.Clear(clear->Address + start, (nuint)Math.Min(PieceBytes, clear->Bytes - start));
    }

    private void Free()
    {
        if (_memory == null) return;
        NativeMemory.AlignedFree(_memory);
        _memory = null;
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int MemoryAdvise(void* address, nuint bytes, int advice);

    private struct ClearJob
    {
        public byte* Address;
        public nint Bytes;
    }
}
