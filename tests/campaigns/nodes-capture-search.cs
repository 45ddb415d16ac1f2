// Looks in a capture for what must not be readable there: runs of four of a prompt's ids (int32 and int64), and rows of the residual
// stream after any layer of the prompt's pass (float32), which it computes itself.
// Usage: dotnet run -c Release nodes-capture-search.cs -- MODEL PROMPT CAPTURE     prints the numbers of patterns found
#:project ../../src/Exo.Model/Exo.Model.csproj
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Exo.Kernels;
using Exo.Model;
using Exo.Model.Generation;
using Exo.Model.Layers;
using Exo.Model.Parallel;
using Exo.Model.Weights;

const int run = 4, floats = 16;
string folder = ModelLocator.Find(args[0]);
byte[] capture = File.ReadAllBytes(args[2]);
int[] ids = ModelText.Load(folder).EncodeChat([new JsonObject { ["role"] = "user", ["content"] = args[1] }]);
long[] wide = Array.ConvertAll(ids, id => (long)id);
int narrowFound = 0, wideFound = 0;
for (int i = 0; i + run <= ids.Length; i++)
{
    if (Has(MemoryMarshal.AsBytes(ids.AsSpan(i, run)))) narrowFound++;
    if (Has(MemoryMarshal.AsBytes(wide.AsSpan(i, run)))) wideFound++;
}
List<float[]> rows = ResidualRows();
// The middle of a row: its ends may lie in different packets.
int rowsFound = rows.Count(row => Has(MemoryMarshal.AsBytes(row.AsSpan(row.Length / 2, floats))));
Console.WriteLine($"{capture.Length} bytes; runs of ids: {narrowFound} as int32, {wideFound} as int64, of {ids.Length - run + 1}; residual rows: {rowsFound} of {rows.Count}");

bool Has(ReadOnlySpan<byte> pattern) => capture.AsSpan().IndexOf(pattern) >= 0;

List<float[]> ResidualRows()
{
    using Device device = CpuDevice.Create();
    ModelConfig config = ModelConfig.Load(folder);
    var context = new ModelContext(device, config, Shard.Whole, Arithmetic.Fast);
    using SafetensorsModel checkpoint = SafetensorsModel.Open(folder);
    using var model = new CausalModel(context, checkpoint);
    int[] pages = [.. Enumerable.Range(0, (ids.Length / KvLayout.PageSize) + 1)];
    model.AllocateCache(pages.Length);
    var found = new List<float[]>();
    var step = new Step(device)
    {
        LayerObserver = (_, x) =>
        {
            float[] all = device.Read(x).ToArray(); // [positions, hidden]
            found.AddRange(all.Chunk(config.HiddenSize));
        },
    };
    step.AddSequence(0, ids, pages, pages.Length * KvLayout.PageSize);
    model.Forward(step);
    return found;
}
