using System.Text.Json;

namespace Exo.Model.Weights;

/// <summary>
/// A model's tensors by name, whichever shard holds them: `model.safetensors` alone, or the shards that
/// `model.safetensors.index.json` names. Shards are mapped, not read.
/// </summary>
public sealed class SafetensorsModel : IDisposable
{
    public const string SingleFileName = "model.safetensors";
    public const string IndexFileName = "model.safetensors.index.json";

    private const long MaxIndexBytes = SafetensorsFile.MaxHeaderBytes;

    private readonly Dictionary<string, TensorView> _tensors = new(StringComparer.Ordinal);
    private readonly List<SafetensorsFile> _shards = [];

    private SafetensorsModel(string folder) => Folder = folder;

    public string Folder { get; }

    public IReadOnlyList<SafetensorsFile> Shards => _shards;

    /// <summary>All names, shard by shard, in the order in which they lie in the file.</summary>
    public IEnumerable<string> Names => _tensors.Keys;

    /// <summary>All tensors, in the order of <see cref="Names"/>.</summary>
    public IEnumerable<TensorView> Tensors => _tensors.Values;

    /// <summary>Maps every shard in the folder and checks headers and index.</summary>
    /// <exception cref="SafetensorsException">A file is missing or wrong; nothing stays open then.</exception>
    public static SafetensorsModel Open(string folder)
    {
        var model = new SafetensorsModel(folder);
        try
        {
            string single = Path.Combine(folder, SingleFileName);
            string index = Path.Combine(folder, IndexFileName);
            if (File.Exists(single)) model.OpenSingle(single);
            else if (File.Exists(index)) model.OpenShards(index);
            else throw new SafetensorsException(folder, $"expected {SingleFileName} or {IndexFileName}, found neither");
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    public bool Contains(string name) => _tensors.ContainsKey(name);

    public bool TryGet(string name, out TensorView tensor) => _tensors.TryGetValue(name, out tensor!);

    public TensorView Get(string name) =>
        _tensors.TryGetValue(name, out TensorView? tensor) ? tensor : throw new SafetensorsException(Folder, "no such tensor", name);

    public void Dispose()
    {
        foreach (SafetensorsFile shard in _shards) shard.Dispose();
    }

    private void OpenSingle(string path)
    {
        SafetensorsFile file = SafetensorsFile.Open(path);
        _shards.Add(file);
        foreach (TensorView tensor in file.Tensors) _tensors.Add(tensor.Name, tensor);
    }

    private void OpenShards(string indexPath)
    {
        Dictionary<string, string> weightMap = ReadWeightMap(indexPath);
        foreach (string shardName in weightMap.Values.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal))
        {
            SafetensorsFile shard = SafetensorsFile.Open(Path.Combine(Folder, shardName));
            _shards.Add(shard);
            foreach (TensorView tensor in shard.Tensors)
            {
                if (!weightMap.TryGetValue(tensor.Name, out string? owner))
                    throw new SafetensorsException(shard.Path, $"the tensor is not in {IndexFileName}", tensor.Name);
                if (owner == shardName) _tensors.Add(tensor.Name, tensor);
            }
        }
        foreach ((string name, string shardName) in weightMap)
        {
            if (!_tensors.ContainsKey(name))
                throw new SafetensorsException(indexPath, $"expected in {shardName}, which does not have it", name);
        }
    }

    private static Dictionary<string, string> ReadWeightMap(string indexPath)
    {
        try
        {
            long length = new FileInfo(indexPath).Length;
            if (length > MaxIndexBytes)
                throw new SafetensorsException(indexPath, $"expected at most {MaxIndexBytes} bytes, got {length}");
            using var document = JsonDocument.Parse(
                File.ReadAllBytes(indexPath), new JsonDocumentOptions { MaxDepth = 16, AllowDuplicateProperties = false });
            if (document.RootElement.ValueKind != JsonValueKind.Object
                || !document.RootElement.TryGetProperty("weight_map", out JsonElement map) || map.ValueKind != JsonValueKind.Object)
            {
                throw new SafetensorsException(indexPath, "expected an object with the object 'weight_map'");
            }
            var weightMap = new Dictionary<string, string>(StringComparer.Ordinal);
            foreach (JsonProperty entry in map.EnumerateObject())
                weightMap.Add(entry.Name, CheckShardName(indexPath, entry.Name, entry.Value));
            return weightMap;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or UnauthorizedAccessException
            || e is IOException and not SafetensorsException)
        {
            throw new SafetensorsException(indexPath, $"the index cannot be read: {e.Message}", cause: e);
        }
    }

    // A plain file name: an index from a stranger must not make us open files outside its folder.
    private static string CheckShardName(string indexPath, string tensorName, JsonElement value)
    {
        string? name = value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        bool plain = name is { Length: > 0 } && name is not ("." or "..") && name.AsSpan().IndexOfAny("/\\:\0") < 0;
        return plain
            ? name!
            : throw new SafetensorsException(indexPath, $"expected the plain name of a file, got {value.GetRawText()}", tensorName);
    }
}
