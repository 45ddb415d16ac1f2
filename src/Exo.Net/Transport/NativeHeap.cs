using System.Runtime.InteropServices;

namespace Exo.Net.Transports;

/// <summary>
/// The C library's heap. glibc keeps what is freed for the arena, and so the thread, that had it; a model is loaded by other threads each
/// time, so a worker that has served many plans would hold several models' worth of nothing.
/// </summary>
internal static partial class NativeHeap
{
    /// <summary>Gives memory that nobody holds back to the system, where the library can.</summary>
    public static void ReturnFree()
    {
        if (!OperatingSystem.IsLinux()) return;
        try
        {
            _ = Trim(0);
        }
        catch (EntryPointNotFoundException)
        {
            // Not glibc: musl has no arenas, and nothing to trim.
        }
    }

    [LibraryImport("libc", EntryPoint = "malloc_trim")]
    private static partial int Trim(nuint pad);
}
