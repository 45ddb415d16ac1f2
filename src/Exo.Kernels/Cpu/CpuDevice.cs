namespace Exo.Kernels;

/// <summary>
/// The CPU: packed weights, SIMD kernels for one instruction set, one team of threads. Equal to <c>ReferenceDevice</c> bit for bit,
/// whatever the instruction set and the number of threads. Computes at once: nothing is ever queued.
/// </summary>
public sealed unsafe partial class CpuDevice : Device
{
    private readonly List<NativeBuffer> _vectors = [];

    /// <summary>A device with <paramref name="threads"/> threads (the caller is one of them) that uses <paramref name="isa"/>.</summary>
    public CpuDevice(int threads, Isa isa)
    {
        if (!IsaSupport.IsAvailable(isa)) throw new PlatformNotSupportedException($"this machine has no {isa}: it has {string.Join(", ", IsaSupport.Available)}");
        Isa = isa;
        Team = new ThreadTeam(threads);
        _kernels = KernelTable.Create(isa);
    }

    /// <summary>The instruction set in use.</summary>
    public Isa Isa { get; }

    /// <summary>Threads that compute, the caller included.</summary>
    public int NumThreads => Team.NumThreads;

    /// <inheritdoc/>
    public override string Name => $"CPU {Isa}, {NumThreads} threads";

    /// <inheritdoc/>
    public override long FreeMemoryBytes => HostMemory.AvailableBytes();

    internal ThreadTeam Team { get; }

    /// <summary>The best instruction set of this machine, with <paramref name="threads"/> threads or as many as <see cref="ThreadSweep"/> finds.</summary>
    public static CpuDevice Create(int? threads = null) => new(threads ?? ThreadSweep.NumThreads, IsaSupport.Best);

    /// <inheritdoc/>
    public override Tensor LoadVector(ReadOnlySpan<float> values)
    {
        var memory = new NativeBuffer((nint)values.Length * sizeof(float));
        _vectors.Add(memory);
        values.CopyTo(new Span<float>((void*)memory.Address, values.Length));
        return new Tensor(memory.Address, 1, values.Length, values.Length);
    }

    /// <inheritdoc/>
    protected override KvCache CreateKvCacheCore(KvLayout layout, DType type, int numPages)
    {
        var memory = new LargeBuffer(layout.PageBytes(type) * numPages);
        memory.Clear(Team);
        return new KvCache(layout, type, numPages, memory.Address, memory);
    }

    /// <inheritdoc/>
    protected override void WriteCore(ReadOnlySpan<float> values, Tensor output) =>
        values.CopyTo(new Span<float>(output.Pointer, values.Length));

    /// <inheritdoc/>
    protected override ReadOnlySpan<float> ReadCore(Tensor x) => new(x.Pointer, checked(x.NumRows * x.NumColumns));

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            Team.Dispose();
            _attentionUnits.Dispose();
            _attentionScratch.Dispose();
            _routeScratch.Dispose();
            _expertGroups.Dispose();
            _expertTree.Dispose();
            _expertScratch.Dispose();
            foreach (NativeBuffer vector in _vectors) vector.Dispose();
            _weightMemory.Dispose();
            _activations.Dispose();
            _threadScratch.Dispose();
            _states.Dispose();
        }
        base.Dispose(disposing);
    }
}
