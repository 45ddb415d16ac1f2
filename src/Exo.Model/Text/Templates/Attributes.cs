using System.Numerics;

namespace Exo.Model.Text.Templates;

/// <summary>value.name, value[key] and value[start:stop:step], inside the sandbox.</summary>
internal static class Attributes
{
    private static readonly HashSet<string> s_listMutators =
        new(StringComparer.Ordinal) { "append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove" };

    private static readonly HashSet<string> s_dictMutators = new(StringComparer.Ordinal) { "clear", "pop", "popitem", "setdefault", "update" };

    /// <summary>value.name: the attribute where there is one, else the element of that name.</summary>
    public static object? Get(RenderContext context, object? value, string name)
    {
        if (TryAttribute(context, value, name, out object? attribute)) return attribute;
        return value is DictValue dict && dict.TryGet(name, out object? element) ? element : NoAttribute(value, name);
    }

    /// <summary>value[key]: the element where there is one, else the attribute of that name.</summary>
    public static object? Item(RenderContext context, object? value, object? key)
    {
        if (value is Undefined undefined) throw undefined.Fault;
        if (TryElement(context, value, key, out object? element)) return element;
        if (Types.TextOrNull(key) is string name) return TryAttribute(context, value, name, out object? found) ? found : NoAttribute(value, name);
        return new Undefined($"{Types.Describe(value)} has no element {Repr.Of(context, key)}");
    }

    public static Undefined NoAttribute(object? value, string name) => new($"{Repr.Quote(Types.Describe(value))} has no attribute {Repr.Short(name)}");

    private static bool TryElement(RenderContext context, object? value, object? key, out object? element)
    {
        element = null;
        if (value is DictValue dict) return key is not (ListValue or DictValue) && dict.TryGet(key, out element);
        if (!Number.TryInteger(key, out BigInteger index)) return false;
        switch (value)
        {
            case ListValue list when InRange(index, list.Items.Count, out int i):
                element = list.Items[i];
                return true;
            case TupleValue tuple when InRange(index, tuple.Items.Length, out int i):
                element = tuple.Items[i];
                return true;
            case RangeValue range when InRange(index, (int)range.Length, out int i):
                element = range[i];
                return true;
            case string or Markup:
                string text = Types.TextOrNull(value)!;
                context.Budget.PayText(text.Length);
                if (!InRange(index, PythonText.Length(text), out int at)) return false;
                int start = PythonText.IndexOfCodePoint(text, at);
                element = text.Substring(start, PythonText.IndexOfCodePoint(text[start..Math.Min(text.Length, start + 2)], 1));
                return true;
            default:
                return false;
        }
    }

    private static bool InRange(BigInteger index, int length, out int position)
    {
        position = Number.Clamp(index.Sign < 0 ? index + length : index);
        return position >= 0 && position < length;
    }

    private static bool TryAttribute(RenderContext context, object? value, string name, out object? attribute)
    {
        if (value is Undefined undefined) throw undefined.Fault;
        attribute = null;
        if (value is NamespaceValue names && names.Attributes.TryGetValue(name, out attribute)) return true;
        bool isSpecial = name.Length > 4 && name.StartsWith("__", StringComparison.Ordinal) && name.EndsWith("__", StringComparison.Ordinal);
        bool changes = value is ListValue ? s_listMutators.Contains(name) : value is DictValue && s_dictMutators.Contains(name);
        if (changes || (isSpecial && !(value is DictValue dict && dict.TryGet(name, out _))))
        {
            attribute = new Undefined(
                $"access to attribute {Repr.Quote(name)} of {Repr.Quote(Types.NameOf(value))} object is unsafe.",
                ChatTemplateError.Security);
            return true;
        }

        if (value is string or Markup)
        {
            string text = Types.TextOrNull(value)!;
            if (name is "format" or "format_map")
                attribute = new BoundMethod(value, name, (c, a) => new BraceFormat(c, name == "format" ? a : FromMap(a)).Apply(text));
            else if (StringMethods.TryGet(name, out Signature? signature, out StringMethods.Body? body))
                attribute = new BoundMethod(value, name, (c, a) => body(c, text, signature.Bind(c, a)));
            return attribute is not null;
        }

        if (value is LoopValue loop) return loop.TryAttribute(name, out attribute);
        attribute = ContainerMethods.Find(value, name);
        return attribute is not null;
    }

    private static Arguments FromMap(Arguments arguments)
    {
        if (arguments.Positional is not [DictValue map]) throw TemplateFault.Type("format_map() takes one dict");
        return new Arguments([], [.. map.Entries.Where(e => e.Key is string).Select(e => new KeyValuePair<string, object?>((string)e.Key!, e.Value))]);
    }

    /// <summary>value[start:stop:step] as Python slices; null parts are open.</summary>
    public static object Slice(RenderContext context, object? value, object? start, object? stop, object? step)
    {
        if (value is Undefined undefined) throw undefined.Fault;
        if (value is DictValue) throw TemplateFault.Type("unhashable type: 'slice'");
        if (value is not (string or Markup or ListValue or TupleValue or RangeValue))
            throw TemplateFault.Type($"'{Types.NameOf(value)}' object is not subscriptable");
        int stride = Bound(step, 1);
        if (stride == 0) throw TemplateFault.Value("slice step cannot be zero");
        bool back = stride < 0;
        Types.TryLength(value, out long length);
        int from = Edge(start, (int)length, back ? (int)length - 1 : 0, back);
        int to = Edge(stop, (int)length, back ? -1 : (int)length, back);
        if (value is string or Markup && stride == 1)
        {
            string text = Types.TextOrNull(value)!;
            context.Budget.PayText(text.Length);
            int first = PythonText.IndexOfCodePoint(text, from);
            return to <= from ? "" : text[first..(first + PythonText.IndexOfCodePoint(text[first..], to - from))];
        }

        List<object?> all = Types.ToList(context, value), picked = [];
        for (long i = from; back ? i > to : i < to; i += stride) picked.Add(all[(int)i]);
        return value switch
        {
            TupleValue => new TupleValue([.. picked]),
            string or Markup => string.Concat(picked),
            RangeValue range => new RangeValue(
                range.Start + from * range.Step, range.Start + to * range.Step, range.Step * stride),
            _ => new ListValue(picked),
        };
    }

    private static int Bound(object? part, int otherwise) => part is null ? otherwise
        : Number.TryInteger(part, out BigInteger number) ? Number.Clamp(number)
        : throw (part is Undefined undefined ? undefined.Fault
            : TemplateFault.Type("slice indices must be integers or None or have an __index__ method"));

    private static int Edge(object? part, int length, int open, bool back)
    {
        if (part is null) return open;
        long at = Bound(part, 0);
        if (at < 0) at += length;
        return (int)Math.Clamp(at, back ? -1 : 0, back ? length - 1 : length);
    }
}
