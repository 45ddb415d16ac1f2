using System.Security.Cryptography;
using System.Text;

namespace Exo.Net.Cluster.Control;

/// <summary>A cluster key that cannot be used: its text is malformed, its file is readable by others, or there is none.</summary>
public sealed class ClusterKeyException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>
/// The secret that makes a process a member of a cluster: 256 random bits. The bits never leave this class; what leaves are keys derived
/// from them by HKDF-SHA256 (RFC 5869), one per purpose. Its text is 64 hexadecimal digits or 44 characters of base64.
/// </summary>
public sealed class ClusterKey
{
    internal const int SizeBytes = 32;
    private readonly byte[] _bits;

    private ClusterKey(byte[] bits) => _bits = bits;

    /// <summary>A fresh key from the system's random generator.</summary>
    public static ClusterKey Create() => new(RandomNumberGenerator.GetBytes(SizeBytes));

    /// <summary>Reads a key from its text; white space around it is ignored.</summary>
    /// <exception cref="ClusterKeyException">Neither form, or a key of one repeated byte. The message never quotes the text.</exception>
    public static ClusterKey Parse(ReadOnlySpan<char> text)
    {
        text = text.Trim();
        var bits = new byte[SizeBytes];
        bool read = text.Length == 2 * SizeBytes
            ? Convert.FromHexString(text, bits, out _, out int written) == System.Buffers.OperationStatus.Done
            : Convert.TryFromBase64Chars(text, bits, out written);
        if (!read || written != SizeBytes)
        {
            throw new ClusterKeyException(
                $"cluster key: expected 64 hexadecimal digits or base64 of {SizeBytes} bytes, got {text.Length} other characters");
        }
        // Nobody draws this; it is a zeroed disk or a placeholder.
        if (bits.AsSpan().IndexOfAnyExcept(bits[0]) < 0)
            throw new ClusterKeyException($"cluster key: expected {SizeBytes} random bytes, got one byte repeated");
        return new ClusterKey(bits);
    }

    /// <summary>The key as 64 hexadecimal digits: for a file or another process's standard input, never for a log.</summary>
    public string Export() => Convert.ToHexStringLower(_bits);

    /// <summary>Names the class, not the key.</summary>
    public override string ToString() => "ClusterKey(hidden)";

    /// <summary>HKDF-SHA256(key, <paramref name="salt"/>, <paramref name="purpose"/>), 32 bytes.</summary>
    internal byte[] Derive(string purpose, ReadOnlySpan<byte> salt = default)
    {
        var derived = new byte[32];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, _bits, derived, salt, Encoding.ASCII.GetBytes(purpose));
        return derived;
    }
}

/// <summary>
/// The keys a process works with: it proves itself by <see cref="Current"/> and accepts proofs by either. Rotating a cluster without an
/// outage: (old), then (old, new) everywhere, then (new, old) everywhere, then (new); neighbours in that row always understand each other.
/// </summary>
/// <param name="Current">Proves this process.</param>
/// <param name="Next">Also accepted from others; null outside a rotation.</param>
public sealed record ClusterKeys(ClusterKey Current, ClusterKey? Next = null)
{
    /// <summary>What a peer's proof may be made with.</summary>
    internal IEnumerable<ClusterKey> Accepted => Next is null ? [Current] : [Current, Next];

    /// <summary>Reads one line a key, at most two; empty lines and lines that begin with # are skipped.</summary>
    /// <exception cref="ClusterKeyException">No key, more than two, or a malformed one.</exception>
    public static ClusterKeys Parse(string text)
    {
        var keys = text.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
            .Where(line => line[0] != '#').Take(3).Select(line => ClusterKey.Parse(line)).ToArray();
        return keys.Length is 1 or 2
            ? new ClusterKeys(keys[0], keys.Length == 2 ? keys[1] : null)
            : throw new ClusterKeyException("cluster key: expected one key, or the current and the next one, got "
                + (keys.Length == 0 ? "none" : "more than two"));
    }
}
