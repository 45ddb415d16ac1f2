using System.Diagnostics;
using Exo.Kernels;
using Exo.Model;
using Exo.Model.Generation;
using Exo.Model.Parallel;
using Exo.Model.Weights;

namespace Exo.Bench.Loading;

/// <summary>One loading of a whole model, and the copy that it is compared with.</summary>
/// <param name="Seconds">From opening the files to the last packed weight; the cache is made after.</param>
/// <param name="WeightBytes">Packed.</param>
/// <param name="KvBytes">Of one sequence of the model's usual length.</param>
/// <param name="PeakBytes">Most resident memory of the process, before and after the cache was made.</param>
internal sealed record ModelLoad(double Seconds, long WeightBytes, long KvBytes, long PeakBytes)
{
    /// <summary>Loads a folder and lets it go again.</summary>
    public static ModelLoad Measure(string folder, int numThreads)
    {
        using var device = new CpuDevice(numThreads, IsaSupport.Best);
        var context = new ModelContext(device, ModelConfig.Load(folder), Shard.Whole, Arithmetic.Fast);
        ResidentMemory.ResetPeak();
        long start = Stopwatch.GetTimestamp();
        using SafetensorsModel checkpoint = SafetensorsModel.Open(folder);
        using var model = new CausalModel(context, checkpoint);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        int numPages = new CacheSize().NumPages(context, model);
        model.AllocateCache(numPages);
        long kvBytes = model.KvLayouts.Sum(layout => (long)layout.PageBytes(context.Arithmetic.KvType)) * numPages;
        return new ModelLoad(seconds, device.WeightBytes, kvBytes, ResidentMemory.PeakBytes());
    }

    /// <summary>Seconds in which as many threads copy the files' bytes from their mapped, present pages into memory that nobody has touched.</summary>
    public static double MeasureCopy(string folder, int numThreads)
    {
        using var device = new CpuDevice(numThreads, IsaSupport.Best);
        using SafetensorsModel checkpoint = SafetensorsModel.Open(folder);
        double seconds = 0;
        foreach (SafetensorsFile shard in checkpoint.Shards.Where(shard => shard.Tensors.Count > 0))
        {
            nint address = shard.Tensors[0].Address, bytes = (nint)(shard.Tensors[^1].Address + shard.Tensors[^1].ByteLength - address);
            Touch(address, bytes);
            seconds += MachineLimits.MeasureCopySeconds(device, address, bytes);
        }
        return seconds;
    }

    private static unsafe void Touch(nint address, nint bytes)
    {
        for (nint at = 0; at < bytes; at += 4096) _ = Volatile.Read(ref ((byte*)address)[at]);
    }
}
