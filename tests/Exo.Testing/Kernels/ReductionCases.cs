using Exo.Kernels;

namespace Exo.Testing.Kernels;

/// <summary>Leaves split over ranks at random cuts, added up.</summary>
public sealed record AddNodesCase(int NumTokens, int NumColumns, int NumLeaves, int NumRanks) : KernelCase
{
    /// <inheritdoc/>
    protected override float[] Run(Device device, Random random)
    {
        int[] cuts = RandomValues.Bounds(random, 0, NumLeaves, NumRanks);
        PartialLayout[] ranks = [.. Enumerable.Range(0, NumRanks).Select(r => PartialLayout.OfLeaves(NumLeaves, cuts[r], cuts[r + 1]))];
        ReductionProgram program = ReductionProgram.Compile(ranks);
        var nodes = new NodeValues[program.NumNodes];
        for (int i = 0; i < nodes.Length; i++)
        {
            Tensor x = WriteStrided(device, random, NumTokens, NumColumns);
            nodes[i] = new NodeValues(x.Address, x.RowStride, 0);
        }
        return Values(device, device.AddNodes(program, nodes, NumTokens, NumColumns));
    }
}

/// <summary>Experts split over ranks; a token's nodes are present at random, at least one of them.</summary>
public sealed record AddExpertNodesCase(int NumTokens, int NumColumns, int NumLeaves, int NumExperts, int NumRanks) : KernelCase
{
    /// <inheritdoc/>
    protected override float[] Run(Device device, Random random)
    {
        int[] cuts = RandomValues.Bounds(random, 0, NumExperts, NumRanks);
        PartialLayout[] ranks =
        [
            .. Enumerable.Range(0, NumRanks).Select(rank => PartialLayout.OfExperts(
                NumLeaves, 0, NumLeaves, NumExperts, cuts[rank], cuts[rank + 1], 0, rank == 0 ? NumLeaves : 0)),
        ];
        ReductionProgram program = ReductionProgram.Compile(ranks);
        var nodes = new NodeValues[program.NumNodes];
        for (int i = 0; i < nodes.Length; i++)
        {
            Tensor x = WriteStrided(device, random, NumTokens, NumColumns);
            byte[] present = new byte[(NumTokens + 3) / 4 * 4];
            for (int t = 0; t < NumTokens; t++) present[t] = (byte)(i == t % nodes.Length ? 1 : random.Next(2));
            nodes[i] = new NodeValues(x.Address, x.RowStride, WriteBytes(device, present));
        }
        return Values(device, device.AddNodes(program, nodes, NumTokens, NumColumns));
    }

    private static nint WriteBytes(Device device, byte[] bytes) =>
        device.Write(System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(bytes), 1, bytes.Length / sizeof(float)).Address;
}
