namespace Exo.WeightsTools;

/// <summary>
/// A folder that appears whole or not at all: files are written beside its final place and moved there by <see cref="Keep"/>;
/// without that call nothing is left behind.
/// </summary>
public sealed class OutputFolder : IDisposable
{
    private readonly string _target;
    private bool _kept;

    public OutputFolder(string target)
    {
        _target = Path.TrimEndingDirectorySeparator(Path.GetFullPath(target));
        if (File.Exists(_target)) throw new WeightsToolException($"{target}: expected a new folder, but it is a file");
        if (Directory.Exists(_target) && Directory.EnumerateFileSystemEntries(_target).Any())
            throw new WeightsToolException($"{target}: expected a new folder, but it exists and is not empty");
        Partial = $"{_target}.partial-{Guid.NewGuid():N}";
        Directory.CreateDirectory(Partial);
    }

    /// <summary>Where to write until everything is there.</summary>
    public string Partial { get; }

    public string PathOf(string fileName) => Path.Combine(Partial, fileName);

    /// <summary>Moves the folder to its final place.</summary>
    public void Keep()
    {
        if (Directory.Exists(_target)) Directory.Delete(_target); // it was empty; if it no longer is, this fails and nothing is lost
        Directory.Move(Partial, _target);
        _kept = true;
    }

    public void Dispose()
    {
        if (!_kept) Directory.Delete(Partial, recursive: true);
    }
}
