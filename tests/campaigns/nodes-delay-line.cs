// A cable that holds every packet up: two TUN devices, joined with a delay. What is sent into one comes out of the other.
// Usage: dotnet run nodes-delay-line.cs -- DEVICE DEVICE MICROSECONDS     (as root; the devices may be moved to network namespaces)
using System.Collections.Concurrent;
using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

var delay = TimeSpan.FromMicroseconds(int.Parse(args[2], CultureInfo.InvariantCulture));
SafeFileHandle first = Tun.Create(args[0]), second = Tun.Create(args[1]);
new Thread(() => Carry(first, second)) { IsBackground = true }.Start();
new Thread(() => Carry(second, first)) { IsBackground = true }.Start();
Console.WriteLine("ready");
Thread.Sleep(Timeout.Infinite);

void Carry(SafeFileHandle from, SafeFileHandle to)
{
    var underway = new BlockingCollection<(byte[] Packet, long Due)>();
    new Thread(() => Deliver(underway, to)) { IsBackground = true }.Start();
    var buffer = new byte[1 << 16];
    while (true)
    {
        int length = (int)Tun.Read(from, buffer, (nuint)buffer.Length);
        if (length <= 0)
        {
            Thread.Sleep(1); // the device is not up yet
            continue;
        }
        underway.Add((buffer[..length], Stopwatch.GetTimestamp() + (long)(delay.TotalSeconds * Stopwatch.Frequency)));
    }
}

static void Deliver(BlockingCollection<(byte[] Packet, long Due)> underway, SafeFileHandle to)
{
    foreach ((byte[] packet, long due) in underway.GetConsumingEnumerable())
    {
        long ticks = due - Stopwatch.GetTimestamp();
        if (ticks > 0) Tun.Sleep((uint)(ticks * 1_000_000 / Stopwatch.Frequency));
        _ = Tun.Write(to, packet, (nuint)packet.Length); // where the other end is down the packet is lost, as on any cable
    }
}

internal static class Tun
{
    private const uint SetInterface = 0x400454CA; // TUNSETIFF
    private const short TunWithoutHeader = 0x1001; // IFF_TUN | IFF_NO_PI

    public static SafeFileHandle Create(string name)
    {
        SafeFileHandle handle = File.OpenHandle("/dev/net/tun", FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        var request = new byte[40]; // struct ifreq: name[16], flags
        Encoding.ASCII.GetBytes(name, request);
        BitConverter.TryWriteBytes(request.AsSpan(16), TunWithoutHeader);
        if (Control(handle, SetInterface, request) != 0) throw new Win32Exception(Marshal.GetLastPInvokeError(), $"TUNSETIFF {name}");
        return handle;
    }

    [DllImport("libc", EntryPoint = "usleep")]
    public static extern int Sleep(uint microseconds);

    [DllImport("libc", EntryPoint = "read", SetLastError = true)]
    public static extern nint Read(SafeFileHandle handle, byte[] bytes, nuint count);

    [DllImport("libc", EntryPoint = "write", SetLastError = true)]
    public static extern nint Write(SafeFileHandle handle, byte[] bytes, nuint count);

    [DllImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static extern int Control(SafeFileHandle handle, nuint request, byte[] data);
}
