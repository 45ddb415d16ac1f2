using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Exo.Net.Transports;

/// <summary>
/// Non-blocking send and receive on a connected stream socket. Socket's own calls allocate each time a receive finds nothing, which
/// is what a spinning rank does all day; so on Unix this is send(2) and recv(2).
/// </summary>
internal sealed unsafe partial class SocketIo
{
    private const int Interrupted = 4; // EINTR
    private static readonly bool IsWindows = OperatingSystem.IsWindows();
    private static readonly int WouldBlock = OperatingSystem.IsLinux() ? 11 : 35; // EAGAIN; BSD and macOS count otherwise
    private static readonly int NoSignal = OperatingSystem.IsLinux() ? 0x4000 : 0; // the runtime ignores SIGPIPE elsewhere too
    private readonly Socket _socket;

    public SocketIo(Socket socket)
    {
        _socket = socket;
        _socket.Blocking = false;
        Descriptor = socket.Handle;
    }

    /// <summary>For poll.</summary>
    public nint Descriptor { get; }

    /// <summary>Sends what fits: the number of bytes, 0 if there is no room, -1 if the connection is broken.</summary>
    public int Send(ReadOnlySpan<byte> bytes)
    {
        if (IsWindows)
        {
            int sent = _socket.Send(bytes, SocketFlags.None, out SocketError error);
            return Judge(sent, error);
        }
        fixed (byte* start = bytes) return Judge(SendCall((int)Descriptor, start, (nuint)bytes.Length, NoSignal));
    }

    /// <summary>Receives what is there: the number of bytes, 0 if there is nothing, -1 if the connection has ended or is broken.</summary>
    public int Receive(Span<byte> bytes)
    {
        if (IsWindows)
        {
            int received = _socket.Receive(bytes, SocketFlags.None, out SocketError error);
            return error == SocketError.Success && received == 0 ? -1 : Judge(received, error);
        }
        fixed (byte* start = bytes)
        {
            nint received = ReceiveCall((int)Descriptor, start, (nuint)bytes.Length, 0);
            return received == 0 ? -1 : Judge(received);
        }
    }

    private static int Judge(nint numBytes)
    {
        if (numBytes >= 0) return (int)numBytes;
        int error = Marshal.GetLastPInvokeError();
        return error == WouldBlock || error == Interrupted ? 0 : -1;
    }

    private static int Judge(int numBytes, SocketError error)
    {
        if (error == SocketError.Success) return numBytes;
        return error is SocketError.WouldBlock or SocketError.NoBufferSpaceAvailable ? 0 : -1;
    }

    [LibraryImport("libc", EntryPoint = "send", SetLastError = true)]
    private static partial nint SendCall(int descriptor, byte* bytes, nuint count, int flags);

    [LibraryImport("libc", EntryPoint = "recv", SetLastError = true)]
    private static partial nint ReceiveCall(int descriptor, byte* bytes, nuint count, int flags);
}
