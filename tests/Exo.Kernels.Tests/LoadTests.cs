using Exo.Testing.Kernels;
using Xunit;

namespace Exo.Kernels.Tests;

/// <summary>Sources and leaves that do not fit are refused before a byte of them is read.</summary>
public sealed class LoadTests : IDisposable
{
    private readonly ReferenceDevice _device = new();
    private readonly HostWeight _affine = new(new Random(1), new WeightSpec(WeightFormat.Affine4, 4, 64));
    private readonly HostWeight _float = new(new Random(1), new WeightSpec(WeightFormat.F32, 4, 64));

    public void Dispose()
    {
        _device.Dispose();
        _affine.Dispose();
        _float.Dispose();
    }

    [Fact]
    public void Nothing_is_no_weight() => Refused();

    [Fact]
    public void Parts_must_agree_on_their_columns() => Refused(_affine.Source, _float.Source.Columns(0, 63));

    [Fact]
    public void Columns_must_lie_in_the_row()
    {
        Refused(_float.Source with { EndColumn = 65 });
        Refused(_float.Source with { StartColumn = -1 });
        Refused(_float.Source with { StartColumn = 5, EndColumn = 4 });
        Assert.Throws<ShapeException>(() => _float.Source.Columns(0, 65));
        Assert.Throws<ShapeException>(() => _float.Source.Rows(3, 5));
    }

    [Fact]
    public void Affine_weights_need_groups_scales_and_biases()
    {
        Refused(_affine.Source with { GroupSize = 16 });
        Refused(_affine.Source with { GroupSize = 128 });
        Refused(_affine.Source with { Scales = 0 });
        Refused(_affine.Source with { Biases = 0 });
    }

    [Fact]
    public void Memory_and_row_biases_must_be_there()
    {
        Refused(_float.Source with { Address = 0 });
        Refused(_float.Source with { RowBias = new float[3] });
    }

    [Fact]
    public void Leaves_must_span_the_columns_and_take_no_row_bias()
    {
        var leaves = new Leaves(4, 1, [0, 32, 64]);
        _device.Load([_float.Source], ActivationFormat.Float32, leaves).Dispose();
        Assert.Throws<ShapeException>(() => _device.Load([_float.Source.Columns(0, 60)], ActivationFormat.Float32, leaves));
        Assert.Throws<ShapeException>(() => _device.Load([_float.Source with { RowBias = new float[4] }], ActivationFormat.Float32, leaves));
        Assert.Throws<ShapeException>(() => new Leaves(2, 1, [0, 32, 64]));
        Assert.Throws<ShapeException>(() => new Leaves(2, 0, [0, 32, 31]));
    }

    [Fact]
    public void Rows_of_a_source_keep_their_scales_and_their_bias()
    {
        WeightSource source = _affine.Source with { RowBias = [1f, 2f, 3f, 4f] };
        float[] x = RandomValues.Uniform(new Random(2), 64);
        using Weight whole = _device.Load([source], ActivationFormat.Int8), slice = _device.Load([source.Rows(1, 3)], ActivationFormat.Int8);
        float[] expected = _device.Read(_device.MatMul(_device.Write(x, 1, 64), whole)).ToArray();
        Assert.Equal(expected[1..3], _device.Read(_device.MatMul(_device.Write(x, 1, 64), slice)).ToArray());
    }

    [Fact]
    public void A_cache_must_have_a_shape_and_a_type_it_can_hold()
    {
        var layout = new KvLayout(1, 8, 8);
        Assert.Throws<ShapeException>(() => _device.CreateKvCache(layout, DType.BF16, 1));
        Assert.Throws<ShapeException>(() => _device.CreateKvCache(layout with { KeyWidth = 0 }, DType.F16, 1));
        Assert.Throws<ShapeException>(() => _device.CreateKvCache(layout with { ValuesInKeys = true, ValueWidth = 9 }, DType.F16, 1));
        Assert.Throws<ShapeException>(() => _device.CreateKvCache(layout, DType.F16, -1));
    }

    private void Refused(params WeightSource[] parts) => Assert.Throws<ShapeException>(() => _device.Load(parts, ActivationFormat.Float32));
}
