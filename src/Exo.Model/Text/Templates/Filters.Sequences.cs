using System.Numerics;

namespace Exo.Model.Text.Templates;

internal static partial class Filters
{
    private static void AddSequences(Action<string, string, Body> add)
    {
        add("list", "", (context, value, _) => new ListValue(Types.ToList(context, value)));
        add("length", "", (context, value, _) => LengthOf(context, value));
        add("count", "", (context, value, _) => LengthOf(context, value));
        add("first", "", (context, value, _) =>
        {
            foreach (object? item in Types.Elements(context, value)) return item;
            return new Undefined("No first item, sequence was empty.");
        });
        add("last", "", (context, value, _) => value is Generator ? throw TemplateFault.Type("'generator' object is not reversible")
            : Types.ToList(context, value) is { Count: > 0 } items ? items[^1] : new Undefined("No last item, sequence was empty."));
        add("join", "d? attribute?", (context, value, a) => Join(context, value, a.Str(0, ""), a.OrNull(1)));
        add("reverse", "", (context, value, _) => Reverse(context, value));
        add("items", "", (_, value, _) => value switch
        {
            Undefined => new Generator([]),
            DictValue dict => new Generator(new DictView(dict, DictPart.Items).Items),
            _ => throw TemplateFault.Type("Can only get item pairs from a mapping."),
        });
        add("batch", "linecount fill_with?", (context, value, a) => new Generator(Batches(context, value, a.Int(0, 1), a.OrNull(1))));
        add("slice", "slices fill_with?", (context, value, a) => new Generator(Slices(context, value, a.Int(0, 1), a.OrNull(1))));
        add("unique", "case_sensitive? attribute?", (context, value, a) =>
            new Generator(Unique(context, value, ItemKey.Of(context, a.OrNull(1), null, IgnoreCase: !a.Flag(0)))));
        add("sum", "attribute? start?", (context, value, a) =>
        {
            Func<object?, object?> key = ItemKey.Of(context, a.OrNull(0), null, IgnoreCase: false);
            object? sum = a.Has(1) ? a[1] : BigInteger.Zero;
            foreach (object? item in Types.Elements(context, value)) sum = Arithmetic.Apply(context, "+", sum, key(item));
            return sum;
        });
    }

    private static object LengthOf(RenderContext context, object? value)
    {
        context.Budget.PayText(Types.TextOrNull(value)?.Length ?? 0);
        return Types.TryLength(value, out long length)
            ? new BigInteger(length)
            : throw TemplateFault.Type($"object of type '{Types.NameOf(value)}' has no len()");
    }

    private static string Join(RenderContext context, object? value, string separator, object? attribute)
    {
        Func<object?, object?> key = ItemKey.Of(context, attribute, null, IgnoreCase: false);
        var text = new PaidText(context.Budget);
        bool first = true;
        foreach (object? item in Types.Elements(context, value))
        {
            if (!first) text.Append(separator);
            first = false;
            text.Append(Repr.Str(context, key(item)));
        }

        return text.ToString();
    }

    private static object Reverse(RenderContext context, object? value)
    {
        if (!Types.IsIterable(value)) throw TemplateFault.Value("argument must be iterable");
        List<object?> items = Types.ToList(context, value);
        items.Reverse();
        return value is string or Markup ? string.Concat(items) : value is Generator ? new ListValue(items) : new Generator(items);
    }

    private static IEnumerable<object?> Batches(RenderContext context, object? value, int size, object? fill)
    {
        List<object?> batch = [];
        foreach (object? item in Types.Elements(context, value))
        {
            if (batch.Count == size)
            {
                yield return new ListValue(batch);
                batch = [];
            }

            batch.Add(item);
        }

        if (batch.Count == 0) yield break;
        if (fill is not null && batch.Count < size)
        {
            context.Budget.Pay(size);
            while (batch.Count < size) batch.Add(fill);
        }

        yield return new ListValue(batch);
    }

    private static IEnumerable<object?> Slices(RenderContext context, object? value, int count, object? fill)
    {
        List<object?> items = Types.ToList(context, value);
        if (count == 0) throw new TemplateFault(ChatTemplateError.ZeroDivision, "integer division or modulo by zero");
        int size = items.Count / count, larger = items.Count % count, at = 0;
        for (int i = 0; i < count; i++)
        {
            context.Budget.Pay();
            int length = size + (i < larger ? 1 : 0);
            List<object?> slice = items.GetRange(at, length);
            at += length;
            if (fill is not null && i >= larger) slice.Add(fill);
            yield return new ListValue(slice);
        }
    }

    private static IEnumerable<object?> Unique(RenderContext context, object? value, Func<object?, object?> key)
    {
        var seen = new HashSet<object>(context.Keys);
        foreach (object? item in Types.Elements(context, value))
            if (seen.Add(key(item) ?? DictValue.NoneKey)) yield return item;
    }
}
