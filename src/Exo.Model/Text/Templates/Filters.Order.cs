namespace Exo.Model.Text.Templates;

internal static partial class Filters
{
    private static void AddOrder(Action<string, string, Body> add)
    {
        add("sort", "reverse? case_sensitive? attribute?", (context, value, a) => new ListValue(Ordering.Sorted(
            context, Types.ToList(context, value), ItemKey.OfMany(context, a.OrNull(2), IgnoreCase: !a.Flag(1)), a.Flag(0))));
        add("dictsort", "case_sensitive? by? reverse?", (context, value, a) => DictSort(context, value, a));
        add("min", "case_sensitive? attribute?", (context, value, a) => Extreme(context, value, a, sign: -1));
        add("max", "case_sensitive? attribute?", (context, value, a) => Extreme(context, value, a, sign: 1));
        add("groupby", "attribute default? case_sensitive?", (context, value, a) => GroupBy(context, value, a));
    }

    private static ListValue DictSort(RenderContext context, object? value, Bound a)
    {
        if (value is not DictValue dict)
            throw value is Undefined undefined ? undefined.Fault : TemplateFault.Type($"dictsort: a mapping is required, not {Types.NameOf(value)}");
        string by = a.Has(1) ? a.Text(1) : "key";
        if (by is not ("key" or "value")) throw TemplateFault.Value("You can only sort by either \"key\" or \"value\"");
        int part = by == "key" ? 0 : 1;
        bool ignoreCase = !a.Flag(0);
        object? Key(object? pair) => ignoreCase ? ItemKey.Lower(((TupleValue)pair!).Items[part]) : ((TupleValue)pair!).Items[part];
        context.Budget.Pay(dict.Count);
        return new ListValue(Ordering.Sorted(context, new DictView(dict, DictPart.Items).Items, Key, a.Flag(2)));
    }

    private static object? Extreme(RenderContext context, object? value, Bound a, int sign)
    {
        Func<object?, object?> key = ItemKey.Of(context, a.OrNull(1), null, IgnoreCase: !a.Flag(0));
        object? best = new Undefined("No aggregated item, sequence was empty."), bestKey = null;
        bool any = false;
        foreach (object? item in Types.Elements(context, value))
        {
            object? itemKey = key(item);
            if (!any || Operators.Compare(context, itemKey, bestKey, sign > 0 ? ">" : "<") == sign) (best, bestKey) = (item, itemKey);
            any = true;
        }

        return best;
    }

    private static ListValue GroupBy(RenderContext context, object? value, Bound a)
    {
        object? otherwise = a.OrNull(1);
        bool ignoreCase = !a.Flag(2);
        Func<object?, object?> exact = ItemKey.Of(context, a[0], otherwise, IgnoreCase: false);
        object? Key(object? item) => ignoreCase ? ItemKey.Lower(exact(item)) : exact(item);
        var groups = new List<object?>();
        List<object?>? current = null;
        object? currentKey = null;
        foreach (object? item in Ordering.Sorted(context, Types.ToList(context, value), Key))
        {
            object? key = Key(item);
            if (current is null || !Operators.AreEqual(context, key, currentKey))
            {
                (current, currentKey) = ([], key);
                groups.Add(new TupleValue([exact(item), new ListValue(current)]) { Fields = ["grouper", "list"] });
            }

            current.Add(item);
        }

        return new ListValue(groups);
    }
}

/// <summary>What sort, groupby, map and their kin look at in an element: "a", "a.b", "a.0", or the element itself.</summary>
internal static class ItemKey
{
    public static Func<object?, object?> Of(RenderContext context, object? attribute, object? otherwise, bool IgnoreCase)
    {
        if (attribute is Undefined undefined) throw undefined.Fault;
        object?[] path = attribute switch
        {
            null => [],
            string or Markup => [.. Types.TextOrNull(attribute)!.Split('.').Select(Part)],
            _ => [attribute],
        };
        return item =>
        {
            foreach (object? part in path)
            {
                item = Attributes.Item(context, item, part);
                if (item is Undefined && otherwise is not null) item = otherwise;
            }

            return IgnoreCase ? Lower(item) : item;
        };
    }

    /// <summary>The same for "a,b": a list of keys.</summary>
    public static Func<object?, object?> OfMany(RenderContext context, object? attribute, bool IgnoreCase)
    {
        if (attribute is not string names || !names.Contains(',', StringComparison.Ordinal)) return Of(context, attribute, null, IgnoreCase);
        Func<object?, object?>[] keys = [.. names.Split(',').Select(name => Of(context, name, null, IgnoreCase))];
        return item => new ListValue([.. keys.Select(key => key(item))]);
    }

    public static object? Lower(object? value) => value is string text ? PythonText.Lower(text) : value;

    private static object? Part(string part) => part.Length is > 0 and < 10 && part.All(char.IsAsciiDigit)
        ? System.Numerics.BigInteger.Parse(part, System.Globalization.CultureInfo.InvariantCulture)
        : part;
}
