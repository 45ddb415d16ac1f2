using System.ComponentModel;
using System.Runtime.InteropServices;

namespace Exo.Net.Transports;

/// <summary>
/// Sleeps until one of several sockets is ready. Socket.Select allocates and Socket.Poll takes one socket, so this is poll(2), or
/// WSAPoll on Windows.
/// </summary>
internal sealed unsafe partial class Poller(int capacity)
{
    private const int Interrupted = 4; // EINTR
    private static readonly bool IsWindows = OperatingSystem.IsWindows();
    private static readonly short Readable = (short)(IsWindows ? 0x0300 : 0x0001);
    private static readonly short Writable = (short)(IsWindows ? 0x0010 : 0x0004);
    private readonly UnixPoll[] _unix = GC.AllocateArray<UnixPoll>(capacity, pinned: true);
    private readonly WindowsPoll[] _windows = GC.AllocateArray<WindowsPoll>(IsWindows ? capacity : 0, pinned: true);
    private int _count;

    [StructLayout(LayoutKind.Sequential)]
    private struct UnixPoll
    {
        public int Descriptor;
        public short Events;
        public short Ready;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct WindowsPoll
    {
        public nint Descriptor;
        public short Events;
        public short Ready;
    }

    public void Clear() => _count = 0;

    /// <summary>Adds a descriptor and gives its index. Without any interest only its end is reported.</summary>
    public int Add(nint descriptor, PollInterest interest)
    {
        short events = 0;
        if ((interest & PollInterest.Read) != 0) events |= Readable;
        if ((interest & PollInterest.Write) != 0) events |= Writable;
        if (IsWindows) _windows[_count] = new WindowsPoll { Descriptor = descriptor, Events = events };
        else _unix[_count] = new UnixPoll { Descriptor = (int)descriptor, Events = events };
        return _count++;
    }

    /// <summary>Sleeps until a descriptor is ready or the time is over; true if any is ready.</summary>
    public bool Wait(int timeoutMs)
    {
        int ready;
        if (IsWindows)
        {
            fixed (WindowsPoll* polls = _windows) ready = WsaPoll(polls, (uint)_count, timeoutMs);
        }
        else
        {
            fixed (UnixPoll* polls = _unix) ready = Poll(polls, (nuint)_count, timeoutMs);
        }
        if (ready >= 0) return ready > 0;
        int error = Marshal.GetLastPInvokeError();
        if (error == Interrupted) return false;
        throw new Win32Exception(error, "poll");
    }

    public bool IsReadable(int index) => (Ready(index) & Readable) != 0;

    public bool IsReady(int index) => Ready(index) != 0;

    private short Ready(int index) => IsWindows ? _windows[index].Ready : _unix[index].Ready;

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    private static partial int Poll(UnixPoll* polls, nuint count, int timeoutMs);

    [LibraryImport("ws2_32", EntryPoint = "WSAPoll", SetLastError = true)]
    private static partial int WsaPoll(WindowsPoll* polls, uint count, int timeoutMs);
}

/// <summary>What a descriptor is polled for; its end is always reported.</summary>
[Flags]
public enum PollInterest
{
    None = 0,
    Read = 1,
    Write = 2,
}

/// <summary>How a polled descriptor stands.</summary>
public enum PollEnd
{
    /// <summary>There may be something to read or room to write.</summary>
    Open,

    /// <summary>It reported an error or its end, and nothing to read.</summary>
    HungUp,
}
