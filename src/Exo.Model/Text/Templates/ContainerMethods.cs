using System.Numerics;

namespace Exo.Model.Text.Templates;

/// <summary>The methods and attributes of lists, tuples, dicts, numbers and macros that change nothing.</summary>
internal static class ContainerMethods
{
    private static readonly Signature s_get = new("get", "key default?");
    private static readonly Signature s_index = new("index", "value start? stop?");
    private static readonly Signature s_count = new("count", "value");
    private static readonly Signature s_empty = new("method", "");

    /// <summary>The attribute, or null where the value has none of that name.</summary>
    public static object? Find(object? value, string name) => value switch
    {
        DictValue dict => OfDict(dict, name),
        ListValue list => name == "copy" ? Plain(list, name, _ => new ListValue([.. list.Items])) : OfSequence(list, list.Items, name),
        TupleValue tuple when tuple.Fields is not null && Array.IndexOf(tuple.Fields, name) is int i and >= 0 => tuple.Items[i],
        TupleValue tuple => OfSequence(tuple, tuple.Items, name),
        RangeValue range => name switch { "start" => (BigInteger)range.Start, "stop" => (BigInteger)range.Stop, "step" => (BigInteger)range.Step, _ => null },
        double number => OfFloat(number, name),
        BigInteger number => OfInteger(number, name),
        Macro macro => OfMacro(macro, name),
        Cycler cycler => cycler.Attribute(name),
        _ => null,
    };

    private static BoundMethod? OfDict(DictValue dict, string name) => name switch
    {
        "get" => new BoundMethod(dict, name, (context, arguments) =>
        {
            Bound bound = s_get.Bind(context, arguments);
            return dict.TryGet(bound[0], out object? found) ? found : bound.OrNull(1);
        }),
        "keys" => Plain(dict, name, _ => new DictView(dict, DictPart.Keys)),
        "values" => Plain(dict, name, _ => new DictView(dict, DictPart.Values)),
        "items" => Plain(dict, name, _ => new DictView(dict, DictPart.Items)),
        "copy" => Plain(dict, name, context =>
        {
            DictValue copy = context.NewDict();
            context.Budget.Pay(dict.Count);
            foreach ((object? key, object? value) in dict.Entries) copy.Set(key, value);
            return copy;
        }),
        _ => null,
    };

    private static BoundMethod? OfSequence(object self, IReadOnlyList<object?> items, string name) => name switch
    {
        "count" => new BoundMethod(self, name, (context, arguments) =>
        {
            object? wanted = s_count.Bind(context, arguments)[0];
            return new BigInteger(items.Count(item => Operators.AreEqual(context, item, wanted)));
        }),
        "index" => new BoundMethod(self, name, (context, arguments) =>
        {
            Bound bound = s_index.Bind(context, arguments);
            int start = Math.Max(0, bound.Int(1, 0)), stop = Math.Min(items.Count, bound.Int(2, items.Count));
            for (int i = start; i < stop; i++)
                if (Operators.AreEqual(context, items[i], bound[0])) return new BigInteger(i);
            throw TemplateFault.Value($"{Repr.Of(context, bound[0])} is not in {Types.NameOf(self)}");
        }),
        _ => null,
    };

    private static object? OfFloat(double number, string name) => name switch
    {
        "is_integer" => Plain(number, name, _ => double.IsInteger(number)),
        "real" => number,
        "imag" => 0.0,
        _ => null,
    };

    private static object? OfInteger(BigInteger number, string name) => name switch
    {
        "bit_length" => Plain(number, name, _ => new BigInteger(BigInteger.Abs(number).GetBitLength())),
        "real" or "numerator" => number,
        "imag" => BigInteger.Zero,
        "denominator" => BigInteger.One,
        _ => null,
    };

    private static object? OfMacro(Macro macro, string name) => name switch
    {
        "name" => macro.Name,
        "arguments" => new TupleValue([.. macro.Definition.Parameters.Select(parameter => parameter.Name)]),
        "caller" => macro.Definition.UsesCaller,
        "catch_kwargs" => macro.Definition.UsesKwargs,
        "catch_varargs" => macro.Definition.UsesVarargs,
        _ => null,
    };

    private static BoundMethod Plain(object self, string name, Func<RenderContext, object?> body) => new(self, name, (context, arguments) =>
    {
        s_empty.Bind(context, arguments);
        context.Budget.Pay();
        return body(context);
    });
}
