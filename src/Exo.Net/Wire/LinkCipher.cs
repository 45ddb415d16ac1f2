using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Exo.Net.Wire;

/// <summary>Which end of a data connection this process is: it decides which key seals and which opens.</summary>
public enum LinkRole
{
    Dialer,
    Listener,
}

/// <summary>
/// AES-256-GCM for both directions of one data connection. The nonce is the frame's sequence number, the associated data is the
/// 32-byte header. A key serves one direction of one connection, so a nonce never repeats under it.
/// </summary>
public sealed class LinkCipher : IDisposable
{
    /// <summary>Bytes of each end's random.</summary>
    public const int RandomBytes = 32;

    private const int KeyBytes = 32;
    private const int NonceBytes = 12;
    private readonly AesGcm _seal;
    private readonly AesGcm _open;

    private LinkCipher(ReadOnlySpan<byte> sealKey, ReadOnlySpan<byte> openKey)
    {
        _seal = new AesGcm(sealKey, FrameHeader.SealBytes);
        _open = new AesGcm(openKey, FrameHeader.SealBytes);
    }

    /// <summary>
    /// key(direction) = HKDF-SHA256(ikm = shared secret, salt = dialer's random || listener's random, info = direction's label).
    /// The randoms are fresh for each connection and are exchanged on the control connection.
    /// </summary>
    /// <exception cref="ArgumentException">A random is not 32 bytes, or the secret is shorter than 32.</exception>
    public static LinkCipher Derive(
        ReadOnlySpan<byte> sharedSecret, ReadOnlySpan<byte> dialerRandom, ReadOnlySpan<byte> listenerRandom, LinkRole role)
    {
        if (sharedSecret.Length < KeyBytes)
            throw new ArgumentException($"expected a secret of at least {KeyBytes} bytes, got {sharedSecret.Length}", nameof(sharedSecret));
        if (dialerRandom.Length != RandomBytes || listenerRandom.Length != RandomBytes)
            throw new ArgumentException($"expected randoms of {RandomBytes} bytes, got {dialerRandom.Length} and {listenerRandom.Length}");
        Span<byte> salt = stackalloc byte[2 * RandomBytes];
        dialerRandom.CopyTo(salt);
        listenerRandom.CopyTo(salt[RandomBytes..]);
        Span<byte> toListener = stackalloc byte[KeyBytes];
        Span<byte> toDialer = stackalloc byte[KeyBytes];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, sharedSecret, toListener, salt, "exo data v1: dialer to listener"u8);
        HKDF.DeriveKey(HashAlgorithmName.SHA256, sharedSecret, toDialer, salt, "exo data v1: listener to dialer"u8);
        LinkCipher cipher = role == LinkRole.Dialer ? new LinkCipher(toListener, toDialer) : new LinkCipher(toDialer, toListener);
        CryptographicOperations.ZeroMemory(toListener);
        CryptographicOperations.ZeroMemory(toDialer);
        return cipher;
    }

    /// <summary>Writes ciphertext || tag, <paramref name="payload"/>.Length + 16 bytes.</summary>
    public void Seal(ulong sequence, ReadOnlySpan<byte> header, ReadOnlySpan<byte> payload, Span<byte> body)
    {
        Span<byte> nonce = stackalloc byte[NonceBytes];
        WriteNonce(sequence, nonce);
        _seal.Encrypt(nonce, payload, body[..payload.Length], body.Slice(payload.Length, FrameHeader.SealBytes), header);
    }

    /// <summary>Opens ciphertext || tag into <paramref name="payload"/>; false, and a zeroed payload, if it does not authenticate.</summary>
    public bool TryOpen(ulong sequence, ReadOnlySpan<byte> header, ReadOnlySpan<byte> body, Span<byte> payload)
    {
        Span<byte> nonce = stackalloc byte[NonceBytes];
        WriteNonce(sequence, nonce);
        try
        {
            _open.Decrypt(nonce, body[..payload.Length], body.Slice(payload.Length, FrameHeader.SealBytes), payload, header);
            return true;
        }
        catch (AuthenticationTagMismatchException)
        {
            return false;
        }
    }

    /// <summary>Forgets the keys.</summary>
    public void Dispose()
    {
        _seal.Dispose();
        _open.Dispose();
    }

    private static void WriteNonce(ulong sequence, Span<byte> nonce)
    {
        nonce.Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(nonce[4..], sequence);
    }
}
