using Exo.Kernels;

namespace Exo.Testing.Kernels;

/// <summary>A weight, and which of its columns are loaded how.</summary>
public sealed record LoadSpec(WeightSpec[] Parts, int StartColumn, int EndColumn, ActivationFormat Activations)
{
    /// <summary>Loads random parts; their memory is gone afterwards.</summary>
    public Weight Load(Device device, Random random, Leaves? leaves = null)
    {
        HostWeight[] parts = [.. Parts.Select(part => new HostWeight(random, part))];
        Weight weight = device.Load([.. parts.Select(part => part.Source.Columns(StartColumn, EndColumn))], Activations, leaves);
        foreach (HostWeight part in parts) part.Dispose();
        return weight;
    }

    /// <inheritdoc/>
    public override string ToString() =>
        $"[{string.Join(", ", Parts.Select(part => part.ToString()))}] columns [{StartColumn}, {EndColumn}) with {Activations} activations";
}

/// <summary>A column-parallel product.</summary>
public sealed record MatMulCase(int NumTokens, LoadSpec Weight) : KernelCase
{
    /// <inheritdoc/>
    protected override float[] Run(Device device, Random random)
    {
        using Weight weight = Weight.Load(device, random);
        return Values(device, device.MatMul(WriteStrided(device, random, NumTokens, weight.NumColumns), weight));
    }
}

/// <summary>A row-parallel product: leaves [FirstLeaf, FirstLeaf + NumHeld) of NumLeaves, cut anywhere.</summary>
public sealed record MatMulPartialCase(int NumTokens, LoadSpec Weight, int NumLeaves, int FirstLeaf, int NumHeld) : KernelCase
{
    /// <inheritdoc/>
    protected override float[] Run(Device device, Random random)
    {
        int[] bounds = RandomValues.Bounds(random, Weight.StartColumn, Weight.EndColumn, NumHeld);
        using Weight weight = Weight.Load(device, random, new Leaves(NumLeaves, FirstLeaf, bounds));
        return Values(device, device.MatMulPartial(WriteStrided(device, random, NumTokens, weight.NumColumns), weight));
    }
}

/// <summary>One product per head.</summary>
public sealed record MatMulHeadsCase(int NumTokens, int NumHeads, int HeadDim, LoadSpec Weight) : KernelCase
{
    /// <inheritdoc/>
    protected override float[] Run(Device device, Random random)
    {
        Weight[] heads = new Weight[NumHeads];
        for (int h = 0; h < NumHeads; h++) heads[h] = Weight.Load(device, random);
        float[] values = Values(device, device.MatMulHeads(WriteStrided(device, random, NumTokens, NumHeads * HeadDim), HeadDim, heads));
        foreach (Weight head in heads) head.Dispose();
        return values;
    }
}

/// <summary>Rows of an embedding table that holds the ids [FirstId, FirstId + rows).</summary>
public sealed record EmbedCase(int NumTokens, LoadSpec Table, int FirstId, int NumLeaves, int Leaf) : KernelCase
{
    /// <inheritdoc/>
    protected override float[] Run(Device device, Random random)
    {
        using Weight table = Table.Load(device, random);
        int[] ids = new int[NumTokens];
        int margin = NumLeaves == 1 ? 0 : 3;
        for (int t = 0; t < ids.Length; t++) ids[t] = random.Next(FirstId - margin, FirstId + table.NumRows + margin);
        return Values(device, device.Embed(table, FirstId, PartialLayout.OfLeaves(NumLeaves, Leaf, Leaf + 1), ids));
    }
}
