using System.ComponentModel;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Exo.Net.Transports;

/// <summary>Two connected stream sockets in one process: socketpair(2), or a loopback connection on Windows, which has none.</summary>
internal static unsafe partial class SocketPair
{
    private const int UnixFamily = 1;
    private const int StreamType = 1;

    public static (Socket A, Socket B) Create() => OperatingSystem.IsWindows() ? CreateByLoopback() : CreateByCall();

    private static (Socket A, Socket B) CreateByCall()
    {
        int* descriptors = stackalloc int[2];
        if (Call(UnixFamily, StreamType, 0, descriptors) != 0) throw new Win32Exception(Marshal.GetLastPInvokeError(), "socketpair");
        return (Own(descriptors[0]), Own(descriptors[1]));
    }

    private static Socket Own(int descriptor) => new(new SafeSocketHandle(descriptor, ownsHandle: true));

    private static (Socket A, Socket B) CreateByLoopback()
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(1);
        var a = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        a.Connect(listener.LocalEndPoint!);
        Socket b = listener.Accept();
        b.NoDelay = true;
        return (a, b);
    }

    [LibraryImport("libc", EntryPoint = "socketpair", SetLastError = true)]
    private static partial int Call(int family, int type, int protocol, int* descriptors);
}
