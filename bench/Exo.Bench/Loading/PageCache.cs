using System.Diagnostics;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Exo.Bench.Loading;

/// <summary>A model's weight files and the system's cache of their pages (Linux).</summary>
internal sealed partial class PageCache(IReadOnlyList<string> paths)
{
    private const int ChunkBytes = 8 << 20;
    private const int AdviseDontNeed = 4; // POSIX_FADV_DONTNEED

    /// <summary>Bytes of all files.</summary>
    public long Bytes { get; } = paths.Sum(path => new FileInfo(path).Length);

    /// <summary>Drops the files' pages: the next read comes from the disk. No process may have them mapped.</summary>
    public void Drop()
    {
        foreach (string path in paths)
        {
            using SafeFileHandle file = File.OpenHandle(path);
            // Dirty pages cannot be dropped.
            if (FlushFile(file) != 0) throw new IOException($"{path}: fsync failed");
            int error = AdviseFile(file, 0, 0, AdviseDontNeed);
            if (error != 0) throw new IOException($"{path}: posix_fadvise failed with error {error}");
        }
    }

    /// <summary>Seconds in which <paramref name="numThreads"/> threads read all files, 8 MiB at a time, and do nothing with them.</summary>
    public double Read(int numThreads)
    {
        var chunks = new List<(SafeFileHandle File, long Offset)>();
        SafeFileHandle[] files = [.. paths.Select(path => File.OpenHandle(path))];
        foreach (SafeFileHandle file in files)
            for (long offset = 0; offset < RandomAccess.GetLength(file); offset += ChunkBytes) chunks.Add((file, offset));
        long total = 0;
        int next = -1;
        long start = Stopwatch.GetTimestamp();
        Thread[] threads = [.. Enumerable.Range(0, numThreads).Select(_ => new Thread(ReadChunks))];
        foreach (Thread thread in threads) thread.Start();
        foreach (Thread thread in threads) thread.Join();
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        foreach (SafeFileHandle file in files) file.Dispose();
        if (total != Bytes) throw new IOException($"read {total} of {Bytes} bytes");
        return seconds;

        void ReadChunks()
        {
            byte[] buffer = new byte[ChunkBytes];
            for (int chunk; (chunk = Interlocked.Increment(ref next)) < chunks.Count;)
            {
                for (int filled = 0, got = 1; got > 0 && filled < ChunkBytes; filled += got)
                {
                    got = RandomAccess.Read(chunks[chunk].File, buffer.AsSpan(filled), chunks[chunk].Offset + filled);
                    Interlocked.Add(ref total, got);
                }
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "posix_fadvise")]
    private static partial int AdviseFile(SafeFileHandle file, nint offset, nint length, int advice);

    [LibraryImport("libc", EntryPoint = "fsync")]
    private static partial int FlushFile(SafeFileHandle file);
}
