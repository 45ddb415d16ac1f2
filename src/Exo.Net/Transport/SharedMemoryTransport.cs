using System.IO.MemoryMappedFiles;
using System.Net.Sockets;
using System.Runtime.Versioning;
using System.Security.Cryptography;
using System.Text;
using Exo.Net.Wire;

namespace Exo.Net.Transports;

/// <summary>
/// Two processes on one machine. The listener makes a file for the rings in a private folder, the dialer maps it too, and then its
/// name and the Unix socket's are removed: nothing is left behind however the processes end. Setup on the Unix socket:
/// <code>
/// dialer    ticket[32]
/// listener  u32 ring capacity, u16 length of the path, the path (UTF-8)
/// dialer    1 byte once it has mapped the file
/// </code>
/// </summary>
public sealed class SharedMemoryTransport : RingTransport
{
    private const int MaxRingBytes = 1 << 28;
    private const int MaxPathBytes = 1024;
    private const string RingPrefix = "exo-ring-";
    private const string SocketPrefix = "exo-bell-";
    private static readonly TimeSpan StaleAge = TimeSpan.FromMinutes(10);
    private readonly MappedRings _rings;

    private SharedMemoryTransport(
        string peer, TransportOptions options, ByteRing incoming, ByteRing outgoing, Socket socket, MappedRings rings)
        : base(peer, options, incoming, outgoing, socket)
    {
        _rings = rings;
    }

    /// <summary>
    /// The user's folder for rings and their sockets: in memory where the system has such a place, because a file on a disk would be
    /// written back.
    /// </summary>
    public static string DefaultFolder
    {
        get
        {
            string root = Directory.Exists("/dev/shm") ? "/dev/shm" : Path.GetTempPath();
            return Path.Combine(root, $"exo-{Environment.UserName}");
        }
    }

    /// <summary>Makes the folder, readable by its owner alone, clears away what a killed setup left, and listens in it.</summary>
    public static SharedMemoryListener Listen(string folder)
    {
        if (OperatingSystem.IsWindows()) Directory.CreateDirectory(folder);
        else CreatePrivate(folder);
        foreach (string ring in Directory.EnumerateFiles(folder, RingPrefix + "*"))
        {
            if (IsStale(ring)) File.Delete(ring);
        }
        foreach (string bell in Directory.EnumerateFiles(folder, SocketPrefix + "*"))
        {
            // A young one that does not listen is about to: its owner stands between bind and listen.
            if (IsStale(bell) && !IsListening(bell)) File.Delete(bell);
        }
        return new SharedMemoryListener(Path.Combine(folder, NewName(SocketPrefix)), folder);
    }

    /// <summary>Dials a <see cref="SharedMemoryListener"/> by its path.</summary>
    /// <exception cref="WireException">The peer is gone, answers nonsense, or not in time.</exception>
    public static SharedMemoryTransport Dial(
        string peer, string path, LinkTicket ticket, TransportOptions options, Deadline deadline, CancellationToken cancel)
    {
        Socket socket = DataListener.Dial(peer, new UnixDomainSocketEndPoint(path), ticket, deadline, cancel);
        try
        {
            Span<byte> head = stackalloc byte[6];
            SetupIo.ReceiveAll(socket, head, peer, deadline);
            int capacity = BitConverter.ToInt32(head);
            int pathBytes = BitConverter.ToUInt16(head[4..]);
            if (!IsCapacity(capacity) || pathBytes is 0 or > MaxPathBytes)
                throw new GarbledFrameException(peer, $"expected a ring capacity and a path, got {capacity} and {pathBytes} bytes of path");
            Span<byte> pathUtf8 = stackalloc byte[pathBytes];
            SetupIo.ReceiveAll(socket, pathUtf8, peer, deadline);
            MappedRings rings = MappedRings.Open(Encoding.UTF8.GetString(pathUtf8), capacity, peer);
            SetupIo.SendAll(socket, [1], peer, deadline);
            return Create(peer, options, socket, rings, LinkRole.Dialer);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    internal static SharedMemoryTransport Accept(
        string peer, Socket socket, string folder, TransportOptions options, Deadline deadline)
    {
        int capacity = options.BufferBytes ?? DefaultRingBytes;
        if (!IsCapacity(capacity)) throw new ArgumentException($"expected a power of two up to {MaxRingBytes}, got {capacity}", nameof(options));
        string path = Path.Combine(folder, NewName(RingPrefix));
        MappedRings? rings = null;
        try
        {
            rings = MappedRings.Create(path, capacity);
            byte[] pathUtf8 = Encoding.UTF8.GetBytes(path);
            SetupIo.SendAll(
                socket, [.. BitConverter.GetBytes(capacity), .. BitConverter.GetBytes((ushort)pathUtf8.Length), .. pathUtf8], peer, deadline);
            SetupIo.ReceiveAll(socket, stackalloc byte[1], peer, deadline);
            return Create(peer, options, socket, rings, LinkRole.Listener);
        }
        catch
        {
            rings?.Dispose();
            socket.Dispose();
            throw;
        }
        finally
        {
            File.Delete(path);
        }
    }

    protected override void ReleaseMemory() => _rings.Dispose();

    private static string NewName(string prefix) => prefix + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8));

    private static unsafe SharedMemoryTransport Create(
        string peer, TransportOptions options, Socket socket, MappedRings rings, LinkRole role)
    {
        var toDialer = new ByteRing(rings.Start, rings.Capacity, peer);
        var toListener = new ByteRing(rings.Start + ByteRing.BytesFor(rings.Capacity), rings.Capacity, peer);
        return role == LinkRole.Dialer
            ? new SharedMemoryTransport(peer, options, toDialer, toListener, socket, rings)
            : new SharedMemoryTransport(peer, options, toListener, toDialer, socket, rings);
    }

    /// <summary>A setup takes seconds: what is this old has no owner, unless it still listens.</summary>
    private static bool IsStale(string path) => DateTime.UtcNow - File.GetLastWriteTimeUtc(path) > StaleAge;

    private static bool IsListening(string path)
    {
        using var probe = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { Blocking = false };
        try
        {
            probe.Connect(new UnixDomainSocketEndPoint(path));
            return true;
        }
        catch (SocketException error)
        {
            return error.SocketErrorCode != SocketError.ConnectionRefused;
        }
    }

    private static bool IsCapacity(int capacity) => capacity is > 0 and <= MaxRingBytes && int.IsPow2(capacity);

    [UnsupportedOSPlatform("windows")]
    private static void CreatePrivate(string folder)
    {
        const UnixFileMode ownerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
        Directory.CreateDirectory(folder, ownerOnly);
        UnixFileMode mode = File.GetUnixFileMode(folder);
        if (mode != ownerOnly) throw new UnauthorizedAccessException($"{folder}: expected mode {ownerOnly}, got {mode}");
    }

    /// <summary>The mapped file: two rings, one behind the other.</summary>
    private sealed unsafe class MappedRings : IDisposable
    {
        private readonly MemoryMappedFile _file;
        private readonly MemoryMappedViewAccessor _view;
        private bool _disposed;

        private MappedRings(MemoryMappedFile file, int capacity)
        {
            _file = file;
            _view = file.CreateViewAccessor(0, 2L * ByteRing.BytesFor(capacity));
            byte* start = null;
            _view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
            Start = start + _view.PointerOffset;
            Capacity = capacity;
        }

        public byte* Start { get; }

        public int Capacity { get; }

        public static MappedRings Create(string path, int capacity)
        {
            var settings = new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.ReadWrite,
                Share = FileShare.ReadWrite | FileShare.Delete,
                // A file with holes, in a file system that is full, would end the process at the first touch.
                PreallocationSize = 2L * ByteRing.BytesFor(capacity),
            };
            if (!OperatingSystem.IsWindows()) settings.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            return new MappedRings(Map(new FileStream(path, settings), 2L * ByteRing.BytesFor(capacity)), capacity);
        }

        public static MappedRings Open(string path, int capacity, string peer)
        {
            try
            {
                var stream = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
                long expected = 2L * ByteRing.BytesFor(capacity);
                if (stream.Length == expected) return new MappedRings(Map(stream, expected), capacity);
                long length = stream.Length;
                stream.Dispose();
                throw new GarbledFrameException(peer, $"expected a ring file of {expected} bytes, got {length} in {path}");
            }
            catch (Exception error) when (error is IOException and not WireException or UnauthorizedAccessException)
            {
                throw new GarbledFrameException(peer, $"expected a ring file at {path}: {error.Message}");
            }
        }

        public void Dispose()
        {
            if (_disposed) return;
            _disposed = true;
            _view.SafeMemoryMappedViewHandle.ReleasePointer();
            _view.Dispose();
            _file.Dispose();
        }

        private static MemoryMappedFile Map(FileStream stream, long numBytes) =>
            MemoryMappedFile.CreateFromFile(
                stream, mapName: null, numBytes, MemoryMappedFileAccess.ReadWrite, HandleInheritability.None, leaveOpen: false);
    }
}

/// <summary>Waits for dialers of shared-memory connections; give its <see cref="Path"/> to them over the control connection.</summary>
public sealed class SharedMemoryListener : IDisposable
{
    private readonly DataListener _listener;
    private readonly string _folder;

    internal SharedMemoryListener(string path, string folder)
    {
        Path = path;
        _folder = folder;
        _listener = DataListener.Unix(path);
    }

    /// <summary>Path of the Unix socket.</summary>
    public string Path { get; }

    /// <summary>Waits for the dialer that shows the ticket.</summary>
    /// <exception cref="WireException">The dialer is gone, or not in time.</exception>
    public SharedMemoryTransport Accept(
        string peer, LinkTicket ticket, TransportOptions options, Deadline deadline, CancellationToken cancel)
    {
        (Socket socket, _) = _listener.Accept(peer, [ticket], deadline, cancel);
        return SharedMemoryTransport.Accept(peer, socket, _folder, options, deadline);
    }

    /// <summary>Stops listening and removes the socket's name.</summary>
    public void Dispose()
    {
        _listener.Dispose();
        File.Delete(Path);
    }
}
