using Exo.Net.Wire;
using Xunit;

namespace Exo.Net.Tests.Wire;

/// <summary>
/// Honest streams, damaged at random: whatever comes of them is a typed error or a wait for more, quickly and in little memory. The
/// campaign tests/campaigns/mutated-frames runs this a million times.
/// </summary>
public sealed class FrameReaderFuzzTests
{
    private const int UsualCount = 10_000;
    private const long MaxAllocatedBytes = 64 * 1024; // an exception and its message; a frame limit is four times this
    private readonly byte[] _payload = new byte[FrameHeader.MaxPayload];

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Mutated_streams_end_in_a_typed_error_or_a_wait(bool isSealed)
    {
        int count = int.TryParse(Environment.GetEnvironmentVariable("EXO_MUTATIONS"), out int wanted) ? wanted : UsualCount;
        int seed = int.TryParse(Environment.GetEnvironmentVariable("EXO_SEED"), out int given) ? given : Random.Shared.Next();
        byte[][] payloads = [.. Enumerable.Range(0, 6).Select(i => FrameStreamTests.Pattern(i * i * 11, i))];
        byte[] honest = FrameStreamTests.Write(isSealed, payloads);
        using LinkCipher? cipher = isSealed ? FrameStreamTests.Cipher(LinkRole.Listener) : null;
        for (int i = 0; i < count; i++)
        {
            var random = new Random(unchecked(seed + i));
            byte[] damaged = Damage(honest, random);
            try
            {
                Feed(damaged, honest, payloads, cipher, random);
            }
            catch (Exception error)
            {
                throw new InvalidOperationException($"EXO_SEED={seed + i} EXO_MUTATIONS=1 repeats this", error);
            }
        }
    }

    private void Feed(byte[] damaged, byte[] honest, byte[][] payloads, LinkCipher? cipher, Random random)
    {
        var reader = new FrameReader("peer", 3, cipher);
        int numFrames = 0;
        long before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            for (int offset = 0; offset < damaged.Length;)
            {
                Span<byte> payload = reader.State == FrameReaderState.Body ? _payload.AsSpan(0, reader.Header.Length) : default;
                int taken = reader.Push(damaged.AsSpan(offset, Math.Min(random.Next(1, 300), damaged.Length - offset)), payload);
                Assert.True(taken > 0, "the reader must take a byte or end");
                offset += taken;
                if (reader.State != FrameReaderState.Complete) continue;
                // A seal leaves only one way to be accepted: to be what was sent, in its place.
                if (cipher is not null) Assert.True(_payload.AsSpan(0, reader.Header.Length).SequenceEqual(payloads[numFrames]));
                numFrames++;
                reader.Next();
            }
        }
        catch (WireException)
        {
            Assert.False(damaged.AsSpan().SequenceEqual(honest), "an honest stream was refused");
        }
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, MaxAllocatedBytes);
    }

    private static byte[] Damage(byte[] honest, Random random)
    {
        var bytes = new List<byte>(honest);
        for (int i = random.Next(4); i >= 0 && bytes.Count > 0; i--)
        {
            int at = random.Next(bytes.Count);
            int length = Math.Min(random.Next(1, 80), bytes.Count - at);
            switch (random.Next(6))
            {
                case 0:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 2:
                    bytes.RemoveRange(at, length);
                    break;
                case 3:
                    bytes.InsertRange(at, bytes.GetRange(at, length));
                    break;
                case 4:
                    bytes.InsertRange(at, FrameStreamTests.Pattern(length, at));
                    break;
                default:
                    // One of the first header's fields, whole.
                    int field = random.Next(FrameHeader.Size / 4) * 4;
                    for (int j = field; j < Math.Min(field + 4, bytes.Count); j++) bytes[j] = random.Next(3) == 0 ? (byte)0xFF : (byte)random.Next(256);
                    break;
            }
        }
        return [.. bytes];
    }
}
