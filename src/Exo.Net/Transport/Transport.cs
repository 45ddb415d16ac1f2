using System.Diagnostics;
using Exo.Net.Wire;

namespace Exo.Net.Transports;

/// <summary>
/// One bidirectional, ordered connection to one peer, for one plan. It is driven by one thread: the calls that wait progress every
/// connection of the <see cref="TransportSet"/> that it belongs to, in both directions, so ranks that all send first never hang.
/// Messages of one kind arrive in the order in which they were sent. The first error ends the connection; later calls repeat it.
/// </summary>
public abstract partial class Transport : IDisposable
{
    /// <summary>Sends that may be pending at once.</summary>
    public const int MaxPendingSends = 64;

    private readonly ReceiveLane?[] _lanes = new ReceiveLane?[FrameHeader.NumKinds];
    private readonly PendingSend[] _sends = new PendingSend[MaxPendingSends];
    private readonly FrameReader _reader;
    private readonly FrameWriter _writer;
    private readonly TransportOptions _options;
    private readonly BorrowedMemory _lentToSend = new();
    private readonly BorrowedMemory _lentToReceive = new();
    private long _sendHead;
    private long _sendTail;
    private bool _disposed;

    private struct PendingSend
    {
        public MessageKey Key;
        public ReadOnlyMemory<byte> Payload;
        public int FramedBytes;
        public bool Begun;
    }

    protected Transport(string peer, TransportOptions options, int inlineBytes)
    {
        Peer = peer;
        _options = options;
        _reader = new FrameReader(peer, options.Epoch, options.Cipher);
        _writer = new FrameWriter(options.Cipher, inlineBytes);
    }

    /// <summary>The peer's name, for errors.</summary>
    public string Peer { get; }

    /// <summary>The set whose waits progress this connection; a set of its own until it joins another.</summary>
    public TransportSet Set => _set ??= new TransportSet([this], WaitPolicy.Spinning);

    /// <summary>The error that ended the connection, or null.</summary>
    public WireException? Failure { get; private set; }

    /// <summary>Frames and bytes handed to the channel since the start, headers and tags included.</summary>
    public (long Frames, long Bytes) Sent => (_sentFrames, _sentBytes);

    /// <summary>Sends posted and not yet handed to the channel whole.</summary>
    public int NumPendingSends => (int)(_sendTail - _sendHead);

    /// <summary>Receives posted and not complete.</summary>
    public int NumPendingReceives
    {
        get
        {
            int count = 0;
            foreach (ReceiveLane? lane in _lanes) count += lane?.NumPending ?? 0;
            return count;
        }
    }

    /// <summary>Queues a message; the memory must stay as it is until the send is done (<see cref="TransportSet.Wait"/>).</summary>
    public void PostSend(in MessageKey key, ReadOnlyMemory<byte> payload)
    {
        ThrowIfEnded();
        if (NumPendingSends == MaxPendingSends) throw new InvalidOperationException($"{Peer}: {MaxPendingSends} sends are pending");
        _sends[_sendTail++ % MaxPendingSends] = new PendingSend { Key = key, Payload = payload };
    }

    /// <summary>Posts memory for the next message of the key's kind, which must bear this key and have exactly this length.</summary>
    /// <returns>A ticket for <see cref="IsReceived"/>.</returns>
    public long PostReceive(in MessageKey key, Memory<byte> destination)
    {
        ThrowIfEnded();
        try
        {
            return Lane(key.Kind).Post(key, destination);
        }
        catch (WireException error)
        {
            throw Fail(error);
        }
    }

    /// <summary>The same for a message of at most this length; <see cref="ReceivedLength"/> says how long it was.</summary>
    public long PostReceiveUpTo(in MessageKey key, Memory<byte> destination)
    {
        ThrowIfEnded();
        try
        {
            return Lane(key.Kind).PostUpTo(key, destination);
        }
        catch (WireException error)
        {
            throw Fail(error);
        }
    }

    /// <summary>Bytes of a completed receive, while at most 64 newer ones are posted.</summary>
    public int ReceivedLength(FrameKind kind, long ticket) => Lane(kind).Result(ticket).Length;

    /// <summary>True once the receive with this ticket is complete.</summary>
    public bool IsReceived(FrameKind kind, long ticket) => Lane(kind).IsComplete(ticket);

    /// <summary>Sends a message and waits until the channel has all of it.</summary>
    /// <exception cref="WireException">The connection ended.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the connection ends too if part of the message is out.</exception>
    public unsafe void Send(in MessageKey key, ReadOnlySpan<byte> payload, Deadline deadline, CancellationToken cancel)
    {
        fixed (byte* start = payload)
        {
            try
            {
                PostSend(key, _lentToSend.Lend(start, payload.Length));
                Set.Wait(WaitFor.Sends, this, deadline, cancel);
            }
            catch
            {
                Withdraw();
                throw;
            }
            finally
            {
                _lentToSend.Return();
            }
        }
    }

    /// <summary>Waits for the next message of the key's kind, which must bear this key and fill the memory exactly.</summary>
    /// <exception cref="WireException">The connection ended.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the connection ends too if part of the message is in.</exception>
    public unsafe void Receive(in MessageKey key, Span<byte> destination, Deadline deadline, CancellationToken cancel)
    {
        fixed (byte* start = destination)
        {
            try
            {
                long ticket = PostReceive(key, _lentToReceive.Lend(start, destination.Length));
                Set.WaitReceived(this, key.Kind, ticket, deadline, cancel);
            }
            catch
            {
                Withdraw();
                throw;
            }
            finally
            {
                _lentToReceive.Return();
            }
        }
    }

    /// <summary>Waits for the next message of a kind, of at most so many bytes; gives its key and length.</summary>
    /// <exception cref="WireException">The connection ended.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the connection ends too if part of the message is in.</exception>
    public unsafe (MessageKey Key, int Length) ReceiveAny(
        FrameKind kind, Span<byte> destination, Deadline deadline, CancellationToken cancel)
    {
        ThrowIfEnded();
        fixed (byte* start = destination)
        {
            try
            {
                ReceiveLane lane = Lane(kind);
                long ticket = lane.PostAny(kind, _lentToReceive.Lend(start, destination.Length));
                Set.WaitReceived(this, kind, ticket, deadline, cancel);
                return lane.Result(ticket);
            }
            catch (Exception error)
            {
                if (error is UnexpectedMessageException unexpected) Fail(unexpected);
                Withdraw();
                throw;
            }
            finally
            {
                _lentToReceive.Return();
            }
        }
    }

    /// <summary>
    /// Takes back what is pending, because its memory goes away. What has begun cannot be taken back: then the connection ends.
    /// </summary>
    public void Withdraw()
    {
        bool begun = _frameUnderWay || (NumPendingSends > 0 && _sends[_sendHead % MaxPendingSends].Begun);
        bool receivesBegun = _reader.State == FrameReaderState.Body && !_blocked;
        foreach (ReceiveLane? lane in _lanes) begun |= lane is not null && lane.NumPending > 0 && (lane.IsMidMessage || receivesBegun);
        if (begun && Failure is null) Fail(new WireCanceledException(Peer));
        for (; _sendTail > _sendHead; _sendTail--) _sends[(_sendTail - 1) % MaxPendingSends] = default;
        foreach (ReceiveLane? lane in _lanes) lane?.WithdrawAll();
    }

    /// <summary>
    /// Says goodbye where that needs no waiting, and closes. Called by the thread that drives the connection, like everything else;
    /// another thread ends a wait by its cancellation token.
    /// </summary>
    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        TrySayGoodbye();
        Close();
        _options.Cipher?.Dispose();
        GC.SuppressFinalize(this);
    }

    private ReceiveLane Lane(FrameKind kind) => _lanes[(int)kind] ??= new ReceiveLane(Peer, _options.MaxStashBytes);

    private void ThrowIfEnded()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (Failure is not null) throw Failure;
    }

    private WireException Fail(WireException error)
    {
        if (Failure is not null) return Failure;
        Failure = error;
        Close();
        return error;
    }
}
