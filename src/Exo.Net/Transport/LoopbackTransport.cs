using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Exo.Net.Transports;

/// <summary>Both ends in one process, each driven by a thread of its own: for tests, and for ranks that share a process.</summary>
public sealed class LoopbackTransport : RingTransport
{
    private readonly SharedBlock _block;

    private LoopbackTransport(string peer, TransportOptions options, ByteRing incoming, ByteRing outgoing, Socket bell, SharedBlock block)
        : base(peer, options, incoming, outgoing, bell)
    {
        _block = block;
    }

    /// <summary>Makes both ends. Each end has its own options, because a cipher belongs to one end.</summary>
    public static unsafe (LoopbackTransport A, LoopbackTransport B) CreatePair(
        string nameOfA, string nameOfB, TransportOptions optionsOfA, TransportOptions optionsOfB)
    {
        int capacity = optionsOfA.BufferBytes ?? DefaultRingBytes;
        int ringBytes = ByteRing.BytesFor(capacity);
        var block = new SharedBlock(2 * ringBytes);
        (Socket bellOfA, Socket bellOfB) = SocketPair.Create();
        byte* toB = block.Start;
        byte* toA = block.Start + ringBytes;
        var a = new LoopbackTransport(
            nameOfB, optionsOfA, new ByteRing(toA, capacity, nameOfB), new ByteRing(toB, capacity, nameOfB), bellOfA, block);
        var b = new LoopbackTransport(
            nameOfA, optionsOfB, new ByteRing(toB, capacity, nameOfA), new ByteRing(toA, capacity, nameOfA), bellOfB, block);
        return (a, b);
    }

    protected override void ReleaseMemory() => _block.Release();

    /// <summary>Memory that is freed when both ends have released it.</summary>
    private sealed unsafe class SharedBlock(int numBytes)
    {
        private int _numOwners = 2;

        public byte* Start { get; } = AllocateZeroed(numBytes);

        public void Release()
        {
            if (Interlocked.Decrement(ref _numOwners) == 0) NativeMemory.AlignedFree(Start);
        }

        private static byte* AllocateZeroed(int numBytes)
        {
            var start = (byte*)NativeMemory.AlignedAlloc((nuint)numBytes, 4096);
            NativeMemory.Clear(start, (nuint)numBytes);
            return start;
        }
    }
}
