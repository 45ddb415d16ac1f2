using System.Security.Cryptography;

namespace Exo.WeightsTools.Verify;

/// <summary>SHA-256 of files.</summary>
internal static class FileHashes
{
    private const int BufferBytes = 1 << 20;

    /// <summary>The hash in hexadecimal, as sha256sum writes it.</summary>
    public static string Sha256(string path, Action<long> progress)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 1);
        byte[] buffer = new byte[BufferBytes];
        for (int count; (count = stream.Read(buffer)) > 0;)
        {
            hash.AppendData(buffer, 0, count);
            progress(count);
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
