using System.Runtime.InteropServices;

namespace Exo.Kernels;

/// <summary>
/// Advice to Linux about pages of a read-only file mapping: mapped many at a time before they are read, dropped after, so that a file is
/// not resident beside what was made of it. A dropped page comes back from the file when it is touched, so no bit depends on advice. A
/// refusal (a kernel before 5.14) costs speed or memory; other systems are not asked.
/// </summary>
internal static unsafe partial class MappedPages
{
    private const int AdviseDontNeed = 4;
    private const int AdvisePopulateRead = 22;
    private const nint PieceBytes = 8 << 20;

    /// <summary>Maps every page in which some of these bytes lie; waits for what the file's pages in memory lack.</summary>
    public static void Populate(byte* address, nint bytes) => Advise(address, bytes, AdvisePopulateRead);

    /// <summary>Drops every page in which some of these bytes lie, with all threads: in long pieces, since each interrupts the other threads.</summary>
    public static void Drop(byte* address, nint bytes, ThreadTeam team)
    {
        if (!OperatingSystem.IsLinux()) return;
        var job = new DropJob { Address = address, Bytes = bytes };
        team.Run((int)((bytes + PieceBytes - 1) / PieceBytes), &DropPiece, &job);
    }

    private static void DropPiece(void* argument, int piece, int worker)
    {
        var job = (DropJob*)argument;
        nint start = piece * PieceBytes;
        Advise(job->Address + start, Math.Min(PieceBytes, job->Bytes - start), AdviseDontNeed);
    }

    private static void Advise(byte* address, nint bytes, int advice)
    {
        if (bytes <= 0 || !OperatingSystem.IsLinux()) return;
        nint start = (nint)address & -Environment.SystemPageSize;
        _ = MemoryAdvise(start, (nint)address + bytes - start, advice);
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int MemoryAdvise(nint start, nint bytes, int advice);

    private struct DropJob
    {
        public byte* Address;
        public nint Bytes;
    }
}
