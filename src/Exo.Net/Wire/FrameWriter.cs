namespace Exo.Net.Wire;

/// <summary>
/// Turns (header, payload) into bytes for a connection. A sealed frame is staged whole; a clear one is staged up to
/// `inlineBytes` of payload and the rest is sent from the caller's memory. Allocates only when it is made.
/// </summary>
public sealed class FrameWriter
{
    private readonly LinkCipher? _cipher;
    private readonly byte[] _staging;
    private readonly int _inlineBytes;
    private int _stagedBytes;
    private int _takenBytes;
    private ulong _sequence;

    /// <param name="cipher">Seals every frame; null on a trusted link.</param>
    /// <param name="inlineBytes">Payload bytes of a clear frame to copy behind its header, so that both leave in one write.</param>
    public FrameWriter(LinkCipher? cipher, int inlineBytes)
    {
        _cipher = cipher;
        _inlineBytes = Math.Clamp(inlineBytes, 0, FrameHeader.MaxPayload);
        _staging = GC.AllocateArray<byte>(
            FrameHeader.Size + (cipher is null ? _inlineBytes : FrameHeader.MaxPayload + FrameHeader.SealBytes), pinned: true);
    }

    /// <summary>Staged bytes that the connection has not taken yet.</summary>
    public ReadOnlySpan<byte> Staged => _staging.AsSpan(_takenBytes, _stagedBytes - _takenBytes);

    /// <summary>
    /// Stages the next frame and gives the number of payload bytes that it staged; the caller sends the others from its own memory,
    /// right after <see cref="Staged"/>. The frame before must have been taken whole. Sequence and the sealed flag are set here.
    /// </summary>
    public int Begin(in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        if (_takenBytes != _stagedBytes) throw new InvalidOperationException("the frame before is still staged");
        if (payload.Length > FrameHeader.MaxPayload)
            throw new ArgumentException($"expected at most {FrameHeader.MaxPayload} payload bytes, got {payload.Length}", nameof(payload));
        FrameFlags flags = _cipher is null ? header.Flags : header.Flags | FrameFlags.Sealed;
        FrameHeader numbered = header with { Flags = flags, Sequence = _sequence, Length = payload.Length };
        Span<byte> headerBytes = _staging.AsSpan(0, FrameHeader.Size);
        numbered.Format(headerBytes);
        int inline = _cipher is null ? Math.Min(payload.Length, _inlineBytes) : payload.Length;
        if (_cipher is null) payload[..inline].CopyTo(_staging.AsSpan(FrameHeader.Size));
        else _cipher.Seal(_sequence, headerBytes, payload, _staging.AsSpan(FrameHeader.Size, numbered.BodyBytes));
        _sequence++;
        _takenBytes = 0;
        _stagedBytes = FrameHeader.Size + (_cipher is null ? inline : numbered.BodyBytes);
        return inline;
    }

    /// <summary>The connection took this many of the staged bytes.</summary>
    public void Advance(int numBytes) => _takenBytes += numBytes;
}
