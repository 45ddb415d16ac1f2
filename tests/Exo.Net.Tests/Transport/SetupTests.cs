using System.Net;
using System.Net.Sockets;
using Exo.Net.Transports;
using Exo.Net.Wire;
using Xunit;

namespace Exo.Net.Tests.Transports;

/// <summary>How connections begin: tickets, strangers, nonsense.</summary>
public sealed class SetupTests
{
    private static Deadline Soon => Deadline.After(TimeSpan.FromMinutes(1));

    [Fact]
    public void A_listener_sorts_dialers_by_ticket_and_closes_strangers()
    {
        using DataListener listener = DataListener.Tcp(new IPEndPoint(IPAddress.Loopback, 0));
        LinkTicket[] tickets = [LinkTicket.Create(), LinkTicket.Create()];
        using Socket stranger = DataListener.Dial("listener", listener.EndPoint, LinkTicket.Create(), Soon, default);
        using Socket dialed = DataListener.Dial("listener", listener.EndPoint, tickets[1], Soon, default);
        (Socket accepted, int index) = listener.Accept("dialer", tickets, Soon, default);
        using (accepted) Assert.Equal(1, index);
        stranger.ReceiveTimeout = 5000;
        Assert.Equal(0, stranger.Receive(new byte[1]));
    }

    [Fact]
    public void A_stranger_that_says_nothing_does_not_block_the_next()
    {
        using DataListener listener = DataListener.Tcp(new IPEndPoint(IPAddress.Loopback, 0));
        using var silent = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        silent.Connect(listener.EndPoint);
        LinkTicket ticket = LinkTicket.Create();
        using Socket dialed = DataListener.Dial("listener", listener.EndPoint, ticket, Soon, default);
        (Socket accepted, _) = listener.Accept("dialer", [ticket], Soon, default);
        accepted.Dispose();
    }

    [Fact]
    public void A_dialer_whose_ticket_comes_late_and_in_pieces_is_taken_and_keeps_nobody_waiting()
    {
        using DataListener listener = DataListener.Tcp(new IPEndPoint(IPAddress.Loopback, 0));
        LinkTicket late = LinkTicket.Create(), prompt = LinkTicket.Create();
        using var slow = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        slow.Connect(listener.EndPoint);
        slow.Send(late.Bytes[..10]);
        using Socket dialed = DataListener.Dial("listener", listener.EndPoint, prompt, Soon, default);
        (Socket first, int index) = listener.Accept("dialers", [late, prompt], Soon, default);
        using (first) Assert.Equal(1, index);
        slow.Send(late.Bytes[10..]);
        (Socket second, index) = listener.Accept("dialers", [late], Soon, default);
        using (second) Assert.Equal((0, slow.LocalEndPoint), (index, second.RemoteEndPoint));
    }

    [Fact]
    public void Accept_ends_at_its_deadline_and_when_cancelled()
    {
        using DataListener listener = DataListener.Tcp(new IPEndPoint(IPAddress.Loopback, 0));
        LinkTicket[] tickets = [LinkTicket.Create()];
        var late = Assert.Throws<WireTimeoutException>(() => listener.Accept("dialer", tickets, Deadline.After(TimeSpan.FromMilliseconds(50)), default));
        Assert.Equal("dialer", late.Peer);
        using var cancel = new CancellationTokenSource(50);
        Assert.Throws<OperationCanceledException>(() => listener.Accept("dialer", tickets, Soon, cancel.Token));
    }

    [Fact]
    public void Dialing_where_nobody_listens_is_an_error_with_the_peers_name()
    {
        using DataListener listener = DataListener.Tcp(new IPEndPoint(IPAddress.Loopback, 0));
        EndPoint address = listener.EndPoint;
        listener.Dispose();
        var error = Assert.Throws<PeerClosedException>(() => DataListener.Dial("bob", address, LinkTicket.Create(), Soon, default));
        Assert.Equal("bob", error.Peer);
    }

    /// <summary>A listener that answers the ticket with a capacity and a path that make no sense.</summary>
    [Theory]
    [InlineData(3, "x")]
    [InlineData(1 << 29, "x")]
    [InlineData(4096, "/nowhere/ring")]
    [InlineData(4096, "/etc/hostname")]
    public void Nonsense_from_a_shared_memory_listener_is_refused(int capacity, string path)
    {
        string folder = Directory.CreateTempSubdirectory("exo-test-").FullName;
        try
        {
            string bell = Path.Combine(folder, "bell");
            using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            listener.Bind(new UnixDomainSocketEndPoint(bell));
            listener.Listen(1);
            var answering = new Thread(() =>
            {
                using Socket socket = listener.Accept();
                byte[] ticket = new byte[LinkTicket.Size];
                for (int got = 0; got < ticket.Length;) got += socket.Receive(ticket.AsSpan(got));
                socket.Send([.. BitConverter.GetBytes(capacity), (byte)path.Length, 0, .. path.Select(letter => (byte)letter)]);
                socket.Receive(ticket, SocketFlags.None, out _);
            });
            answering.Start();
            Exception? error = Record.Exception(
                () => SharedMemoryTransport.Dial("bob", bell, LinkTicket.Create(), new TransportOptions(), Soon, default).Dispose());
            answering.Join();
            Assert.Equal("bob", Assert.IsType<GarbledFrameException>(error).Peer);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void A_folder_that_others_may_enter_is_refused_for_shared_memory()
    {
        if (OperatingSystem.IsWindows()) return;
        string folder = Directory.CreateTempSubdirectory("exo-test-").FullName;
        File.SetUnixFileMode(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.OtherExecute);
        Assert.Throws<UnauthorizedAccessException>(() => SharedMemoryTransport.Listen(folder));
        Directory.Delete(folder);
    }

    [Fact]
    public void Clearing_away_what_a_killed_setup_left_spares_one_that_is_about_to_listen()
    {
        if (OperatingSystem.IsWindows()) return;
        string folder = Directory.CreateTempSubdirectory("exo-test-").FullName;
        try
        {
            string young = Path.Combine(folder, "exo-bell-young");
            using var starting = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            starting.Bind(new UnixDomainSocketEndPoint(young));
            string listening = Path.Combine(folder, "exo-bell-listening");
            using DataListener old = DataListener.Unix(listening);
            string left = Path.Combine(folder, "exo-bell-left");
            string ring = Path.Combine(folder, "exo-ring-left");
            File.WriteAllText(left, "");
            File.WriteAllText(ring, "");
            foreach (string path in (string[])[listening, left, ring]) File.SetLastWriteTimeUtc(path, DateTime.UtcNow.AddHours(-1));
            using SharedMemoryListener listener = SharedMemoryTransport.Listen(folder);
            Assert.Equivalent((string[])[listening, young, listener.Path], Directory.GetFiles(folder), strict: true);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
