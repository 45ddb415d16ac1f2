using System.Numerics;

namespace Exo.Model.Text.Templates;

/// <summary>Equality, order and containment as Python defines them.</summary>
internal static class Operators
{
    public static bool AreEqual(RenderContext context, object? a, object? b)
    {
        context.Budget.Pay();
        if (Types.TextOrNull(a) is string x)
        {
            if (Types.TextOrNull(b) is not string y || x.Length != y.Length) return false;
            context.Budget.PayText(x.Length);
            return x == y;
        }

        if (Number.TryInteger(a, out BigInteger i)) return Number.TryInteger(b, out BigInteger j) ? i == j : b is double d && Same(i, d);
        return (a, b) switch
        {
            (double d, double e) => d == e,
            (double d, _) => Number.TryInteger(b, out BigInteger k) && Same(k, d),
            (ListValue l, ListValue m) => AreEqual(context, l.Items, m.Items),
            (TupleValue l, TupleValue m) => AreEqual(context, l.Items, m.Items),
            (DictValue l, DictValue m) => AreEqual(context, l, m),
            (RangeValue l, RangeValue m) => l.Length == m.Length && (l.Length == 0 || (l.Start == m.Start && (l.Length == 1 || l.Step == m.Step))),
            (Undefined, Undefined) => true,
            _ => ReferenceEquals(a, b),
        };
    }

    private static bool Same(BigInteger integer, double number) => double.IsInteger(number) && new BigInteger(number) == integer;

    private static bool AreEqual(RenderContext context, IReadOnlyList<object?> a, IReadOnlyList<object?> b)
    {
        if (a.Count != b.Count) return false;
        context.Budget.Enter();
        bool equal = true;
        for (int i = 0; i < a.Count && equal; i++) equal = ReferenceEquals(a[i], b[i]) || AreEqual(context, a[i], b[i]);
        context.Budget.Leave();
        return equal;
    }

    private static bool AreEqual(RenderContext context, DictValue a, DictValue b)
    {
        if (a.Count != b.Count) return false;
        context.Budget.Enter();
        bool equal = a.Entries.All(entry => b.TryGet(entry.Key, out object? other) && AreEqual(context, entry.Value, other));
        context.Budget.Leave();
        return equal;
    }

    /// <summary>Sign of a - b in Python's order; a fault where the two cannot be compared. NaN compares as neither (null).</summary>
    public static int? Compare(RenderContext context, object? a, object? b, string symbol)
    {
        context.Budget.Pay();
        if (a is Undefined u) throw u.Fault;
        if (b is Undefined v) throw v.Fault;
        if (Types.TextOrNull(a) is string x && Types.TextOrNull(b) is string y)
        {
            context.Budget.PayText(Math.Min(x.Length, y.Length));
            return PythonText.Compare(x, y);
        }

        if (Number.TryInteger(a, out BigInteger i) && Number.TryInteger(b, out BigInteger j)) return i.CompareTo(j);
        if (Number.TryFloat(a, out double d) && Number.TryFloat(b, out double e))
            return double.IsNaN(d) || double.IsNaN(e) ? null : d.CompareTo(e);
        return (a, b) switch
        {
            (ListValue l, ListValue m) => Compare(context, l.Items, m.Items, symbol),
            (TupleValue l, TupleValue m) => Compare(context, l.Items, m.Items, symbol),
            _ => throw TemplateFault.Type(
                $"'{symbol}' not supported between instances of '{Types.NameOf(a)}' and '{Types.NameOf(b)}'"),
        };
    }

    private static int? Compare(RenderContext context, IReadOnlyList<object?> a, IReadOnlyList<object?> b, string symbol)
    {
        context.Budget.Enter();
        int common = Math.Min(a.Count, b.Count);
        int? order = a.Count.CompareTo(b.Count);
        for (int i = 0; i < common; i++)
        {
            if (AreEqual(context, a[i], b[i])) continue;
            order = Compare(context, a[i], b[i], symbol);
            break;
        }

        context.Budget.Leave();
        return order;
    }

    /// <summary>One comparison of a chain.</summary>
    public static bool Holds(RenderContext context, string symbol, object? a, object? b) => symbol switch
    {
        "==" => AreEqual(context, a, b),
        "!=" => !AreEqual(context, a, b),
        "in" => Contains(context, b, a),
        "not in" => !Contains(context, b, a),
        "<" => Compare(context, a, b, symbol) < 0,
        "<=" => Compare(context, a, b, symbol) <= 0,
        ">" => Compare(context, a, b, symbol) > 0,
        _ => Compare(context, a, b, symbol) >= 0,
    };

    public static bool Contains(RenderContext context, object? container, object? element)
    {
        if (Types.TextOrNull(container) is string text)
        {
            if (Types.TextOrNull(element) is not string part)
                throw TemplateFault.Type($"'in <string>' requires string as left operand, not {Types.NameOf(element)}");
            context.Budget.PaySearch(text, part);
            return text.Contains(part, StringComparison.Ordinal);
        }

        if (container is DictValue dict) return dict.TryGet(element, out _);
        if (container is DictView { Part: DictPart.Keys } keys) return keys.Dict.TryGet(element, out _);
        if (!Types.IsIterable(container)) throw TemplateFault.Type($"argument of type '{Types.NameOf(container)}' is not iterable");
        foreach (object? item in Types.Elements(context, container))
            if (AreEqual(context, item, element)) return true;
        return false;
    }
}

/// <summary>Python's sorted: stable, by the keys' order.</summary>
internal static class Ordering
{
    public static List<T> Sorted<T>(RenderContext context, IEnumerable<T> items, Func<T, object?> key, bool descending = false)
    {
        var keyed = items.Select(item => (Item: item, Key: key(item))).ToList();
        int Order(object? a, object? b) => Operators.AreEqual(context, a, b) ? 0 : Operators.Compare(context, a, b, "<") ?? 0;
        Comparer<object?> order = Comparer<object?>.Create(descending ? (a, b) => Order(b, a) : Order);
        try
        {
            return [.. keyed.OrderBy(pair => pair.Key, order).Select(pair => pair.Item)];
        }
        catch (InvalidOperationException e) when (e.InnerException is TemplateFault fault)
        {
            throw fault;
        }
    }
}
