namespace Exo.Net.Cluster;

/// <summary>
/// Tells whether two processes can share memory: the same machine and start of it, the same user, and the same view of the file
/// system (containers share a kernel but not /dev/shm).
/// </summary>
internal static class HostId
{
    /// <summary>This process's; equal texts can share memory.</summary>
    public static string Current { get; } = string.Join('|', Boot(), FileSystemView(), Environment.UserName);

    private static string Boot()
    {
        try
        {
            return File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Environment.MachineName; // no Linux
        }
    }

    private static string FileSystemView()
    {
        try
        {
            return new FileInfo("/proc/self/ns/mnt").LinkTarget ?? "";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
