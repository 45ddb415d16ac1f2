using System.Numerics;
using System.Runtime.CompilerServices;

namespace Exo.Model.Text.Templates;

// A value of the template language is one of: null (None), bool, BigInteger (int), double (float), string (str), or a type below.
// None of them reaches .NET: no reflection, no delegates but our own.

/// <summary>A str that `safe` or `escape` has marked as markup: `+` escapes what is joined to it.</summary>
internal sealed record Markup(string Text);

internal sealed record ListValue(List<object?> Items);

internal sealed record TupleValue(object?[] Items)
{
    /// <summary>Field names, for the (grouper, list) pairs that groupby makes.</summary>
    public string[]? Fields { get; init; }
}

/// <summary>range(start, stop, step): start + i * step for i in [0, Length).</summary>
internal sealed record RangeValue(long Start, long Stop, long Step)
{
    public long Length { get; } = Step > 0
        ? Math.Max(0, (Stop - Start + Step - 1) / Step)
        : Math.Max(0, (Start - Stop - Step - 1) / -Step);

    public object this[long index] => new BigInteger(Start + index * Step);
}

/// <summary>A dict in the order of insertion. Keys are equal as Python's are: 1, 1.0 and True are one key.</summary>
internal sealed class DictValue(IEqualityComparer<object> keys)
{
    private readonly Dictionary<object, int> _positions = new(keys);
    private readonly List<KeyValuePair<object?, object?>> _entries = [];

    /// <summary>Stands for the key None.</summary>
    public static readonly object NoneKey = new();

    public int Count => _entries.Count;

    public IReadOnlyList<KeyValuePair<object?, object?>> Entries => _entries;

    public void Set(object? key, object? value)
    {
        if (_positions.TryGetValue(key ?? NoneKey, out int position))
        {
            _entries[position] = new(_entries[position].Key, value);
            return;
        }

        _positions[key ?? NoneKey] = _entries.Count;
        _entries.Add(new(key, value));
    }

    public bool TryGet(object? key, out object? value)
    {
        bool found = _positions.TryGetValue(key ?? NoneKey, out int position);
        value = found ? _entries[position].Value : null;
        return found;
    }
}

internal enum DictPart
{
    Keys,
    Values,
    Items,
}

/// <summary>dict.keys(), dict.values(), dict.items().</summary>
internal sealed record DictView(DictValue Dict, DictPart Part)
{
    public string TypeName => Part switch { DictPart.Keys => "dict_keys", DictPart.Values => "dict_values", _ => "dict_items" };

    public IEnumerable<object?> Items => Dict.Entries.Select(entry => Part switch
    {
        DictPart.Keys => entry.Key,
        DictPart.Values => entry.Value,
        _ => new TupleValue([entry.Key, entry.Value]),
    });
}

/// <summary>What map, select, batch, ... return: computed on demand, and only once.</summary>
internal sealed class Generator(IEnumerable<object?> items)
{
    private readonly IEnumerator<object?> _items = items.GetEnumerator();

    public IEnumerable<object?> Rest()
    {
        while (_items.MoveNext()) yield return _items.Current;
    }
}

/// <summary>A value that is not there. It prints as nothing and is false; any other use raises its fault.</summary>
internal sealed class Undefined(string reason, ChatTemplateError error = ChatTemplateError.Undefined)
{
    public TemplateFault Fault => new(error, reason);

    public static Undefined Name(string name) => new($"{Repr.Short(name)} is undefined");
}

/// <summary>namespace(...): the one kind of object whose attributes a template may set.</summary>
internal sealed class NamespaceValue
{
    public Dictionary<string, object?> Attributes { get; } = new(StringComparer.Ordinal);
}

/// <summary>Anything that a template can call.</summary>
internal interface ICallable
{
    object? Call(RenderContext context, Arguments arguments);
}

/// <summary>Stands for an argument that was not given.</summary>
internal sealed class Missing
{
    public static readonly Missing Value = new();

    private Missing()
    {
    }
}

/// <summary>Keys of a dict compared as Python compares them; the work is paid for.</summary>
internal sealed class KeyComparer(RenderContext context) : IEqualityComparer<object>
{
    public new bool Equals(object? x, object? y) => ReferenceEquals(x, y) || Operators.AreEqual(context, x, y);

    public int GetHashCode(object obj)
    {
        switch (obj)
        {
            case string text:
                context.Budget.PayText(text.Length);
                return text.GetHashCode(StringComparison.Ordinal);
            case Markup markup:
                context.Budget.PayText(markup.Text.Length);
                return markup.Text.GetHashCode(StringComparison.Ordinal);
            case bool flag:
                return new BigInteger(flag ? 1 : 0).GetHashCode();
            case BigInteger number:
                return number.GetHashCode();
            case double number:
                return double.IsInteger(number) ? new BigInteger(number).GetHashCode() : number.GetHashCode();
            case TupleValue tuple:
                return HashOf(tuple);
            case RangeValue range:
                return range.Length.GetHashCode();
            case ListValue or DictValue or NamespaceValue or DictView { Part: not DictPart.Values }:
                throw TemplateFault.Type($"unhashable type: '{Types.NameOf(obj)}'");
            default:
                return RuntimeHelpers.GetHashCode(obj);
        }
    }

    private int HashOf(TupleValue tuple)
    {
        context.Budget.Enter();
        var hash = default(HashCode);
        foreach (object? item in tuple.Items) hash.Add(GetHashCode(item ?? DictValue.NoneKey));
        context.Budget.Leave();
        return hash.ToHashCode();
    }
}
