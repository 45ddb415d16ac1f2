using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Exo.Net.Transports;
using Exo.Net.Wire;
using Xunit;

namespace Exo.Net.Tests.Transports;

/// <summary>Two real processes, one of which may be killed.</summary>
public sealed class PeerProcessTests : IDisposable
{
    private readonly string _folder = Path.Combine(
        Directory.Exists("/dev/shm") ? "/dev/shm" : Path.GetTempPath(), "exo-test-" + Guid.NewGuid().ToString("N")[..8]);

    public void Dispose()
    {
        if (Directory.Exists(_folder)) Directory.Delete(_folder, recursive: true);
    }

    [Theory]
    [InlineData("shm")]
    [InlineData("tcp")]
    public void Messages_of_many_sizes_come_back_from_another_process(string link)
    {
        (Transport transport, Process peer) = Start(link, "echo");
        using (peer)
        {
            using (transport)
            {
                foreach (int numBytes in (int[])[0, 1, 100, 8192, 1 << 20, (3 << 20) + 1])
                {
                    byte[] sent = new byte[numBytes];
                    new Random(numBytes).NextBytes(sent);
                    byte[] got = new byte[numBytes];
                    Deadline deadline = Deadline.After(TimeSpan.FromMinutes(1));
                    var key = new MessageKey(FrameKind.PointToPoint, 1, (uint)numBytes);
                    transport.Send(key, sent, deadline, default);
                    transport.Receive(key, got, deadline, default);
                    Assert.True(sent.AsSpan().SequenceEqual(got));
                }
            }
            Assert.True(peer.WaitForExit(TimeSpan.FromSeconds(60)), "the peer goes when we leave");
            Assert.Equal(0, peer.ExitCode);
        }
    }

    /// <summary>Who only waited would wait for a minute: the end of the socket must have ended it, whatever the machine does besides.</summary>
    [Theory]
    [InlineData("shm", "hang")]
    [InlineData("shm", "echo")]
    [InlineData("tcp", "hang")]
    [InlineData("tcp", "echo")]
    public void A_killed_peer_is_noticed_by_its_closed_socket_and_named(string link, string mode)
    {
        (Transport transport, Process peer) = Start(link, mode);
        using (peer)
        using (transport)
        {
            Exception? error = null;
            var waiting = new Thread(() =>
            {
                var key = new MessageKey(FrameKind.PointToPoint, 0, 0);
                byte[] buffer = new byte[64 << 20];
                error = Record.Exception(() =>
                {
                    // Where both sides run at once the first message may come whole; a second one never comes.
                    for (int message = 0; message < 2; message++)
                        transport.Receive(key, buffer, Deadline.After(TimeSpan.FromMinutes(2)), default);
                });
            });
            waiting.Start();
            Thread.Sleep(100);
            peer.Kill();
            Assert.True(waiting.Join(TimeSpan.FromMinutes(1)), "the death was not noticed");
            Assert.Equal("child", Assert.IsType<PeerClosedException>(error).Peer);
        }
    }

    [Fact]
    public void Shared_memory_leaves_no_file_while_it_lives_nor_after_a_kill()
    {
        (Transport transport, Process peer) = Start("shm", "hang");
        using (peer)
        using (transport)
        {
            Assert.Empty(Directory.GetFileSystemEntries(_folder));
            peer.Kill();
            peer.WaitForExit();
            Assert.Empty(Directory.GetFileSystemEntries(_folder));
        }
    }

    private (Transport Transport, Process Peer) Start(string link, string mode)
    {
        LinkTicket ticket = LinkTicket.Create();
        Deadline deadline = Deadline.After(TimeSpan.FromMinutes(2));
        var options = new TransportOptions { Epoch = 1 };
        if (link == "shm")
        {
            using SharedMemoryListener memory = SharedMemoryTransport.Listen(_folder);
            Process child = Run(link, memory.Path, ticket, mode);
            return (memory.Accept("child", ticket, options, deadline, default), child);
        }
        using DataListener listener = DataListener.Tcp(new IPEndPoint(IPAddress.Loopback, 0));
        Process peer = Run(link, listener.EndPoint.ToString()!, ticket, mode);
        (Socket socket, _) = listener.Accept("child", [ticket], deadline, default);
        return (new TcpTransport("child", socket, options), peer);
    }

    private static Process Run(string link, string address, LinkTicket ticket, string mode)
    {
        string program = Path.Combine(AppContext.BaseDirectory, "Exo.Net.Peer.dll");
        string host = Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet";
        return Process.Start(host, ["exec", program, link, address, Convert.ToHexString(ticket.Bytes), mode]);
    }
}
