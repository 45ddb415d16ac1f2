using System.Net;
using System.Net.Sockets;
using Exo.Net.Transports;
using Exo.Net.Wire;

namespace Exo.Net.Tests.Transports;

public sealed class LoopbackTransportTests : TransportTestSuite
{
    protected override Ends Connect(TransportOptions optionsOfA, TransportOptions optionsOfB)
    {
        (LoopbackTransport a, LoopbackTransport b) = LoopbackTransport.CreatePair("alice", "bob", optionsOfA, optionsOfB);
        return new Ends(a, b);
    }
}

public sealed class SharedMemoryTransportTests : TransportTestSuite
{
    protected override Ends Connect(TransportOptions optionsOfA, TransportOptions optionsOfB)
    {
        using SharedMemoryListener listener = SharedMemoryTransport.Listen(SharedMemoryTransport.DefaultFolder);
        Deadline deadline = Deadline.After(TimeSpan.FromMinutes(1));
        LinkTicket ticket = LinkTicket.Create();
        Transport? a = null;
        Transport? b = null;
        Both(
            () => a = SharedMemoryTransport.Dial("bob", listener.Path, ticket, optionsOfA, deadline, default),
            () => b = listener.Accept("alice", ticket, optionsOfB, deadline, default));
        return new Ends(a!, b!);
    }
}

public abstract class TcpTransportTestSuite : TransportTestSuite
{
    protected override Ends Connect(TransportOptions optionsOfA, TransportOptions optionsOfB)
    {
        using var listener = NewSocket(optionsOfB);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(1);
        Socket dialed = NewSocket(optionsOfA);
        dialed.Connect(listener.LocalEndPoint!);
        return new Ends(new TcpTransport("bob", dialed, optionsOfA), new TcpTransport("alice", listener.Accept(), optionsOfB));
    }

    /// <summary>
    /// Loopback's segments are 64 KB; with buffers of 4 KiB they would only move by probes. So the segments are made Ethernet's.
    /// </summary>
    private static Socket NewSocket(TransportOptions options)
    {
        const int tcpLevel = 6;
        const int maxSegment = 2;
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        if (options.BufferBytes is not int bytes) return socket;
        if (OperatingSystem.IsLinux()) socket.SetRawSocketOption(tcpLevel, maxSegment, BitConverter.GetBytes(1400));
        socket.SendBufferSize = bytes;
        socket.ReceiveBufferSize = bytes;
        return socket;
    }
}

public sealed class TcpTransportTests : TcpTransportTestSuite;

public sealed class SealedTcpTransportTests : TcpTransportTestSuite
{
    private readonly byte[] _secret = Bytes(32, 1);
    private readonly byte[] _dialerRandom = Bytes(LinkCipher.RandomBytes, 2);
    private readonly byte[] _listenerRandom = Bytes(LinkCipher.RandomBytes, 3);

    protected override bool IsSealed => true;

    protected override TransportOptions Options(LinkRole role) =>
        base.Options(role) with { Cipher = LinkCipher.Derive(_secret, _dialerRandom, _listenerRandom, role) };
}
