using System.Security.Cryptography;
using System.Text;

namespace Exo.Net.Cluster.Control;

/// <summary>What a finished handshake knows of the other side.</summary>
/// <param name="Remote">The peer, proven to hold the cluster key.</param>
/// <param name="Version">The protocol version both speak.</param>
/// <param name="SessionSecret">32 bytes that only these two ends of this connection can know.</param>
internal sealed record HandshakeResult(NodeIdentity Remote, ushort Version, byte[] SessionSecret);

/// <summary>
/// Proof of the cluster key inside a TLS connection whose certificate proves nothing. Both sides at once: <see cref="Hello"/>, then
/// <see cref="Proof"/>, then <see cref="Verdict"/>; every message has a fixed size. The proof is
/// <code>
/// MAC = HMAC-SHA256(HKDF(cluster key, "exo control proof 1"),
///                   sender's role | dialer's hello | listener's hello | sender's proof up to the MAC)
/// </code>
/// so it covers the role (no reflection), both nonces (no replay), both version ranges (no downgrade), the node and boot ids, and the
/// hash of the listener's certificate as the sender saw it: somebody who ends TLS on both sides to stand between shows the dialer
/// another certificate than the listener has, and the proofs disagree. (.NET's SslStream has no keying-material exporter.)
/// </summary>
internal static class ControlHandshake
{
    private const string ProofPurpose = "exo control proof 1";
    private static readonly TimeSpan FarewellTimeout = TimeSpan.FromMilliseconds(500);

    /// <summary>Runs one side over <paramref name="stream"/>; the caller's <paramref name="token"/> is the deadline.</summary>
    /// <exception cref="ControlHandshakeException">The peer broke a rule; see <see cref="HandshakeRefusal"/>.</exception>
    /// <exception cref="IOException">The stream broke.</exception>
    public static async Task<HandshakeResult> RunAsync(
        Stream stream, ControlRole role, byte[] certificateHash, ControlOptions options, string peer, CancellationToken token)
    {
        var hello = new Hello(options.Versions, role, RandomNumberGenerator.GetBytes(Hello.NonceBytes));
        byte[] helloBytes = hello.Format();
        await SendAsync(stream, helloBytes, token);
        byte[] theirHelloBytes = await ReceiveAsync(stream, Hello.SizeBytes, "hello", peer, token);
        var theirHello = Hello.Parse(theirHelloBytes, peer);
        if (theirHello.Role == role)
            throw new ControlHandshakeException(HandshakeRefusal.Reflected, peer,
                $"expected the other role, got {role}, which is this side's own");
        ushort version = options.Versions.HighestIn(theirHello.Versions)
            ?? throw new ControlHandshakeException(HandshakeRefusal.Version, peer,
                $"no protocol version in common: this side speaks {options.Versions}, the other {theirHello.Versions}");

        byte[] hellos = role == ControlRole.Dialer ? [.. helloBytes, .. theirHelloBytes] : [.. theirHelloBytes, .. helloBytes];
        var identity = options.Identity;
        byte[] proof = new Proof(theirHello.Nonce, certificateHash, identity.NodeId, identity.BootId, version).Format();
        Mac(options.Keys.Current, role, hellos, proof).CopyTo(proof, Proof.MacOffset);
        await SendAsync(stream, proof, token);
        byte[] theirProofBytes = await ReceiveAsync(stream, Proof.SizeBytes, "proof", peer, token);
        var theirProof = Proof.Parse(theirProofBytes);
        ClusterKey theirKey;
        try
        {
            theirKey = Check(theirProofBytes, theirProof, hello, theirHello.Role, hellos, certificateHash, version, options, peer);
        }
        catch (ControlHandshakeException e)
        {
            await TellAsync(stream, e.Refusal, identity.Name, token);
            throw;
        }

        await SendAsync(stream, new Verdict(null, identity.Name).Format(), token);
        var verdict = Verdict.Parse(await ReceiveAsync(stream, Verdict.SizeBytes, "verdict", peer, token), peer);
        if (verdict.Refusal is { } refusal)
            throw new ControlHandshakeException(HandshakeRefusal.ByPeer, peer, $"the other side ({verdict.Name}) refused: {refusal}");
        var remote = new NodeIdentity(theirProof.NodeId, theirProof.BootId, verdict.Name);
        byte[] session = role == ControlRole.Dialer
            ? Session(options.Keys.Current, theirKey, hellos, certificateHash)
            : Session(theirKey, options.Keys.Current, hellos, certificateHash);
        return new HandshakeResult(remote, version, session);
    }

    // Which key the proof was made with. The order of the checks is the order in which they explain most.
    private static ClusterKey Check(
        byte[] bytes, Proof proof, Hello hello, ControlRole theirRole, byte[] hellos, byte[] certificateHash, ushort version,
        ControlOptions options, string peer)
    {
        if (!CryptographicOperations.FixedTimeEquals(proof.PeerNonce.Span, hello.Nonce.Span))
            throw new ControlHandshakeException(HandshakeRefusal.Replayed, peer,
                "expected a proof for this connection's nonce, got one for another");
        ClusterKey? key = null;
        foreach (var accepted in options.Keys.Accepted)
        {
            byte[] expected = Mac(accepted, theirRole, hellos, bytes);
            if (CryptographicOperations.FixedTimeEquals(expected, bytes.AsSpan(Proof.MacOffset)))
                key ??= accepted;
        }
        if (key is null)
            throw new ControlHandshakeException(HandshakeRefusal.WrongKey, peer,
                "expected a proof made with this cluster's key, got one that is not");
        if (!CryptographicOperations.FixedTimeEquals(proof.CertificateHash.Span, certificateHash))
        {
            throw new ControlHandshakeException(HandshakeRefusal.Relayed, peer,
                "both ends hold the cluster key but see different TLS certificates: somebody stands between them");
        }
        if (proof.Version != version)
            throw new ControlHandshakeException(HandshakeRefusal.Malformed, peer,
                $"expected version {version} to be chosen, got {proof.Version}");
        if (proof.NodeId == options.Identity.NodeId && proof.BootId == options.Identity.BootId)
            throw new ControlHandshakeException(HandshakeRefusal.Self, peer, "expected another process, got this one");
        return key;
    }

    private static byte[] Mac(ClusterKey key, ControlRole role, byte[] hellos, byte[] proof)
    {
        using var mac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, key.Derive(ProofPurpose));
        mac.AppendData([(byte)role]);
        mac.AppendData(hellos);
        mac.AppendData(proof, 0, Proof.MacOffset);
        return mac.GetHashAndReset();
    }

    // The nonces travel inside TLS only, so the secret stays one even for who records the wire and learns the cluster key later.
    private static byte[] Session(ClusterKey dialers, ClusterKey listeners, byte[] hellos, byte[] certificateHash)
    {
        byte[] salt = SHA256.HashData([.. hellos, .. certificateHash]);
        byte[] both = [.. dialers.Derive("exo control session 1", salt), .. listeners.Derive("exo control session 1", salt)];
        return HKDF.DeriveKey(HashAlgorithmName.SHA256, both, 32, salt, Encoding.ASCII.GetBytes("exo control session 1"));
    }

    // A courtesy: the refused side learns why. It gets little time, and whatever it does changes nothing here.
    private static async Task TellAsync(Stream stream, HandshakeRefusal refusal, string name, CancellationToken token)
    {
        using var farewell = CancellationTokenSource.CreateLinkedTokenSource(token);
        farewell.CancelAfter(FarewellTimeout);
        try
        {
            await SendAsync(stream, new Verdict(refusal, name).Format(), farewell.Token);
            // Closing over unread bytes resets the connection, and the reset overtakes what was just sent.
            await stream.ReadAtLeastAsync(new byte[Verdict.SizeBytes], Verdict.SizeBytes, throwOnEndOfStream: false, farewell.Token);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            // The peer is gone or silent; the refusal that is being reported is the news.
        }
    }

    private static async Task SendAsync(Stream stream, byte[] message, CancellationToken token)
    {
        await stream.WriteAsync(message, token);
        await stream.FlushAsync(token);
    }

    private static async Task<byte[]> ReceiveAsync(Stream stream, int sizeBytes, string message, string peer, CancellationToken token)
    {
        var bytes = new byte[sizeBytes];
        int length = await stream.ReadAtLeastAsync(bytes, sizeBytes, throwOnEndOfStream: false, token);
        if (length < sizeBytes)
        {
            throw new ControlHandshakeException(HandshakeRefusal.Closed, peer,
                $"expected a {message} of {sizeBytes} bytes, got {length} and the end of the connection");
        }
        return bytes;
    }
}
