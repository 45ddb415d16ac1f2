using System.IO.MemoryMappedFiles;

namespace Exo.Model.Weights;

/// <summary>
/// One safetensors file, mapped read-only: 8 bytes of header length, a JSON header, then the tensors' bytes without overlap or hole.
/// Everything the header says is checked before a single tensor is handed out. Pages are read when they are touched.
/// </summary>
public sealed class SafetensorsFile : IDisposable
{
    /// <summary>The format's own limit on the header.</summary>
    public const long MaxHeaderBytes = 100_000_000;

    private readonly MemoryMappedFile _mapped;
    private readonly MemoryMappedViewAccessor _accessor;
    private readonly Dictionary<string, TensorView> _tensors = new(StringComparer.Ordinal);
    private nint _baseAddress;

    private SafetensorsFile(string path, long fileBytes, MemoryMappedFile mapped)
    {
        Path = path;
        FileBytes = fileBytes;
        _mapped = mapped;
        _accessor = mapped.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
        _baseAddress = Acquire(_accessor);
    }

    public string Path { get; }

    public long FileBytes { get; }

    /// <summary>Tensors in the order in which they lie in the file.</summary>
    public IReadOnlyList<TensorView> Tensors { get; private set; } = [];

    /// <summary>The header's `__metadata__`; empty if it has none.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; private set; } = new Dictionary<string, string>();

    internal nint BaseAddress
    {
        get
        {
            ObjectDisposedException.ThrowIf(_baseAddress == 0, this);
            return _baseAddress;
        }
    }

    /// <summary>Maps a file and checks its header.</summary>
    /// <exception cref="SafetensorsException">The file is missing, unreadable or not what the format demands.</exception>
    public static SafetensorsFile Open(string path)
    {
        SafetensorsFile file = Map(path);
        try
        {
            file.ReadHeader();
            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    public bool TryGet(string name, out TensorView tensor) => _tensors.TryGetValue(name, out tensor!);

    public TensorView Get(string name) =>
        _tensors.TryGetValue(name, out TensorView? tensor) ? tensor : throw new SafetensorsException(Path, "no such tensor", name);

    public void Dispose()
    {
        if (_baseAddress == 0) return;
        _baseAddress = 0;
        _accessor.SafeMemoryMappedViewHandle.ReleasePointer();
        _accessor.Dispose();
        _mapped.Dispose();
    }

    private static SafetensorsFile Map(string path)
    {
        try
        {
            var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 1);
            if (stream.Length < 8)
            {
                long length = stream.Length;
                stream.Dispose();
                throw new SafetensorsException(path, $"expected at least 8 bytes, got {length}");
            }
            var mapped = MemoryMappedFile.CreateFromFile(
                stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: false);
            return new SafetensorsFile(path, stream.Length, mapped);
        }
        catch (Exception e) when (e is UnauthorizedAccessException or ArgumentException
            || e is IOException and not SafetensorsException)
        {
            throw new SafetensorsException(path, $"cannot be opened: {e.Message}", cause: e);
        }
    }

    private static unsafe nint Acquire(MemoryMappedViewAccessor accessor)
    {
        byte* pointer = null;
        accessor.SafeMemoryMappedViewHandle.AcquirePointer(ref pointer);
        return (nint)(pointer + accessor.PointerOffset);
    }

    private unsafe void ReadHeader()
    {
        ulong headerBytes = *(ulong*)_baseAddress;
        if (headerBytes > MaxHeaderBytes)
            throw new SafetensorsException(Path, $"expected a header of at most {MaxHeaderBytes} bytes, got {headerBytes}");
        if ((long)headerBytes > FileBytes - 8)
            throw new SafetensorsException(Path, $"the header is {headerBytes} bytes, but only {FileBytes - 8} follow: truncated?");
        var header = SafetensorsHeader.Parse(Path, new ReadOnlySpan<byte>((byte*)_baseAddress + 8, (int)headerBytes));
        long dataStart = 8 + (long)headerBytes;
        header.CheckLayout(Path, FileBytes - dataStart);
        var tensors = new List<TensorView>(header.Entries.Count);
        foreach (SafetensorsHeader.Entry entry in header.Entries)
        {
            var view = new TensorView(this, entry.Name, entry.Dtype, entry.Shape, dataStart + entry.Begin, entry.End - entry.Begin);
            tensors.Add(view);
            _tensors.Add(entry.Name, view);
        }
        Tensors = tensors;
        Metadata = header.Metadata;
    }
}
