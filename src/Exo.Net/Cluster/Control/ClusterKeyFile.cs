using System.Text;

namespace Exo.Net.Cluster.Control;

/// <summary>
/// Where a cluster key comes from: a file that only its owner may read, or a stream (standard input). Never a command line, which every
/// process on the machine can list.
/// </summary>
public static class ClusterKeyFile
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode Others = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute
        | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;
    private const int MaxFileBytes = 4096;
    private const int MaxLineBytes = 256;
    private const int WaitMs = 10;
    private const int MaxWaits = 100;

    /// <summary>Reads the file, or creates it with a fresh key and mode 0600 if there is none.</summary>
    /// <exception cref="ClusterKeyException">Readable or writable by others, malformed, or not to be read or created at all.</exception>
    public static ClusterKeys ReadOrCreate(string path)
    {
        if (new FileInfo(path) is not { Exists: true, Length: > 0 })
            Create(path);
        return Read(path);
    }

    /// <summary>Reads the file.</summary>
    /// <exception cref="ClusterKeyException">Absent, readable or writable by others, or malformed.</exception>
    public static ClusterKeys Read(string path)
    {
        string text;
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            RefuseIfOthersMayUse(file, path);
            var bytes = new byte[MaxFileBytes + 1];
            int length = file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
            if (length > MaxFileBytes)
                throw new ClusterKeyException($"{path}: expected at most {MaxFileBytes} bytes, got more");
            text = Encoding.UTF8.GetString(bytes, 0, length);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ClusterKeyException($"{path}: expected a cluster key file, got: {e.Message}", e);
        }
        try
        {
            return ClusterKeys.Parse(text);
        }
        catch (ClusterKeyException e)
        {
            throw new ClusterKeyException($"{path}: {e.Message}", e);
        }
    }

    /// <summary>
    /// Reads one line and not a byte more: the rest of the stream stays the caller's (a worker started by a parent watches it for the
    /// parent's end).
    /// </summary>
    /// <exception cref="ClusterKeyException">The stream ends before a key, or the line is too long or malformed.</exception>
    public static ClusterKeys ReadLine(Stream stream)
    {
        var line = new byte[MaxLineBytes];
        for (int length = 0; length < MaxLineBytes; length++)
        {
            int next = stream.ReadByte();
            if (next < 0 || next == '\n')
                return ClusterKeys.Parse(Encoding.UTF8.GetString(line, 0, length));
            line[length] = (byte)next;
        }
        throw new ClusterKeyException($"cluster key: expected a line of at most {MaxLineBytes - 1} bytes on standard input, got more");
    }

    // Of two first starts the file system lets one create the file; the other waits for its one line.
    private static void Create(string path)
    {
        try
        {
            if (Path.GetDirectoryName(Path.GetFullPath(path)) is { Length: > 0 } folder && !Directory.Exists(folder))
                CreateFolder(folder);
            var options = new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.Write,
                Share = FileShare.ReadWrite,
                BufferSize = 0,
            };
            if (!OperatingSystem.IsWindows())
                options.UnixCreateMode = OwnerOnly;
            using var file = new FileStream(path, options);
            file.Write(Encoding.ASCII.GetBytes(ClusterKey.Create().Export() + "\n"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            if (!File.Exists(path))
                throw new ClusterKeyException($"{path}: could not create a cluster key file: {e.Message}", e);
        }
        for (int waits = 0; waits < MaxWaits && new FileInfo(path) is { Exists: true, Length: 0 }; waits++)
            Thread.Sleep(WaitMs);
    }

    private static void CreateFolder(string folder)
    {
        if (OperatingSystem.IsWindows())
            Directory.CreateDirectory(folder);
        else
            Directory.CreateDirectory(folder, OwnerOnly | UnixFileMode.UserExecute);
    }

    private static void RefuseIfOthersMayUse(FileStream file, string path)
    {
        if (OperatingSystem.IsWindows())
            return; // a profile's folders are closed to other users by their access lists
        var mode = File.GetUnixFileMode(file.SafeFileHandle);
        if ((mode & Others) != 0)
        {
            throw new ClusterKeyException($"{path}: expected a file that only its owner may use (mode 0600), got mode "
                + $"{Convert.ToString((int)mode, 8).PadLeft(4, '0')}: chmod 600 it, and replace the key if others may have read it");
        }
    }
}
