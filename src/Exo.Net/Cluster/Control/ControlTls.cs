using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Exo.Net.Cluster.Control;

/// <summary>
/// The TLS under a control connection. Certificates prove nothing here: each process signs its own, and the handshake above binds the
/// cluster key to the certificate that was seen. TLS 1.3; 1.2 with ECDHE and an AEAD where the platform's listener ends there (macOS).
/// </summary>
internal static class ControlTls
{
    private static readonly TlsCipherSuite[] Suites =
    [
        TlsCipherSuite.TLS_AES_256_GCM_SHA384,
        TlsCipherSuite.TLS_AES_128_GCM_SHA256,
        TlsCipherSuite.TLS_CHACHA20_POLY1305_SHA256,
        TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    ];

    private static SslProtocols ListenerProtocols => OperatingSystem.IsMacOS() ? SslProtocols.Tls12 : SslProtocols.Tls13;

    /// <summary>A self-signed P-256 certificate for this process, good for its life.</summary>
    public static X509Certificate2 CreateCertificate()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=exo", key, HashAlgorithmName.SHA256);
        var now = DateTimeOffset.UtcNow;
        // Nobody checks the dates; they are wide because machines' clocks differ.
        var certificate = request.CreateSelfSigned(now.AddDays(-2), now.AddYears(10));
        if (!OperatingSystem.IsWindows())
            return certificate;
        // Schannel does not take an ephemeral key: out to PKCS#12 and in again.
        using (certificate)
            return X509CertificateLoader.LoadPkcs12(certificate.Export(X509ContentType.Pkcs12), null);
    }

    /// <summary>SHA-256 of the certificate's DER bytes.</summary>
    public static byte[] HashOf(X509Certificate certificate) => SHA256.HashData(certificate.GetRawCertData());

    /// <summary>Runs the listener's half of TLS over <paramref name="transport"/>, which the returned stream owns.</summary>
    public static async Task<SslStream> ListenAsync(Stream transport, SslStreamCertificateContext certificate, string peer,
        CancellationToken token)
    {
        var tls = new SslStream(transport);
        var options = new SslServerAuthenticationOptions
        {
            ServerCertificateContext = certificate,
            EnabledSslProtocols = ListenerProtocols,
            CipherSuitesPolicy = Policy(),
            AllowTlsResume = false,
            AllowRenegotiation = false,
            ClientCertificateRequired = false,
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
        };
        await AuthenticateAsync(tls, () => tls.AuthenticateAsServerAsync(options, token), peer);
        return tls;
    }

    /// <summary>Runs the dialer's half; also returns the hash of the certificate that the other side showed.</summary>
    public static async Task<(SslStream Stream, byte[] ServerCertificateHash)> DialAsync(Stream transport, string peer,
        CancellationToken token)
    {
        var tls = new SslStream(transport);
        byte[]? hash = null;
        var options = new SslClientAuthenticationOptions
        {
            TargetHost = "exo",
            EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
            CipherSuitesPolicy = Policy(),
            AllowTlsResume = false,
            AllowRenegotiation = false,
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
            // Any certificate may come: it is the proof of the key that says whether it is the right one.
            RemoteCertificateValidationCallback = (_, certificate, _, _) =>
            {
                hash = certificate is null ? null : HashOf(certificate);
                return hash is not null;
            },
        };
        await AuthenticateAsync(tls, () => tls.AuthenticateAsClientAsync(options, token), peer);
        return (tls, hash ?? throw new ControlHandshakeException(HandshakeRefusal.WeakTls, peer,
            "expected a server certificate, got none"));
    }

    private static async Task AuthenticateAsync(SslStream tls, Func<Task> authenticate, string peer)
    {
        try
        {
            await authenticate();
            if (tls.SslProtocol is not (SslProtocols.Tls12 or SslProtocols.Tls13) || !Suites.Contains(tls.NegotiatedCipherSuite))
                throw new ControlHandshakeException(HandshakeRefusal.WeakTls, peer,
                    $"expected TLS 1.3, or 1.2 with ECDHE and an AEAD, got {tls.SslProtocol} with {tls.NegotiatedCipherSuite}");
        }
        catch (AuthenticationException e)
        {
            await tls.DisposeAsync();
            throw new ControlHandshakeException(HandshakeRefusal.NotTls, peer,
                $"expected a TLS handshake, got bytes that are none or share nothing with ours ({e.Message})", e);
        }
        catch
        {
            await tls.DisposeAsync();
            throw;
        }
    }

    private static CipherSuitesPolicy? Policy() =>
        OperatingSystem.IsLinux() || OperatingSystem.IsMacOS() ? new CipherSuitesPolicy(Suites) : null;
}
