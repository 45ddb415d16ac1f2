using Exo.Net.Wire;
using FsCheck.Xunit;
using Xunit;

namespace Exo.Net.Tests.Wire;

public sealed class FrameHeaderTests
{
    private static readonly FrameHeader Sample =
        new(FrameKind.StepPlan, FrameFlags.More | FrameFlags.Sealed, 0x01020304, 0x05060708, 0x1112131415161718, 0x21222324, 0x00012345);

    /// <summary>The bytes of PROTOCOL.md, written out: a change of the layout is a change of the version.</summary>
    [Fact]
    public void Header_is_these_32_bytes()
    {
        byte[] bytes = new byte[FrameHeader.Size];
        Sample.Format(bytes);
        Assert.Equal(32, FrameHeader.Size);
        Assert.Equal("45584F66" + "01" + "03" + "0300" + "04030201" + "08070605" + "1817161514131211" + "24232221" + "45230100", Convert.ToHexString(bytes));
    }

    [Property]
    public void Parse_gives_back_what_Format_wrote(byte kind, byte flags, uint epoch, uint step, ulong sequence, uint tag, int length)
    {
        var header = new FrameHeader(
            (FrameKind)(kind % FrameHeader.NumKinds), (FrameFlags)(flags & 3), epoch, step, sequence, tag,
            (int)((uint)length % (FrameHeader.MaxPayload + 1)));
        byte[] bytes = new byte[FrameHeader.Size];
        header.Format(bytes);
        Assert.Equal(header, FrameHeader.Parse(bytes, "peer"));
    }

    [Fact]
    public void Frame_with_bad_version_is_refused()
    {
        var error = Assert.Throws<WrongVersionException>(() => ParseWith(4, 2));
        Assert.Equal("peer: expected frame version 1, got 2", error.Message);
    }

    [Theory]
    [InlineData(28, 1, 0x40001)]
    [InlineData(31, 0x80, 0x80040000)]
    public void Frame_with_oversized_or_negative_length_is_refused(int offset, byte value, uint got)
    {
        byte[] bytes = new byte[FrameHeader.Size];
        (Sample with { Length = FrameHeader.MaxPayload }).Format(bytes);
        bytes[offset] = value;
        var error = Assert.Throws<OversizedFrameException>(() => FrameHeader.Parse(bytes, "peer"));
        Assert.Contains($"at most {FrameHeader.MaxPayload} bytes, got {got}", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    public void Frame_with_unknown_magic_kind_or_flags_is_refused(int offset) =>
        Assert.Throws<GarbledFrameException>(() => ParseWith(offset, 0x77));

    private static FrameHeader ParseWith(int offset, byte value)
    {
        byte[] bytes = new byte[FrameHeader.Size];
        Sample.Format(bytes);
        bytes[offset] = value;
        return FrameHeader.Parse(bytes, "peer");
    }
}
