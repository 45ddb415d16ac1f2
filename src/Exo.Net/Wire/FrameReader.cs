namespace Exo.Net.Wire;

/// <summary>Where a <see cref="FrameReader"/> stands.</summary>
public enum FrameReaderState
{
    /// <summary>Header bytes are missing.</summary>
    Header,

    /// <summary>The header is checked; the body is missing or incomplete.</summary>
    Body,

    /// <summary>The frame is whole and, if sealed, authentic.</summary>
    Complete,
}

/// <summary>
/// Turns the bytes of one direction of a connection into frames. It is given bytes in pieces of any size, refuses a frame at the
/// first byte that proves it wrong, and allocates only when it is made. Each refusal is its own error, and final.
/// </summary>
public sealed class FrameReader
{
    private readonly string _peer;
    private readonly uint _epoch;
    private readonly LinkCipher? _cipher;
    private readonly byte[] _header = new byte[FrameHeader.Size];
    private readonly byte[] _sealedBody;
    private int _headerBytes;
    private int _bodyBytes;
    private ulong _sequence;

    /// <param name="peer">Name for errors.</param>
    /// <param name="epoch">The plan that the connection serves; other epochs are refused.</param>
    /// <param name="cipher">Opens every frame; null on a trusted link.</param>
    public FrameReader(string peer, uint epoch, LinkCipher? cipher)
    {
        _peer = peer;
        _epoch = epoch;
        _cipher = cipher;
        _sealedBody = cipher is null ? [] : new byte[FrameHeader.MaxPayload + FrameHeader.SealBytes];
    }

    /// <summary>Where the reader stands.</summary>
    public FrameReaderState State { get; private set; }

    /// <summary>The frame's header, once <see cref="State"/> is past Header.</summary>
    public FrameHeader Header { get; private set; }

    /// <summary>True between the first and the last byte of a frame.</summary>
    public bool IsMidFrame => State == FrameReaderState.Body || (State == FrameReaderState.Header && _headerBytes > 0);

    /// <summary>
    /// Clear payload bytes that the caller may read from its connection straight into payload[^DirectBytes..]; then it calls
    /// <see cref="AdvanceDirect"/>. 0 for sealed frames, which must be whole before a byte of them is believed.
    /// </summary>
    public int DirectBytes => State == FrameReaderState.Body && _cipher is null ? Header.Length - _bodyBytes : 0;

    /// <summary>
    /// Takes bytes up to the end of the header, or up to the end of the body, and gives their number.
    /// </summary>
    /// <param name="input">Bytes in the order in which they came.</param>
    /// <param name="payload">In state Body: memory of exactly Header.Length bytes, the same until the frame is complete.</param>
    public int Push(ReadOnlySpan<byte> input, Span<byte> payload)
    {
        switch (State)
        {
            case FrameReaderState.Header:
                return PushHeader(input);
            case FrameReaderState.Body:
                if (payload.Length != Header.Length)
                    throw new ArgumentException($"expected memory of {Header.Length} bytes, got {payload.Length}", nameof(payload));
                return _cipher is null ? PushClear(input, payload) : PushSealed(input, payload);
            default:
                return 0;
        }
    }

    /// <summary>The caller has put this many bytes at payload[^DirectBytes..] itself.</summary>
    public void AdvanceDirect(int numBytes)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)numBytes, (uint)DirectBytes);
        _bodyBytes += numBytes;
        if (_bodyBytes == Header.Length) State = FrameReaderState.Complete;
    }

    /// <summary>Goes on to the next frame; the present one must be complete.</summary>
    public void Next()
    {
        if (State != FrameReaderState.Complete) throw new InvalidOperationException($"the frame is in state {State}");
        _headerBytes = 0;
        _bodyBytes = 0;
        State = FrameReaderState.Header;
    }

    private int PushHeader(ReadOnlySpan<byte> input)
    {
        int numBytes = Math.Min(input.Length, FrameHeader.Size - _headerBytes);
        input[..numBytes].CopyTo(_header.AsSpan(_headerBytes));
        _headerBytes += numBytes;
        if (_headerBytes < FrameHeader.Size) return numBytes;
        FrameHeader header = FrameHeader.Parse(_header, _peer);
        if (header.IsSealed != _cipher is not null)
            throw new WrongSealException(_peer, header.IsSealed ? "clear" : "sealed", header.IsSealed ? "sealed" : "clear");
        if (header.Epoch != _epoch) throw new WrongEpochException(_peer, _epoch, header.Epoch);
        if (header.Sequence < _sequence) throw new ReplayedFrameException(_peer, _sequence, header.Sequence);
        if (header.Sequence > _sequence) throw new ReorderedFrameException(_peer, _sequence, header.Sequence);
        _sequence++;
        Header = header;
        State = header.BodyBytes == 0 ? FrameReaderState.Complete : FrameReaderState.Body;
        return numBytes;
    }

    private int PushClear(ReadOnlySpan<byte> input, Span<byte> payload)
    {
        int numBytes = Math.Min(input.Length, Header.Length - _bodyBytes);
        input[..numBytes].CopyTo(payload[_bodyBytes..]);
        AdvanceDirect(numBytes);
        return numBytes;
    }

    private int PushSealed(ReadOnlySpan<byte> input, Span<byte> payload)
    {
        int bodyBytes = Header.BodyBytes;
        int numBytes = Math.Min(input.Length, bodyBytes - _bodyBytes);
        // A body that came in one piece is opened where it lies; a divided one is gathered first.
        bool inOnePiece = _bodyBytes == 0 && numBytes == bodyBytes;
        if (!inOnePiece) input[..numBytes].CopyTo(_sealedBody.AsSpan(_bodyBytes));
        _bodyBytes += numBytes;
        if (_bodyBytes < bodyBytes) return numBytes;
        ReadOnlySpan<byte> body = inOnePiece ? input[..numBytes] : _sealedBody.AsSpan(0, bodyBytes);
        if (!_cipher!.TryOpen(Header.Sequence, _header, body, payload)) throw new WrongTagException(_peer, Header.Sequence);
        State = FrameReaderState.Complete;
        return numBytes;
    }
}
