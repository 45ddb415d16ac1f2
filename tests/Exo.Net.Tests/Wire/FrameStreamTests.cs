using Exo.Net.Wire;
using FsCheck.Xunit;
using Xunit;

namespace Exo.Net.Tests.Wire;

/// <summary>Writer and reader against each other, clear and sealed.</summary>
public sealed class FrameStreamTests
{
    private const uint Epoch = 3;
    private static readonly byte[] Secret = Pattern(32, 1);

    public static TheoryData<bool> Seals => [false, true];

    [Theory]
    [MemberData(nameof(Seals))]
    public void Frames_survive_any_division_into_pieces(bool isSealed)
    {
        var random = new Random(4);
        byte[][] payloads = [.. Enumerable.Range(0, 60).Select(i => Pattern(i < 3 ? i : random.Next(5000), i)), Pattern(FrameHeader.MaxPayload, 9)];
        byte[] stream = Write(isSealed, payloads);
        for (int run = 0; run < 20; run++)
        {
            List<byte[]> got = Read(isSealed, stream, () => run == 0 ? 1 : random.Next(1, 9000));
            Assert.Equal(payloads, got);
        }
    }

    [Theory]
    [MemberData(nameof(Seals))]
    public void A_replayed_frame_is_refused(bool isSealed)
    {
        byte[] stream = Write(isSealed, Pattern(10, 1));
        Assert.Throws<ReplayedFrameException>(() => Read(isSealed, [.. stream, .. stream], () => 7));
    }

    [Theory]
    [MemberData(nameof(Seals))]
    public void Frames_that_changed_places_are_refused(bool isSealed)
    {
        byte[] stream = Write(isSealed, Pattern(10, 1), Pattern(10, 2));
        byte[] swapped = [.. stream[(stream.Length / 2)..], .. stream[..(stream.Length / 2)]];
        Assert.Throws<ReorderedFrameException>(() => Read(isSealed, swapped, () => 7));
    }

    [Fact]
    public void A_change_of_any_single_bit_of_a_sealed_frame_is_refused()
    {
        byte[] stream = Write(isSealed: true, Pattern(20, 1));
        for (int bit = 0; bit < stream.Length * 8; bit++)
        {
            byte[] changed = (byte[])stream.Clone();
            changed[bit / 8] ^= (byte)(1 << (bit % 8));
            Exception? error = Record.Exception(() =>
            {
                // A longer length makes the reader wait for more: then the frame behind it must not authenticate.
                List<byte[]> frames = Read(isSealed: true, [.. changed, .. new byte[FrameHeader.MaxPayload]], () => 4096);
                Assert.Fail($"bit {bit}: {frames.Count} frames were accepted");
            });
            Assert.IsAssignableFrom<WireException>(error);
            if (bit >= FrameHeader.Size * 8) Assert.IsType<WrongTagException>(error);
        }
    }

    [Fact]
    public void A_frame_sealed_for_the_other_direction_is_refused()
    {
        // Reflected to its sender, a frame has the right sequence but the wrong key.
        var writer = new FrameWriter(Cipher(LinkRole.Dialer), 0);
        byte[] stream = Write(writer, Pattern(10, 1));
        var reader = new FrameReader("peer", Epoch, Cipher(LinkRole.Dialer));
        Assert.Throws<WrongTagException>(() => Read(reader, stream, () => 1000));
    }

    [Fact]
    public void A_fresh_random_gives_a_fresh_key()
    {
        var writer = new FrameWriter(LinkCipher.Derive(Secret, Pattern(32, 2), Pattern(32, 4), LinkRole.Dialer), 0);
        byte[] stream = Write(writer, Pattern(10, 1));
        Assert.Throws<WrongTagException>(() => Read(isSealed: true, stream, () => 1000));
    }

    [Fact]
    public void A_clear_frame_on_a_sealed_link_is_refused_and_the_reverse()
    {
        Assert.Throws<WrongSealException>(() => Read(isSealed: true, Write(isSealed: false, Pattern(5, 1)), () => 1000));
        Assert.Throws<WrongSealException>(() => Read(isSealed: false, Write(isSealed: true, Pattern(5, 1)), () => 1000));
    }

    [Fact]
    public void Ciphertext_shows_nothing_of_the_payload()
    {
        byte[] payload = new byte[512];
        byte[] first = Write(isSealed: true, payload, payload);
        int frameBytes = first.Length / 2;
        Assert.True(first.AsSpan(FrameHeader.Size).IndexOf(new byte[8]) < 0);
        Assert.False(first.AsSpan(FrameHeader.Size, 512).SequenceEqual(first.AsSpan(frameBytes + FrameHeader.Size, 512)));
    }

    /// <summary>Any bytes at all, honest or not, end in a frame, a wait for more, or a typed error.</summary>
    [Property(MaxTest = 500)]
    public void Any_bytes_end_in_a_typed_error_or_a_wait(byte[] bytes, bool isSealed)
    {
        Exception? error = Record.Exception(() => Read(isSealed, bytes, () => 5));
        Assert.True(error is null or WireException, $"{error}");
    }

    internal static byte[] Pattern(int count, int seed)
    {
        byte[] bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    internal static LinkCipher Cipher(LinkRole role) => LinkCipher.Derive(Secret, Pattern(32, 2), Pattern(32, 3), role);

    internal static byte[] Write(bool isSealed, params byte[][] payloads) =>
        Write(new FrameWriter(isSealed ? Cipher(LinkRole.Dialer) : null, inlineBytes: 100), payloads);

    private static byte[] Write(FrameWriter writer, params byte[][] payloads)
    {
        var stream = new MemoryStream();
        foreach (byte[] payload in payloads)
        {
            int staged = writer.Begin(new FrameHeader(FrameKind.Collective, FrameFlags.None, Epoch, 1, 0, 2, 0), payload);
            stream.Write(writer.Staged);
            writer.Advance(writer.Staged.Length);
            stream.Write(payload, staged, payload.Length - staged);
        }
        return stream.ToArray();
    }

    internal static List<byte[]> Read(bool isSealed, byte[] stream, Func<int> pieceBytes) =>
        Read(new FrameReader("peer", Epoch, isSealed ? Cipher(LinkRole.Listener) : null), stream, pieceBytes);

    private static List<byte[]> Read(FrameReader reader, byte[] stream, Func<int> pieceBytes)
    {
        var frames = new List<byte[]>();
        byte[] payload = [];
        for (int offset = 0; ;)
        {
            if (reader.State == FrameReaderState.Complete)
            {
                frames.Add(payload);
                payload = [];
                reader.Next();
                continue;
            }
            if (offset == stream.Length) return frames;
            if (reader.State == FrameReaderState.Body && payload.Length == 0) payload = new byte[reader.Header.Length];
            int taken = reader.Push(stream.AsSpan(offset, Math.Min(pieceBytes(), stream.Length - offset)), payload);
            Assert.True(taken > 0, "the reader takes at least a byte");
            offset += taken;
        }
    }
}
