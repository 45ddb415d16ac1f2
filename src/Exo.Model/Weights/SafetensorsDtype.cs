using System.Collections.Frozen;

namespace Exo.Model.Weights;

/// <summary>Element types of the safetensors format that take whole bytes; the names are the format's own.</summary>
public enum SafetensorsDtype
{
    BOOL,
    U8,
    I8,
    F8_E4M3,
    F8_E5M2,
    F8_E8M0,
    U16,
    I16,
    F16,
    BF16,
    U32,
    I32,
    F32,
    U64,
    I64,
    F64,
}

public static class SafetensorsDtypes
{
    // By name and exactly: Enum.TryParse would also take numbers, other cases and lists.
    private static readonly FrozenDictionary<string, SafetensorsDtype> _byName =
        Enum.GetValues<SafetensorsDtype>().ToFrozenDictionary(d => d.ToString(), StringComparer.Ordinal);

    /// <summary>The type of that name in a header; false for one that this reader does not know.</summary>
    public static bool TryParse(string name, out SafetensorsDtype dtype) => _byName.TryGetValue(name, out dtype);

    /// <summary>Bytes of one element.</summary>
    public static int ByteSize(this SafetensorsDtype dtype) => dtype switch
    {
        SafetensorsDtype.U16 or SafetensorsDtype.I16 or SafetensorsDtype.F16 or SafetensorsDtype.BF16 => 2,
        SafetensorsDtype.U32 or SafetensorsDtype.I32 or SafetensorsDtype.F32 => 4,
        SafetensorsDtype.U64 or SafetensorsDtype.I64 or SafetensorsDtype.F64 => 8,
        _ => 1,
    };
}
