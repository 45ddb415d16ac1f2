using Exo.Kernels;
using Exo.Model.Weights;
using Exo.Testing;

namespace Exo.Model.Tests.Generation;

/// <summary>A tiny model in a folder of its own, deleted at the end: which fails where a file is still in use.</summary>
internal sealed class TinyModelFolder : IDisposable
{
    public TinyModelFolder(string modelType, WeightFormat format, int seed, int minLayers = 1)
    {
        Path = Directory.CreateTempSubdirectory("exo-tiny-").FullName;
        Model = new TinyModel(modelType, format, seed, minLayers);
        Model.Write(Path);
    }

    public string Path { get; }

    public TinyModel Model { get; }

    public string ConfigFile => System.IO.Path.Combine(Path, "config.json");

    public string WeightsFile => System.IO.Path.Combine(Path, "model.safetensors");

    /// <summary>Writes infinities over the first values of a float32 tensor.</summary>
    public void Poison(string tensorName)
    {
        byte[] file = File.ReadAllBytes(WeightsFile);
        using (SafetensorsFile weights = SafetensorsFile.Open(WeightsFile))
        {
            int start = file.AsSpan().IndexOf(weights.Get(tensorName).Bytes(0, 64));
            for (int i = 0; i < 4; i++) BitConverter.TryWriteBytes(file.AsSpan(start + (4 * i)), float.PositiveInfinity);
        }
        File.WriteAllBytes(WeightsFile, file);
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
