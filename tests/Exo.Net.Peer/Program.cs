using System.Net;
using System.Net.Sockets;
using Exo.Net.Transports;
using Exo.Net.Wire;

// Exo.Net.Peer shm|tcp ADDRESS TICKET echo|hang
//   echo: sends every message back until the other side leaves
//   hang: begins a message that does not fit the channel, and sleeps
const int messageBytes = 64 << 20;
var ticket = new LinkTicket(Convert.FromHexString(args[2]));
Deadline deadline = Deadline.After(TimeSpan.FromMinutes(2));
var options = new TransportOptions { Epoch = 1 };
using Transport transport = args[0] == "shm"
    ? SharedMemoryTransport.Dial("parent", args[1], ticket, options, deadline, default)
    : DialTcp();
if (args[3] == "hang")
{
    transport.PostSend(new MessageKey(FrameKind.PointToPoint, 0, 0), new byte[messageBytes]);
    transport.Progress();
    Thread.Sleep(TimeSpan.FromSeconds(60));
    return;
}
byte[] buffer = new byte[messageBytes];
try
{
    while (true)
    {
        (MessageKey key, int length) = transport.ReceiveAny(FrameKind.PointToPoint, buffer, deadline, default);
        transport.Send(key, buffer.AsSpan(0, length), deadline, default);
    }
}
catch (PeerClosedException)
{
    // The parent has left: the normal end.
}

TcpTransport DialTcp()
{
    Socket socket = DataListener.Dial("parent", IPEndPoint.Parse(args[1]), ticket, deadline, default);
    return new TcpTransport("parent", socket, options);
}
