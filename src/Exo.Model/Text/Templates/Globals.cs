using System.Numerics;

namespace Exo.Model.Text.Templates;

/// <summary>The functions that every template can call.</summary>
internal static class Globals
{
    private const int MaxRange = 100_000;

    private static readonly Dictionary<string, object?> s_globals = new(StringComparer.Ordinal)
    {
        ["range"] = new Function("range", "start stop? step?", (_, a) => Range(a)),
        ["dict"] = new BoundMethod(null, "dict", Dict),
        ["namespace"] = new BoundMethod(null, "namespace", Namespace),
        ["cycler"] = new BoundMethod(null, "cycler", (_, a) =>
            a.Positional.Count > 0 ? new Cycler(a.Positional) : throw TemplateFault.Runtime("at least one item has to be provided")),
        ["joiner"] = new Function("joiner", "sep?", (_, a) => new Joiner(a.Has(0) ? a[0] : ", ")),
        ["raise_exception"] = new Function("raise_exception", "message", (context, a) =>
            throw new TemplateFault(ChatTemplateError.Raised, Repr.Str(context, a[0]))),
        ["strftime_now"] = new Function("strftime_now", "format", (context, a) => Strftime.Format(context, context.Time.GetLocalNow(), a.Text(0))),
    };

    public static bool TryGet(string name, out object? value) => s_globals.TryGetValue(name, out value);

    private static RangeValue Range(Bound a)
    {
        long start = a.Has(1) ? a.Int(0, 0) : 0, stop = a.Has(1) ? a.Int(1, 0) : a.Int(0, 0), step = a.Int(2, 1);
        if (step == 0) throw TemplateFault.Value("range() arg 3 must not be zero");
        var range = new RangeValue(start, stop, step);
        if (range.Length > MaxRange)
            throw TemplateFault.Value($"Range too big. The sandbox blocks ranges larger than MAX_RANGE ({MaxRange}).");
        return range;
    }

    private static DictValue Dict(RenderContext context, Arguments arguments)
    {
        if (arguments.Positional.Count > 1) throw TemplateFault.Type($"dict expected at most 1 argument, got {arguments.Positional.Count}");
        DictValue dict = context.NewDict();
        foreach (object? source in arguments.Positional)
        {
            object? pairs = source is DictValue other ? new DictView(other, DictPart.Items) : source;
            foreach (object? pair in Types.Elements(context, pairs))
            {
                if (Types.ToList(context, pair) is not [object or null, object or null] items)
                    throw TemplateFault.Value("dictionary update sequence elements must have length 2");
                dict.Set(items[0], items[1]);
            }
        }

        foreach ((string key, object? value) in arguments.Named) dict.Set(key, value);
        return dict;
    }

    private static NamespaceValue Namespace(RenderContext context, Arguments arguments)
    {
        var names = new NamespaceValue();
        foreach ((object? key, object? value) in Dict(context, arguments).Entries)
            names.Attributes[key as string ?? throw TemplateFault.Type("namespace: names must be strings")] = value;
        return names;
    }
}

/// <summary>cycler(a, b, ...): gives its values in turn.</summary>
internal sealed class Cycler(IReadOnlyList<object?> values)
{
    private int _position;

    public object? Attribute(string name) => name switch
    {
        "current" => values[_position],
        "next" => new BoundMethod(this, name, (_, _) =>
        {
            object? value = values[_position];
            _position = (_position + 1) % values.Count;
            return value;
        }),
        "reset" => new BoundMethod(this, name, (_, _) =>
        {
            _position = 0;
            return null;
        }),
        "items" => new TupleValue([.. values]),
        "pos" => new BigInteger(_position),
        _ => null,
    };
}

/// <summary>joiner(sep): nothing at the first call, the separator at all others.</summary>
internal sealed class Joiner(object? separator) : ICallable
{
    private bool _used;

    public object? Call(RenderContext context, Arguments arguments)
    {
        object? result = _used ? separator : "";
        _used = true;
        return result;
    }
}
