using System.Text.Json;

namespace Exo.Model.Weights;

/// <summary>
/// Writes a model's tensors as `model.safetensors`, or, where they exceed a shard's size, as `model-00001-of-0000N.safetensors` with
/// an index. A shard takes whole tensors in the given order; a tensor larger than a shard has one for itself.
/// </summary>
public sealed class ShardedSafetensorsWriter : IDisposable
{
    private readonly string _folder;
    private readonly Dictionary<string, (string File, SafetensorsWriter Writer)> _owners = new(StringComparer.Ordinal);
    private readonly List<SafetensorsWriter> _writers = [];
    private readonly long _totalBytes;

    public ShardedSafetensorsWriter(
        string folder, IReadOnlyList<TensorSpec> tensors, long maxShardBytes, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxShardBytes);
        _folder = folder;
        List<List<TensorSpec>> shards = Cut(tensors, maxShardBytes);
        try
        {
            for (int i = 0; i < shards.Count; i++)
            {
                string file = shards.Count == 1
                    ? SafetensorsModel.SingleFileName
                    : $"model-{i + 1:D5}-of-{shards.Count:D5}.safetensors";
                var writer = new SafetensorsWriter(Path.Combine(folder, file), shards[i], metadata);
                _writers.Add(writer);
                foreach (TensorSpec tensor in shards[i])
                {
                    if (!_owners.TryAdd(tensor.Name, (file, writer)))
                        throw new ArgumentException($"{tensor.Name}: named twice", nameof(tensors));
                    _totalBytes += tensor.ByteLength;
                }
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Appends bytes to one tensor, whichever shard it is in.</summary>
    public void Append(string name, ReadOnlySpan<byte> bytes) => _owners[name].Writer.Append(name, bytes);

    /// <summary>Checks that every tensor is whole, keeps the shards and writes the index.</summary>
    public void Finish()
    {
        foreach (SafetensorsWriter writer in _writers) writer.Finish();
        if (_writers.Count > 1) WriteIndex();
    }

    public void Dispose()
    {
        foreach (SafetensorsWriter writer in _writers) writer.Dispose();
    }

    private static List<List<TensorSpec>> Cut(IReadOnlyList<TensorSpec> tensors, long maxShardBytes)
    {
        List<List<TensorSpec>> shards = [[]];
        long bytes = 0;
        foreach (TensorSpec tensor in tensors)
        {
            if (bytes > 0 && bytes + tensor.ByteLength > maxShardBytes)
            {
                shards.Add([]);
                bytes = 0;
            }
            shards[^1].Add(tensor);
            bytes += tensor.ByteLength;
        }
        return shards;
    }

    private void WriteIndex()
    {
        using FileStream stream = File.Create(Path.Combine(_folder, SafetensorsModel.IndexFileName));
        using var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true, IndentSize = 2, NewLine = "\n" });
        json.WriteStartObject();
        json.WriteStartObject("metadata");
        json.WriteNumber("total_size", _totalBytes);
        json.WriteEndObject();
        json.WriteStartObject("weight_map");
        foreach ((string name, (string file, _)) in _owners.OrderBy(o => o.Key, StringComparer.Ordinal)) json.WriteString(name, file);
        json.WriteEndObject();
        json.WriteEndObject();
    }
}
